/**
 * What `--help` says in addition to the flags: examples and exit statuses. docs/cli.md is made from the same table. A test runs the
 * examples. For those that need a cluster, it only checks that the command accepts their arguments.
 *
 * Stage before: the commands. Stage after: `program.ts`, which has it added to them.
 */
import type { Command } from 'commander';

interface Example {
  readonly command: string;
  /** What it is for. */
  readonly comment: string;
  /** It asks the API server of a cluster. */
  readonly inCluster?: true;
}

interface Manual {
  readonly examples: readonly Example[];
  /** What is special of it; `COMMON_STATUSES` hold of every command. */
  readonly statuses: Readonly<Partial<Record<number, string>>>;
}

export const COMMON_STATUSES: Readonly<Record<number, string>> = {
  0: 'Done',
  1: 'Failed: an input that cannot be read, an output that cannot be written, a sidecar or a cluster that does not answer',
  2: 'The command line or a setting is wrong. Nothing was done',
  141: 'The reader of standard output has ended first, as `head -1` does; shells show this status for a program that SIGPIPE ends',
};

const SERVICE = '--service my-server.devopssong:80';

export const MANUALS: Readonly<Record<string, Manual>> = {
  proxy: {
    examples: [
      { command: 'sideroute proxy --routes routes --access-log errors', comment: 'with the routes in a directory' },
    ],
    statuses: { 0: 'Ended by a signal or /quit, and drained', 130: 'Ended at once by a second signal' },
  },
  check: {
    examples: [
      { command: 'sideroute check routes', comment: 'the files of a directory' },
      { command: 'kubectl get httproutes,services -A -o yaml | sideroute check -', comment: 'the routes of a cluster' },
      { command: 'sideroute check --strict -f routes -o json', comment: 'for a pipeline' },
      { command: 'sideroute check --cluster --pre', comment: 'a cluster before the install', inCluster: true },
      { command: 'sideroute check --cluster -n shop', comment: 'what is wrong in a namespace', inCluster: true },
    ],
    statuses: {
      0: 'No errors; with --strict no warnings either',
      1: 'Errors, a path that does not exist, or with --cluster something that could not be checked',
    },
  },
  explain: {
    examples: [
      { command: `sideroute explain -f routes ${SERVICE} -H 'version: new'`, comment: 'a request with a header' },
      { command: `sideroute explain -f routes ${SERVICE} --path /cart?id=1 -o json`, comment: 'as data' },
      {
        command: 'sideroute explain deploy/cart -n shop --service cart.shop:80 --path /checkout',
        comment: 'by the routes that a sidecar of the cluster has now',
        inCluster: true,
      },
    ],
    statuses: {
      0: 'Explained, whatever the result for the request is',
      1: 'There are no routes in what is given, or a path does not exist',
    },
  },
  'iptables print': {
    examples: [{ command: 'sideroute iptables print --service-cidrs 10.96.0.0/12', comment: 'only print' }],
    statuses: {},
  },
  'iptables apply': {
    examples: [
      {
        command: 'sideroute iptables apply --service-cidrs 10.96.0.0/12',
        comment: 'in the network namespace of a pod',
      },
    ],
    statuses: { 1: 'The rules cannot be installed; none of them is' },
  },
  'iptables verify': {
    examples: [
      { command: 'sideroute iptables verify --service-cidrs 10.96.0.0/12', comment: 'with the settings of apply' },
    ],
    statuses: { 0: 'The rules are as they should be', 1: 'They differ, or cannot be read' },
  },
  'iptables cleanup': {
    examples: [{ command: 'sideroute iptables cleanup', comment: 'rules of any earlier apply' }],
    statuses: {},
  },
  inject: {
    examples: [
      { command: 'sideroute inject deployment.yaml | kubectl apply -f -', comment: 'before they are applied' },
      { command: 'sideroute inject --in-place -f deployment.yaml', comment: 'change the file itself' },
    ],
    statuses: {
      0: 'Done; with --skip-refused also if workloads were skipped, which standard error lists',
      1: 'A workload is refused, and nothing is changed',
    },
  },
  uninject: {
    examples: [{ command: 'sideroute uninject deployment.yaml | kubectl apply -f -', comment: 'back to the original' }],
    statuses: { 1: 'A workload is refused, and nothing is changed' },
  },
  policy: {
    examples: [
      { command: 'sideroute policy --service-cidrs 10.96.0.0/12 | kubectl apply -f -', comment: 'injection by label' },
    ],
    statuses: {},
  },
  'routes export': {
    examples: [
      {
        command:
          'kubectl get httproutes,grpcroutes,services -A -o yaml | sideroute routes export --namespace web | kubectl apply -f -',
        comment: 'for the pods of a namespace',
      },
    ],
    statuses: {},
  },
  convert: {
    examples: [
      {
        command: 'kubectl get virtualservices,destinationrules,services -A -o yaml | sideroute convert > routes.yaml',
        comment: 'of a cluster with Istio; the report is on standard error',
      },
      { command: 'sideroute convert -f istio.yaml -o table', comment: 'only a list of the routes' },
    ],
    statuses: {
      0: 'The routes do the same as the original rules',
      1: 'Something differs or is left out; standard error says what',
    },
  },
  controller: {
    examples: [
      {
        command: 'sideroute controller --kubeconfig ~/.kube/config --leader-election off --metrics 127.0.0.1:15020',
        comment: 'from outside the cluster',
        inCluster: true,
      },
    ],
    statuses: { 0: 'Ended by a signal' },
  },
  status: {
    examples: [
      { command: 'sideroute status', comment: 'in the container of a sidecar' },
      {
        command: 'sideroute status --timeout 1m --wait "$(sideroute check routes -o json | jq -r .hash)"',
        comment: 'until it serves these files',
      },
      { command: 'sideroute status deploy/cart -n shop --all', comment: 'of every pod of a workload', inCluster: true },
    ],
    statuses: {
      0: 'What it serves is valid',
      1: 'The configuration is not valid or not the awaited one, or a sidecar does not answer',
    },
  },
  wait: {
    examples: [{ command: 'sideroute wait --timeout 30s', comment: 'before a program that needs the sidecar' }],
    statuses: { 0: 'Started and ready', 1: 'Not ready in time' },
  },
  connections: {
    examples: [
      { command: 'sideroute connections --backend original', comment: 'tunnelled connections' },
      { command: 'sideroute connections cart-1 -n shop --state idle', comment: 'of a pod', inCluster: true },
    ],
    statuses: {},
  },
  config: {
    examples: [
      { command: 'sideroute config | jq .frontends', comment: 'in the container of a sidecar' },
      { command: 'sideroute config cart-1 -n shop', comment: 'of a pod', inCluster: true },
    ],
    statuses: {},
  },
  tap: {
    examples: [
      { command: 'sideroute tap --path /cart --limit 10 --duration 1s', comment: 'in the container of a sidecar' },
      {
        command: 'sideroute tap deploy/cart -n shop --all --code 5xx',
        comment: 'failed requests of all pods',
        inCluster: true,
      },
      {
        command: 'sideroute tap cart-1 -n shop --route shop/cart --sample 0.1 -o json',
        comment: 'as data',
        inCluster: true,
      },
    ],
    statuses: { 0: 'Ended by Ctrl-C, a limit, or the sidecar' },
  },
  diff: {
    examples: [
      {
        command: 'sideroute diff deploy/cart -n shop -f routes.yaml',
        comment: 'before it is applied',
        inCluster: true,
      },
      {
        command: 'sideroute diff deploy/cart -n shop --without shop/cart',
        comment: 'before a route is deleted',
        inCluster: true,
      },
    ],
    statuses: {
      0: 'Nothing would change',
      1: 'Something would change',
      3: 'The comparison failed',
    },
  },
  bundle: {
    examples: [{ command: 'sideroute bundle deploy/cart -n shop --all', comment: 'for a bug report', inCluster: true }],
    statuses: { 0: 'The bundle is complete', 1: 'Something is missing; the index says what' },
  },
  'log-level': {
    examples: [
      { command: 'sideroute log-level debug --access-log all --ttl 5m', comment: 'for five minutes' },
      { command: 'sideroute log-level cart-1 debug -n shop', comment: 'of a pod', inCluster: true },
    ],
    statuses: {},
  },
  quit: {
    examples: [{ command: 'sideroute quit', comment: 'in a Job, when its work is done' }],
    statuses: { 0: 'It drains, and then ends' },
  },
  version: {
    examples: [
      { command: 'sideroute version -o json', comment: 'for a bug report' },
      { command: 'sideroute version -n shop', comment: 'with the sidecars of a namespace', inCluster: true },
    ],
    statuses: { 0: 'Done, also if there is no addon' },
  },
  completion: {
    examples: [{ command: 'source <(sideroute completion bash)', comment: 'in ~/.bashrc' }],
    statuses: {},
  },
};

/** Below the flags of `--help`; and who has typed what is no command or flag is told where to look: `Type: sideroute check --help`. */
export function addManuals(command: Command, above: readonly string[] = []): void {
  const typed = [...above, command.name()];
  command.showHelpAfterError(`Type: ${typed.join(' ')} --help`);
  const manual = MANUALS[typed.slice(1).join(' ')];
  if (manual !== undefined) command.addHelpText('after', () => manualText(manual, typed[0]!));
  for (const child of command.commands) addManuals(child, typed);
}

/** `name`: of the program, as it was called. */
function manualText({ examples, statuses }: Manual, name: string): string {
  const shown = examples.map(({ command, comment }) => {
    const typed = command.replaceAll(/(?<=^|[|(] ?)sideroute(?= )/g, name);
    return `  # ${comment}\n  ${typed}\n`;
  });
  const special = Object.entries(statuses).map(([status, meaning]) => `  ${status.padEnd(4)} ${meaning}\n`);
  const ends = special.length === 0 ? '' : `\nExit status:\n${special.join('')}`;
  return `\nExamples:\n${shown.join('')}${ends}`;
}

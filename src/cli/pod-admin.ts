/**
 * Selects the sidecars that a command asks: the one in the same pod, or those of the given pods, through the API
 * server.
 *
 * Stage before: `status`, `explain`, `connections`, `config`, `log-level` and `tap`. Stage after: `admin-client.ts`.
 */
import { Argument, Option, type Command } from 'commander';
import { ProxyError } from '../errors.ts';
import { SIDECAR_NAME } from '../inject/containers.ts';
import type { PodName } from '../kube/pods.ts';
import { WHAT_NEXT, type AdminTarget } from './admin-client.ts';
import { accessOptions, inClusterWords, openCluster, targetFlags, type ClusterAccess } from './cluster-access.ts';
import type { AdminAddress, OutputFormat } from './options.ts';
import { dataText, writeResult } from './output.ts';
import { writeNote, writeOutput } from './standard-streams.ts';

export function podArgument(): Argument {
  const text =
    'a pod of the cluster, or deploy/, rs/, sts/, ds/, job/ or svc/NAME; default: the pod in which the command runs';
  return new Argument('[pod]', text);
}

/** For a command without its own `--namespace`. */
export function podNamespaceOption(): Option {
  return new Option('-n, --namespace <name>', 'namespace of the pod; default: that of the context');
}

export function podOptions(): readonly Option[] {
  return [
    new Option('--all', 'use every pod of the workload, not only the first one that is ready'),
    ...accessOptions(),
  ];
}

/** What a command does with each sidecar. */
export interface Asked<T> {
  readonly ask: (admin: AdminTarget) => Promise<T>;
  readonly text: (answer: T) => string;
}

interface Given {
  readonly admin: AdminAddress;
  readonly output: OutputFormat;
  readonly all?: boolean;
}

/** The answers in the order in which they were printed. @throws ProxyError with readable messages about the cluster */
export async function askPods<T>(
  command: Command,
  pod: string | undefined,
  { admin, output, all = false }: Given,
  { ask, text }: Asked<T>,
): Promise<readonly T[]> {
  if (pod === undefined) {
    refuseWithoutPod(command, all);
    const answer = await ask(admin).catch((error: unknown) => {
      throw withExample(error, command);
    });
    writeResult(output, answer, () => text(answer));
    return [answer];
  }
  const { podName } = await import('../kube/pods.ts');
  const name = podName(pod);
  const cluster = await openCluster(targetFlags(command));
  try {
    const chosen = await choosePods(cluster, name, admin.port, all);
    if (!all) {
      const [only] = chosen;
      const answer = await ask(only!);
      writeResult(output, answer, () => text(answer));
      return [answer];
    }
    const answers: { pod: string; answer: T }[] = [];
    for (const each of chosen) {
      let answer: T;
      try {
        answer = await ask(each);
      } catch (error) {
        // The remaining pods are still asked.
        const told = inClusterWords(error, cluster);
        if (!(told instanceof ProxyError)) throw told;
        writeNote(`sideroute: pod ${each.pod}: ${told.message}\n`);
        process.exitCode = 1;
        continue;
      }
      answers.push({ pod: each.pod, answer });
      if (output === 'table') writeOutput(`${answers.length > 1 ? '\n' : ''}pod ${each.pod}\n${text(answer)}`);
    }
    if (output !== 'table') writeOutput(dataText(output, answers));
    return answers.map(({ answer }) => answer);
  } catch (error) {
    throw inClusterWords(error, cluster);
  } finally {
    cluster.client.close();
  }
}

/**
 * The same for a command that handles several sidecars itself. @throws ProxyError with readable messages about the
 * cluster
 */
export async function withTargets<T>(
  command: Command,
  pod: string | undefined,
  { admin, all = false }: Pick<Given, 'admin' | 'all'>,
  use: (targets: readonly AdminTarget[]) => Promise<T>,
): Promise<T> {
  if (pod === undefined) {
    refuseWithoutPod(command, all);
    try {
      return await use([admin]);
    } catch (error) {
      throw withExample(error, command);
    }
  }
  const { podName } = await import('../kube/pods.ts');
  const name = podName(pod);
  const cluster = await openCluster(targetFlags(command));
  try {
    return await use(await choosePods(cluster, name, admin.port, all));
  } catch (error) {
    throw inClusterWords(error, cluster);
  } finally {
    cluster.client.close();
  }
}

/** When nothing answers in this pod, the message shows how to ask one in a cluster. */
function withExample(error: unknown, command: Command): unknown {
  if (!(error instanceof ProxyError) || !error.message.endsWith(WHAT_NEXT)) return error;
  const example = `or name a pod of a cluster: sideroute ${command.name()} deploy/NAME`;
  return new ProxyError(error.code, `${error.message}, ${example}`, { cause: error });
}

/** True when a flag concerns a cluster. */
export function namesCluster(command: Command): boolean {
  return Object.values(targetFlags(command)).some((given) => given !== undefined);
}

/** With flags for a cluster but no pod, the user did not mean this machine. */
export function refuseWithoutPod(command: Command, all: boolean): void {
  const flags = targetFlags(command);
  const given = [
    ...(all ? ['--all'] : []),
    ...(['namespace', 'context', 'kubeconfig'] as const)
      .filter((name) => flags[name] !== undefined)
      .map((name) => `--${name}`),
  ];
  if (given.length === 0) return;
  // For `explain` with routes from files, --namespace is the namespace of the client pod.
  const { routes, filename = [] } = command.opts<{ routes?: readonly string[]; filename?: readonly string[] }>();
  const hasFiles = routes !== undefined || filename.length > 0;
  if (given.length === 1 && given[0] === '--namespace' && hasFiles) return;
  const example = `sideroute -n ${flags.namespace ?? 'NAMESPACE'} ${command.name()} deploy/NAME`;
  throw new ProxyError('invalid-setting', `${given.join(', ')}: name a pod, too: ${example}`);
}

async function choosePods(cluster: ClusterAccess, name: PodName, port: number, all: boolean) {
  const { client, namespace } = cluster;
  const { hasContainer, isReady, nameOf, notRunning, podsOf } = await import('../kube/pods.ts');
  const { forwardPort } = await import('../kube/port-forward.ts');
  const pods = await podsOf(client, namespace, name);
  const own = pods.filter((pod) => hasContainer(pod, SIDECAR_NAME));
  const [first] = pods;
  if (own.length === 0) {
    const text =
      `${namespace}/${nameOf(first!)} has no container ${SIDECAR_NAME}: it was not injected. Inject the namespace, kubectl label namespace ` +
      `${namespace} sideroute.dev/injection=enabled, or the manifest, sideroute inject, and have the pod made anew: kubectl -n ${namespace} ` +
      'rollout restart deploy/NAME';
    throw new ProxyError('no-sidecar', text);
  }
  const running = own.filter((pod) => notRunning(pod, SIDECAR_NAME) === null);
  if (running.length === 0) {
    const [pod] = own;
    const why = notRunning(pod!, SIDECAR_NAME) ?? '';
    throw new ProxyError(
      'no-sidecar',
      `pod ${namespace}/${nameOf(pod!)} ${why}; kubectl -n ${namespace} describe pod ${nameOf(pod!)}`,
    );
  }
  const ordered = [...running.filter(isReady), ...running.filter((pod) => !isReady(pod))];
  const chosen = all ? ordered : ordered.slice(0, 1);
  if (!all && own.length > 1) {
    writeNote(`sideroute: ${name.text} has ${own.length} pods; this is ${nameOf(chosen[0]!)}, --all asks every one\n`);
  }
  if (all && own.length > running.length)
    writeNote(`sideroute: left out, for they do not run: ${own.length - running.length} pods\n`);
  return chosen.map((pod) => ({
    pod: `${namespace}/${nameOf(pod)}`,
    port,
    connect: () => forwardPort(client, { namespace, pod: nameOf(pod), port }),
  }));
}

/**
 * Access of commands to a cluster: flags as in kubectl, a client, and readable messages for refusals of the API server.
 *
 * Stage before: the command line. Stage after: `kube/kubeconfig.ts` and `kube/client.ts`, which only commands that need
 * a cluster load.
 */
import { Option, type Command } from 'commander';
import { ProxyError } from '../errors.ts';
import type { KubeClient } from '../kube/client.ts';
import type { TargetFlags } from '../kube/kubeconfig.ts';
import { packageVersion } from '../package-root.ts';

export interface ClusterAccess {
  readonly client: KubeClient;
  readonly namespace: string;
  /** For messages: `context "prod" (https://10.0.0.1:6443)`. */
  readonly title: string;
}

/** `--kubeconfig` and `--context`. Each command defines `--namespace` itself. */
export function accessOptions(): readonly Option[] {
  return [
    // Commander's env() is not used, because $KUBECONFIG may list several files to merge, while the flag names one.
    new Option('--kubeconfig <file>', 'kubeconfig of the cluster; default: $KUBECONFIG, or ~/.kube/config'),
    new Option('--context <name>', 'context of the kubeconfig; default: its current-context'),
  ];
}

/** The same options before a command, as in kubectl. @throws ProxyError for a command that does not use a cluster */
export function globalAccessOptions(program: Command): void {
  // Options after the command belong to the command.
  program.enablePositionalOptions();
  program.option('-n, --namespace <name>', 'namespace of the pods, for commands on pods of a cluster');
  for (const option of accessOptions()) program.addOption(option);
  program.hook('preAction', (_, command) => {
    const given = ['kubeconfig', 'context', 'namespace'].find((name) => program.getOptionValueSource(name) === 'cli');
    if (given === undefined || command.options.some((option) => option.long === '--context')) return;
    throw new ProxyError('invalid-setting', `--${given}: sideroute ${command.name()} asks no pods of a cluster`);
  });
}

/** Flags before the command apply where the command does not set its own. @throws ProxyError for an empty value */
export function targetFlags(command: Command): TargetFlags {
  const given = (name: string): string | undefined => {
    for (let of: Command | null = command; of !== null; of = of.parent) {
      if (of.getOptionValueSource(name) !== 'cli') continue;
      const value = of.getOptionValue(name) as string;
      // As an unset variable of a shell leaves it; it would ask for something else.
      if (value === '')
        throw new ProxyError(
          'invalid-setting',
          `--${name}: got "", expected a name; leave the flag out for the default`,
        );
      return value;
    }
    return undefined;
  };
  return { kubeconfig: given('kubeconfig'), context: given('context'), namespace: given('namespace') };
}

/** Sends no request yet. @throws ProxyError about the kubeconfig */
export async function openCluster(flags: TargetFlags): Promise<ClusterAccess> {
  const { kubeTarget } = await import('../kube/kubeconfig.ts');
  const { KubeClient: Client } = await import('../kube/client.ts');
  const { access, namespace, context } = kubeTarget(flags);
  const title = `${context === null ? 'the cluster of this pod' : `context "${context}"`} (${access.server})`;
  return { client: new Client(access, `sideroute/${packageVersion()}`), namespace, title };
}

const CERTIFICATE_CODES =
  /^(?:CERT_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH)/;

/** A readable error for a failed request, with advice. Returns all other errors unchanged. */
export function inClusterWords(error: unknown, { title }: Pick<ClusterAccess, 'title'>): unknown {
  if (!(error instanceof Error) || error instanceof ProxyError) return error;
  const { status = 0, reason = '', code = '' } = error as { status?: number; reason?: string; code?: string };
  // OpenSSL ends its lines.
  const message = error.message.replaceAll(/\s*\n\s*/g, ' ');
  const tell = (text: string): ProxyError => new ProxyError('cluster', `${title}: ${text}`, { cause: error });
  if (/^ERR_OSSL|^ERR_INVALID_CHAR/.test(code)) {
    return tell(
      `a certificate, key or token of the kubeconfig cannot be used: ${message}; kubectl config view shows it`,
    );
  }
  if (error.name !== 'KubeError') return error;
  if (status === 401)
    return tell('the API server does not take these credentials (401); log in anew; kubectl auth whoami');
  if (status === 403) return tell(`${message}; docs/cluster-commands.md has the role that is needed`);
  if (status > 0) return tell(`${message || reason} (${status})`);
  if (CERTIFICATE_CODES.test(reason)) {
    const what = 'certificate-authority or tls-server-name of the kubeconfig does not fit the server';
    return tell(`${message}; ${what}, or something in between answers in its place`);
  }
  return tell(`${message}; see whether kubectl get --raw /readyz answers`);
}

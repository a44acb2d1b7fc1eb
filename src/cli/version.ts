/**
 * `sideroute version`: shows the version of this command, whether it could run as a sidecar here, and optionally the
 * versions in a cluster.
 *
 * A cluster is asked only when a flag names one, so that the plain command does not wait. Exit status 1: the cluster
 * could not be asked. Only `proxy` needs the native addon, so an addon that cannot be loaded is reported but is not a
 * failure.
 */
import { Option, type Command } from 'commander';
import { ProxyError } from '../errors.ts';
import { accessOptions, targetFlags } from './cluster-access.ts';
import type { ClusterVersions } from './cluster-versions.ts';
import { outputOption, type OutputFormat } from './options.ts';
import { namesCluster } from './pod-admin.ts';
import { table, writeResult } from './output.ts';
import { writeNote } from './standard-streams.ts';

export interface VersionDependencies {
  readonly version: string;
  readonly commit: string | null;
  /** @throws ProxyError when it cannot be loaded */
  readonly loadAddon: () => unknown;
}

interface Versions {
  readonly client: ClientVersion;
  /** Present when a cluster was asked and answered. */
  readonly cluster?: ClusterVersions;
}

interface ClientVersion {
  readonly version: string;
  /** Null when the build did not record it. */
  readonly commit: string | null;
  readonly node: string;
  readonly platform: string;
  readonly addon: Addon;
}

interface Addon {
  readonly loads: boolean;
  /** Why it cannot be loaded. */
  readonly message?: string;
}

export function registerVersion(program: Command, dependencies: VersionDependencies): void {
  const command = program
    .command('version')
    .description(
      'print the version of this command, its commit, the version of Node, and whether the native addon loads; for a cluster also the versions of its sidecars',
    )
    .option('--client', 'only the version of this command, even with other flags')
    .addOption(outputOption())
    .addOption(
      new Option(
        '-n, --namespace <name>',
        'also the versions of sidecars and controllers in this namespace; only with --context or --kubeconfig: in all namespaces',
      ),
    );
  for (const option of accessOptions()) command.addOption(option);
  command.action(async ({ output, client = false }: { readonly output: OutputFormat; readonly client?: boolean }) => {
    const own = clientVersion(dependencies);
    let cluster: ClusterVersions | null = null;
    let failure: ProxyError | null = null;
    if (!client && namesCluster(command)) {
      // Loaded on demand: the plain command does not need it.
      const { clusterVersions } = await import('./cluster-versions.ts');
      try {
        cluster = await clusterVersions(targetFlags(command), own.version);
      } catch (error) {
        if (!(error instanceof ProxyError)) throw error;
        failure = error;
      }
    }
    const versions: Versions = { client: own, ...(cluster === null ? {} : { cluster }) };
    writeResult(output, versions, () => humanText(versions));
    if (cluster !== null) tellDifferent(cluster, own.version);
    if (failure !== null) throw failure;
  });
}

function tellDifferent({ pods, cut }: ClusterVersions, own: string): void {
  const others = pods.filter(({ differs }) => differs).length;
  if (others > 0)
    writeNote(`sideroute: ${others} of ${pods.length} pods are of another version than this command, ${own}\n`);
  if (cut !== null) writeNote(`sideroute: of the pods there are ${cut}; -n NAMESPACE asks for those of one\n`);
}

function clientVersion({ version, commit, loadAddon }: VersionDependencies): ClientVersion {
  const platform = `${process.platform}/${process.arch}`;
  return { version, commit, node: process.version, platform, addon: addonOf(loadAddon) };
}

function addonOf(loadAddon: () => unknown): Addon {
  try {
    loadAddon();
    return { loads: true };
  } catch (error) {
    if (error instanceof ProxyError) return { loads: false, message: error.message };
    throw error;
  }
}

function humanText({ client, cluster }: Versions): string {
  const { version, commit, node, platform, addon } = client;
  const row = ['client', version, commit ?? '', node, platform, addon.loads ? 'yes' : 'no'];
  const why = addon.message === undefined ? '' : `\nOnly sideroute proxy needs the addon: ${addon.message}\n`;
  return table(['NAME', 'VERSION', 'COMMIT', 'NODE', 'PLATFORM', 'ADDON'], [row]) + why + clusterText(cluster);
}

/** The version that a pod reports, or in brackets that of its image. */
function clusterText(cluster: ClusterVersions | undefined): string {
  if (cluster === undefined) return '';
  if (cluster.pods.length === 0) return '\nno sidecar and no controller runs there\n';
  const rows = cluster.pods.map(({ component, pod, version, imageVersion, image, differs }) => {
    const shown = version ?? (imageVersion === null ? '' : `(${imageVersion})`);
    return [component, pod, shown, image, differs ? 'another version' : ''];
  });
  return `\n${table(['COMPONENT', 'POD', 'VERSION', 'IMAGE', 'NOTE'], rows)}`;
}

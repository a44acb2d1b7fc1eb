/**
 * Collects a bundle and writes it, completely or not at all.
 *
 * Stage before: `bundle.ts`. Stage after: `support-bundle/`.
 */
import { setMaxListeners } from 'node:events';
import { isatty } from 'node:tty';
import { ProxyError } from '../errors.ts';
import { SIDECAR_NAME } from '../inject/containers.ts';
import type { Json } from '../kube/json.ts';
import type { TargetFlags } from '../kube/kubeconfig.ts';
import { hasContainer, isReady, nameOf, notRunning, podName, podsOf } from '../kube/pods.ts';
import { forwardPort } from '../kube/port-forward.ts';
import { packageCommit, packageVersion } from '../package-root.ts';
import { segment, tarGz } from '../support-bundle/archive.ts';
import { ClusterReader, pathOf } from '../support-bundle/cluster-reader.ts';
import { Collection } from '../support-bundle/collection.ts';
import { fromCluster } from '../support-bundle/from-cluster.ts';
import { fromSidecar, type SidecarEndpoints } from '../support-bundle/from-sidecar.ts';
import { getText, type AdminTarget } from './admin-client.ts';
import { inClusterWords, openCluster } from './cluster-access.ts';
import { NewFile } from './new-file.ts';
import type { AdminAddress } from './options.ts';
import { writeNote, writeOutput, writeOutputBytes } from './standard-streams.ts';

export interface BundleRequest {
  /** Null: the pod of this process, or with `all` every pod of the namespace with a sidecar. */
  readonly pod: string | null;
  readonly all: boolean;
  /** Null: a generated name. */
  readonly output: string | null;
  readonly admin: AdminAddress;
  readonly metrics: AdminAddress;
  readonly timeout: number;
  readonly target: TargetFlags;
}

const MAX_PODS = 20;
const STDOUT = 1;
/** Exit statuses, as a shell shows them. A terminal sends SIGHUP when it is closed. */
const SIGNALLED = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
/** Maximum number of missing parts shown on the terminal; the index lists all. */
const MISSING_SHOWN = 10;
const ANSWER_BYTES = 8 * 1024 * 1024;
/** Enough for tens of thousands of rules. */
const CONFIG_BYTES = 32 * 1024 * 1024;

export async function makeBundle(request: BundleRequest): Promise<void> {
  const { output } = request;
  if (output === '-' && isatty(STDOUT)) {
    throw new ProxyError('invalid-setting', '--output -: this is no text for a terminal; name a file, or a pipe');
  }
  const ending = new AbortController();
  // Each request in progress listens to the signal.
  setMaxListeners(0, ending.signal);
  const made = new Date();
  const stamp = made.toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const where =
    request.pod === null && !request.all
      ? 'this-pod'
      : `${request.target.namespace ?? ''}-${request.pod ?? 'all'}`.replace(/^-/, '');
  const directory = segment(`sideroute-${where.replaceAll('/', '-')}-${stamp}`);
  // Opened first, so that a file that cannot be written fails without a wait.
  const file = output === '-' ? null : NewFile.open(output ?? `${directory}.tar.gz`);
  const timer = setTimeout(() => ending.abort(new Error('the time was over: --timeout gives more')), request.timeout);
  const onSignal = (signal: NodeJS.Signals): void => {
    file?.discard();
    process.exit(SIGNALLED[signal as keyof typeof SIGNALLED]);
  };
  for (const signal of Object.keys(SIGNALLED)) process.once(signal, onSignal);
  try {
    const collection = new Collection();
    const of = await collect(request, collection, ending.signal);
    if (collection.count === 0) throw nothing(collection);
    const client = { version: packageVersion(), commit: packageCommit() };
    const bytes = await tarGz(directory, collection.files({ madeAt: made.toISOString(), of, client }), made);
    if (file === null) writeOutputBytes(bytes);
    else {
      file.finish(bytes);
      writeOutput(`${file.name}\n`);
    }
    tellMissing(collection);
  } finally {
    file?.discard();
    clearTimeout(timer);
    ending.abort(new Error('done'));
    for (const signal of Object.keys(SIGNALLED)) process.removeListener(signal, onSignal);
  }
}

function nothing({ missing }: Collection): ProxyError {
  const [first] = missing;
  return new ProxyError('admin-unreachable', `nothing was to be had: ${first?.what ?? ''}: ${first?.why ?? ''}`);
}

function tellMissing({ missing }: Collection): void {
  if (missing.length === 0) return;
  process.exitCode = 1;
  for (const { what, why } of missing.slice(0, MISSING_SHOWN))
    writeNote(`sideroute: not in the bundle: ${what}: ${why}\n`);
  const more = missing.length - MISSING_SHOWN;
  if (more > 0) writeNote(`sideroute: and ${more} more, which its INDEX.txt names\n`);
}

/** Returns a description of the bundle's subject. @throws ProxyError when nothing can be collected */
async function collect(request: BundleRequest, collection: Collection, signal: AbortSignal): Promise<string> {
  const { pod, all, admin, metrics, target } = request;
  const client = {
    version: packageVersion(),
    commit: packageCommit(),
    node: process.version,
    platform: `${process.platform}/${process.arch}`,
  };
  if (pod === null && !all) {
    await fromSidecar(collection, {
      directory: 'sidecar/',
      title: 'the sidecar of this pod',
      endpoints: endpointsOf(admin, metrics, signal),
    });
    if (collection.count > 0) collection.addJson('client.json', 'the version of this command', client);
    collection.note('logs and objects of the cluster: sideroute bundle -n NAMESPACE POD from a workstation has them');
    return 'the pod that it was made in';
  }
  const name = pod === null ? null : podName(pod);
  const cluster = await openCluster(target);
  const { client: kube, namespace } = cluster;
  try {
    const reader = new ClusterReader({ client: kube, collection, signal });
    const pods = await choose(reader, namespace, name, all);
    collection.addJson('client.json', 'the version of this command', { ...client, cluster: cluster.title, namespace });
    const endpoints = (one: string, within: string): SidecarEndpoints => {
      const through = ({ port }: AdminAddress): AdminTarget => ({
        ...{ pod: `${within}/${one}`, port },
        connect: async () => {
          const stream = await forwardPort(kube, { namespace: within, pod: one, port });
          if (signal.aborted) stream.destroy();
          return stream;
        },
      });
      return endpointsOf(through(admin), through(metrics), signal);
    };
    await fromCluster({ reader, namespace, pods, clientVersion: client.version, endpoints });
    return `${pod ?? 'every pod with a sidecar'} in namespace ${namespace}, by ${cluster.title}`;
  } catch (error) {
    throw inClusterWords(error, cluster);
  } finally {
    kube.close();
  }
}

/** Running and ready pods first. */
async function choose(
  reader: ClusterReader,
  namespace: string,
  name: ReturnType<typeof podName> | null,
  all: boolean,
): Promise<readonly Json[]> {
  const found = name === null ? await ofNamespace(reader, namespace) : await podsOf(reader.client, namespace, name);
  const rank = (pod: Json): number => {
    if (!hasContainer(pod, SIDECAR_NAME)) return 3;
    return notRunning(pod, SIDECAR_NAME) !== null ? 2 : isReady(pod) ? 0 : 1;
  };
  const ordered = [...found].sort((a, b) => rank(a) - rank(b));
  if (!all) {
    if (ordered.length > 1)
      reader.collection.note(
        `${name?.text ?? ''} has ${ordered.length} pods, of which this is ${nameOf(ordered[0]!)}: --all takes every one`,
      );
    return ordered.slice(0, 1);
  }
  for (const pod of ordered.slice(MAX_PODS))
    reader.collection.miss(`pod ${namespace}/${nameOf(pod)}`, `${MAX_PODS} pods are in the bundle; name this one`);
  return ordered.slice(0, MAX_PODS);
}

async function ofNamespace(reader: ClusterReader, namespace: string): Promise<readonly Json[]> {
  const { items } = await reader.list(pathOf('/api/v1', namespace, 'pods'));
  const own = items.filter((pod) => hasContainer(pod, SIDECAR_NAME));
  if (own.length > 0) return own;
  throw new ProxyError(
    'no-sidecar',
    `no pod of namespace ${namespace} has a container ${SIDECAR_NAME}; kubectl -n ${namespace} get pods`,
  );
}

function endpointsOf(admin: AdminTarget, metrics: AdminTarget, signal: AbortSignal): SidecarEndpoints {
  const ask = async (target: AdminTarget, path: string, statuses: readonly number[]): Promise<string> => {
    const maxBytes = path === '/config' ? CONFIG_BYTES : ANSWER_BYTES;
    const { status, body } = await getText(target, path, 'GET', { maxBytes, signal });
    if (!statuses.includes(status)) throw new Error(`answered ${status}`);
    return body;
  };
  return {
    private: (path) => ask(admin, path, [200]),
    // A negative answer of a probe is a result, too.
    public: (path) => ask(metrics, path, path === '/metrics' || path === '/served' ? [200] : [200, 503]),
  };
}

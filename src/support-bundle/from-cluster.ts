/**
 * Everything that a cluster says about some pods: themselves, their namespace, the routes, the controller, the nodes, and what the checks find.
 *
 * Stage before: `cli/make-bundle.ts`. Stage after: `collection.ts`.
 */
import { gather } from '../cluster-check/gather.ts';
import { KINDS } from '../cluster-check/kinds.ts';
import { reportData, reportText } from '../cluster-check/report.ts';
import { runChecks } from '../cluster-check/run.ts';
import { FIELD_MANAGER, MANAGED_BY_LABEL } from '../controller/objects.ts';
import { KubeError } from '../kube/client.ts';
import { isObject, listOf, objectOf, textOf, type Json } from '../kube/json.ts';
import { nameOf } from '../kube/pods.ts';
import { segment } from './archive.ts';
import { inTurns, pathOf, type ClusterReader, type Listed } from './cluster-reader.ts';
import { fromPods, podLogs } from './from-pods.ts';
import type { SidecarEndpoints } from './from-sidecar.ts';
import { redactObject } from './redact-object.ts';

export interface ClusterBundle {
  readonly reader: ClusterReader;
  readonly namespace: string;
  readonly pods: readonly Json[];
  readonly clientVersion: string;
  readonly endpoints: (pod: string, namespace: string) => SidecarEndpoints;
}

const CONTROLLER = 'app.kubernetes.io/name=sideroute,app.kubernetes.io/component=controller';
const SYSTEM_NAMESPACE = 'sideroute-system';
const LEASE = 'sideroute-controller';
const MAX_CONTROLLER_PODS = 4;
/** Beside that of the pods: those of the Services that their routes are about. */
const MAX_OTHER_NAMESPACES = 8;
const AT_A_TIME = 4;
/** Without what is in them: of a route set, which may have a MiB in each. */
const METADATA_ALONE = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';

export async function fromCluster(bundle: ClusterBundle): Promise<void> {
  const { reader, namespace } = bundle;
  const parts: (() => Promise<void>)[] = [
    () => podsAndServices(bundle),
    () => routes(reader, namespace, 'HTTPRoute', KINDS.httpRoutes),
    () => routes(reader, namespace, 'GRPCRoute', KINDS.grpcRoutes),
    () => ownNamespace(reader, namespace),
    () => routeSets(reader, namespace),
    () => controller(bundle),
    () => nodes(reader),
    () => checks(bundle),
  ];
  await inTurns(parts, AT_A_TIME, (part) => part());
}

async function podsAndServices({ reader, namespace, pods, endpoints }: ClusterBundle): Promise<void> {
  const configs = await fromPods({ reader, namespace, pods, endpoints });
  const others = namespacesIn(configs).filter((name) => name !== namespace);
  for (const name of others.slice(MAX_OTHER_NAMESPACES)) {
    reader.collection.miss(
      `Services of namespace ${name}`,
      `those of ${MAX_OTHER_NAMESPACES} other namespaces are in the bundle`,
    );
  }
  await inTurns([namespace, ...others.slice(0, MAX_OTHER_NAMESPACES)], AT_A_TIME, async (name) => {
    await namespaced(reader, name, '/api/v1', 'services', 'Service');
    await namespaced(reader, name, '/apis/discovery.k8s.io/v1', 'endpointslices', 'EndpointSlice');
  });
}

/** Of the frontends that sidecars have and of their backends. */
function namespacesIn(configs: readonly unknown[]): string[] {
  const names = new Set<string>();
  for (const config of configs) {
    for (const frontend of listOf(config, 'frontends')) {
      const backends = listOf(frontend, 'rules').flatMap((rule) => listOf(rule, 'backends'));
      for (const each of [frontend, ...backends]) {
        const name = textOf(each, 'namespace') ?? '';
        if (/^[a-z0-9][a-z0-9-]{0,62}$/.test(name)) names.add(name);
      }
    }
  }
  return [...names].sort();
}

async function namespaced(
  reader: ClusterReader,
  namespace: string,
  base: string,
  plural: string,
  kind: string,
): Promise<void> {
  const what = `${kind}s of namespace ${namespace}`;
  const listed = await reader.attempt(what, () => reader.list(pathOf(base, namespace, plural)));
  if (listed !== null) addObjects(reader, `${plural}/${segment(namespace)}.yaml`, what, listed);
}

function addObjects(
  { collection }: ClusterReader,
  file: string,
  what: string,
  { items, cut }: Listed,
  own = false,
): void {
  if (items.length === 0) {
    collection.note(`${what}: there are none`);
    return;
  }
  collection.addYaml(file, what, (redaction) => items.map((item) => redactObject(item, redaction, own)), cut);
}

/** Of all namespaces, for routes of others may be about the Services of this one; where that is forbidden, of this one. */
async function routes(
  reader: ClusterReader,
  namespace: string,
  kind: string,
  { groups, plural }: { readonly groups: readonly string[]; readonly plural: string },
): Promise<void> {
  let what = `${kind}s of all namespaces`;
  const listed = await reader.attempt(what, async () => {
    try {
      return { found: await reader.listFirst(groups.map((group) => pathOf(group, null, plural))) };
    } catch (error) {
      if (!(error instanceof KubeError && error.status === 403)) throw error;
      const found = await reader.listFirst(groups.map((group) => pathOf(group, namespace, plural)));
      reader.collection.miss(`${kind}s of other namespaces`, error.message);
      what = `${kind}s of namespace ${namespace}`;
      return { found };
    }
  });
  if (listed === null) return;
  if (listed.found === null) reader.collection.note(`the cluster has no kind ${kind}`);
  else addObjects(reader, `${plural}.yaml`, what, listed.found);
}

/** Its labels say whether pods are injected. */
async function ownNamespace(reader: ClusterReader, namespace: string): Promise<void> {
  const found = await reader.attempt(`Namespace ${namespace}`, () =>
    reader.get(pathOf('/api/v1', null, 'namespaces', namespace)),
  );
  if (found !== null)
    reader.collection.addYaml('namespace.yaml', `Namespace ${namespace}`, (redaction) => [
      redactObject(found, redaction),
    ]);
}

/** Which ConfigMaps of sideroute there are; nothing of what is in them, and of no other. */
async function routeSets(reader: ClusterReader, namespace: string): Promise<void> {
  const what = `the ConfigMaps of the route set of namespace ${namespace}, their metadata alone`;
  const path = pathOf('/api/v1', namespace, 'configmaps');
  const labelSelector = `${MANAGED_BY_LABEL}=${FIELD_MANAGER}`;
  const listed = await reader.attempt(what, () => reader.list(path, { labelSelector }, METADATA_ALONE));
  if (listed === null) return;
  const items = listed.items.map((item) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: objectOf(item, 'metadata'),
  }));
  addObjects(reader, 'route-set.yaml', what, { ...listed, items });
}

async function controller({ reader, endpoints }: ClusterBundle): Promise<void> {
  const labelled = { labelSelector: CONTROLLER };
  const listed = await reader.attempt('the Deployment of the controller', async () => {
    try {
      return await reader.list(pathOf('/apis/apps/v1', null, 'deployments'), labelled);
    } catch (error) {
      if (!(error instanceof KubeError && error.status === 403)) throw error;
      return await reader.list(pathOf('/apis/apps/v1', SYSTEM_NAMESPACE, 'deployments'), labelled);
    }
  });
  if (listed === null) return;
  addObjects(reader, 'controller/deployments.yaml', 'the Deployment of the controller', listed, true);
  const [first] = listed.items;
  if (first === undefined) return;
  const namespace = textOf(objectOf(first, 'metadata'), 'namespace') ?? SYSTEM_NAMESPACE;
  const lease = await reader.attempt('the Lease of the controller', () =>
    reader.get(pathOf('/apis/coordination.k8s.io/v1', namespace, 'leases', LEASE)),
  );
  if (lease !== null)
    addObjects(reader, 'controller/lease.yaml', 'who of its replicas leads', { items: [lease], cut: null });
  const pods = await reader.attempt('the pods of the controller', () =>
    reader.list(pathOf('/api/v1', namespace, 'pods'), labelled),
  );
  if (pods === null) return;
  addObjects(reader, 'controller/pods.yaml', 'the pods of the controller', pods, true);
  await inTurns(pods.items.slice(0, MAX_CONTROLLER_PODS), AT_A_TIME, async (pod) => {
    const name = nameOf(pod);
    const [container] = listOf(objectOf(pod, 'spec'), 'containers');
    await podLogs(reader, namespace, pod, textOf(container, 'name') ?? '', 'controller/', name);
    for (const [path, file, what] of [
      ['/metrics', 'metrics', 'metrics'],
      ['/readyz', 'readyz', 'whether it is ready'],
    ] as const) {
      const title = `${what} of the controller ${namespace}/${name}`;
      const text = await reader.attempt(title, () => endpoints(name, namespace).public(path));
      if (text !== null) reader.collection.addText(`controller/${segment(name)}.${file}.txt`, title, text);
    }
  });
}

/** Versions, and no more. */
async function nodes(reader: ClusterReader): Promise<void> {
  const version = await reader.attempt('the version of the API server', () => reader.get('/version'));
  if (version !== null) reader.collection.addJson('cluster/version.json', 'the version of the API server', version);
  const listed = await reader.attempt('the versions of the nodes', () => reader.list(pathOf('/api/v1', null, 'nodes')));
  if (listed === null) return;
  const shown = listed.items.map((node) => {
    const info = objectOf(objectOf(node, 'status'), 'nodeInfo');
    const names = [
      'architecture',
      'containerRuntimeVersion',
      'kernelVersion',
      'kubeProxyVersion',
      'kubeletVersion',
      'operatingSystem',
      'osImage',
    ];
    return {
      node: nameOf(node),
      ...(Object.fromEntries(
        names.map((name) => [name, info[name]]).filter(([, value]) => value !== undefined),
      ) as Json),
    };
  });
  if (shown.length === 0) reader.collection.note('the cluster has no nodes');
  else
    reader.collection.addJson(
      'cluster/nodes.json',
      `the versions of the nodes${listed.cut === null ? '' : `: ${listed.cut}`}`,
      shown,
    );
}

async function checks({ reader, namespace, clientVersion }: ClusterBundle): Promise<void> {
  const { client, signal, collection } = reader;
  const snapshot = await reader.attempt('what sideroute check --cluster finds', () =>
    gather({ client, namespace, clientVersion, signal }),
  );
  if (snapshot === null) return;
  const reports = runChecks(snapshot, false);
  const what = `what sideroute check --cluster -n ${namespace} finds`;
  collection.addText('cluster/check.txt', what, reportText(reports));
  const data: unknown = JSON.parse(JSON.stringify(reportData(reports, snapshot)));
  if (isObject(data)) collection.addJson('cluster/check.json', `${what}, as data`, data);
}

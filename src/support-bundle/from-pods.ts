/**
 * Of the pods that a bundle is about: the objects, what their sidecars answer, their logs, their events, and the workloads that made them.
 *
 * Stage before: `from-cluster.ts`. Stage after: `from-sidecar.ts` and `collection.ts`.
 */
import { INIT_NAME, SIDECAR_NAME } from '../inject/containers.ts';
import { listOf, numberOf, objectOf, textOf, type Json } from '../kube/json.ts';
import { hasContainer, nameOf } from '../kube/pods.ts';
import { segment } from './archive.ts';
import { beforeEnd, inTurns, pathOf, type ClusterReader } from './cluster-reader.ts';
import { fromSidecar, type SidecarEndpoints } from './from-sidecar.ts';
import { redactObject } from './redact-object.ts';

const AT_A_TIME = 4;
/** A Deployment is reached in two steps from its pod. */
const MAX_OWNERS = 3;
const OWNERS: Readonly<Record<string, readonly [string, string]>> = {
  ReplicaSet: ['/apis/apps/v1', 'replicasets'],
  Deployment: ['/apis/apps/v1', 'deployments'],
  StatefulSet: ['/apis/apps/v1', 'statefulsets'],
  DaemonSet: ['/apis/apps/v1', 'daemonsets'],
  Job: ['/apis/batch/v1', 'jobs'],
};

export interface PodsOptions {
  readonly reader: ClusterReader;
  readonly namespace: string;
  readonly pods: readonly Json[];
  readonly endpoints: (pod: string, namespace: string) => SidecarEndpoints;
}

/** The configurations that the sidecars answered. */
export async function fromPods({ reader, namespace, pods, endpoints }: PodsOptions): Promise<unknown[]> {
  const configs: unknown[] = [];
  const owners = new Map<string, Json>();
  await inTurns(pods, AT_A_TIME, async (pod) => {
    const name = nameOf(pod);
    const directory = `pods/${segment(name)}/`;
    const title = `pod ${namespace}/${name}`;
    reader.collection.addYaml(`${directory}pod.yaml`, 'the pod', (redaction) => [
      redactObject(withKind(pod, 'v1', 'Pod'), redaction),
    ]);
    const answers = async (): Promise<void> => {
      const sidecar = { directory, title, endpoints: endpoints(name, namespace) };
      // Each question ends by itself; this is for those that are under way when the time is over.
      const config = await beforeEnd(reader.signal, fromSidecar(reader.collection, sidecar));
      if (config !== null) configs.push(config);
    };
    const all = [
      ...(hasContainer(pod, SIDECAR_NAME) ? [reader.attempt(`what the sidecar of ${title} says`, answers)] : []),
      ...[SIDECAR_NAME, INIT_NAME]
        .filter((container) => hasContainer(pod, container))
        .map((each) => podLogs(reader, namespace, pod, each, directory)),
      events(reader, namespace, 'Pod', name, `${directory}events.yaml`),
      ownersOf(reader, namespace, pod, owners),
    ];
    if (!hasContainer(pod, SIDECAR_NAME))
      reader.collection.note(`${title} has no container ${SIDECAR_NAME}: it was not injected`);
    await Promise.all(all);
  });
  const sorted = [...owners].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, owner]) => owner);
  if (sorted.length > 0) {
    reader.collection.addYaml('workloads.yaml', 'what made the pods', (redaction) =>
      sorted.map((owner) => redactObject(owner, redaction)),
    );
  }
  await inTurns(sorted, AT_A_TIME, async (owner) => {
    const [kind, name] = [textOf(owner, 'kind') ?? '', nameOf(owner)];
    await events(reader, namespace, kind, name, `events/${segment(`${kind}-${name}`)}.yaml`);
  });
  return configs;
}

/** What is read by itself says what it is; of items of a list it is said. */
function withKind(object: Json, apiVersion: string, kind: string): Json {
  return { ...object, apiVersion, kind };
}

/** Of a container that has been started again that of the one before as well. */
export async function podLogs(
  reader: ClusterReader,
  namespace: string,
  pod: Json,
  container: string,
  directory: string,
  base = container,
): Promise<void> {
  const name = nameOf(pod);
  const path = pathOf('/api/v1', namespace, 'pods', name);
  const states = ['initContainerStatuses', 'containerStatuses'].flatMap((list) =>
    listOf(objectOf(pod, 'status'), list),
  );
  const status = states.find((each) => textOf(each, 'name') === container);
  const previous = (numberOf(status, 'restartCount') ?? 0) > 0 ? [true] : [];
  for (const before of [false, ...previous]) {
    const what = `the log of container ${container}${before ? ' before it was started again' : ''} of pod ${namespace}/${name}`;
    const log = await reader.attempt(what, () => reader.log(path, container, before));
    if (log !== null)
      reader.collection.addLog(`${directory}${segment(base)}${before ? '.previous' : ''}.log`, what, log.text, log.cut);
  }
}

async function events(
  reader: ClusterReader,
  namespace: string,
  kind: string,
  name: string,
  file: string,
): Promise<void> {
  const what = `the events of ${kind} ${namespace}/${name}`;
  const fieldSelector = `involvedObject.kind=${kind},involvedObject.name=${name}`;
  const listed = await reader.attempt(what, () =>
    reader.list(pathOf('/api/v1', namespace, 'events'), { fieldSelector }),
  );
  if (listed === null || listed.items.length === 0) return;
  const ordered = [...listed.items].sort((a, b) => (timeOf(a) < timeOf(b) ? -1 : 1));
  reader.collection.addYaml(
    file,
    what,
    (redaction) => ordered.map((each) => redactObject(withKind(each, 'v1', 'Event'), redaction)),
    listed.cut,
  );
}

function timeOf(event: Json): string {
  return textOf(event, 'lastTimestamp') ?? textOf(event, 'eventTime') ?? '';
}

async function ownersOf(reader: ClusterReader, namespace: string, pod: Json, known: Map<string, Json>): Promise<void> {
  let object = pod;
  for (let step = 0; step < MAX_OWNERS; step++) {
    const owner = listOf(objectOf(object, 'metadata'), 'ownerReferences').find((each) => each['controller'] === true);
    const [kind, name] = [textOf(owner, 'kind') ?? '', textOf(owner, 'name') ?? ''];
    const place = Object.hasOwn(OWNERS, kind) ? OWNERS[kind]! : null;
    if (place === null || name === '') return;
    const key = `${kind} ${name}`;
    const [base, plural] = place;
    const found =
      known.get(key) ??
      (await reader.attempt(`${kind} ${namespace}/${name}`, () => reader.get(pathOf(base, namespace, plural, name))));
    if (found === null) return;
    known.set(key, found);
    object = found;
  }
}

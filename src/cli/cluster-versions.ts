/**
 * The versions of sideroute in a cluster, by the images and by the answers of the pods.
 *
 * Used by `version.ts`. A pod that does not answer is listed by its image; the whole takes at most `TIMEOUT_MS`.
 */
import { METRICS_PORT, SIDECAR_NAME } from '../inject/containers.ts';
import { listOf, objectOf, textOf, type Json } from '../kube/json.ts';
import { forwardPort } from '../kube/port-forward.ts';
import { hasContainer, nameOf, notRunning } from '../kube/pods.ts';
import type { TargetFlags } from '../kube/kubeconfig.ts';
import { beforeEnd, ClusterReader, inTurns, pathOf } from '../support-bundle/cluster-reader.ts';
import { Collection } from '../support-bundle/collection.ts';
import { getText } from './admin-client.ts';
import { inClusterWords, openCluster, type ClusterAccess } from './cluster-access.ts';

export interface DeployedVersion {
  readonly component: 'sidecar' | 'controller';
  /** `namespace/name`. */
  readonly pod: string;
  readonly image: string;
  /** The version the pod reports; null: it did not answer. */
  readonly version: string | null;
  /** The version in the tag of its image; null when the tag is not a version. */
  readonly imageVersion: string | null;
  /** True when it differs from the version of this command, as far as known. */
  readonly differs: boolean;
}

export interface ClusterVersions {
  readonly cluster: string;
  readonly pods: readonly DeployedVersion[];
  /** Why the list is incomplete; null when it is complete. */
  readonly cut: string | null;
}

const TIMEOUT_MS = 20_000;
const AT_A_TIME = 4;
/** For more pods the images are enough. */
const MAX_ASKED = 40;
const ANSWER_BYTES = 8 * 1024 * 1024;
const CONTROLLER = { 'app.kubernetes.io/name': 'sideroute', 'app.kubernetes.io/component': 'controller' };

/** `target` selects one namespace or all. @throws ProxyError with readable messages about the cluster */
export async function clusterVersions(target: TargetFlags, own: string): Promise<ClusterVersions> {
  const cluster = await openCluster(target);
  const end = new AbortController();
  const timer = setTimeout(() => end.abort(new Error('the time was over')), TIMEOUT_MS);
  try {
    return await gatherVersions(cluster, target.namespace ?? null, own, end.signal);
  } catch (error) {
    throw inClusterWords(error, cluster);
  } finally {
    clearTimeout(timer);
    end.abort(new Error('done'));
    cluster.client.close();
  }
}

async function gatherVersions(
  { client, title }: ClusterAccess,
  namespace: string | null,
  own: string,
  signal: AbortSignal,
): Promise<ClusterVersions> {
  const reader = new ClusterReader({ client, collection: new Collection(), signal });
  const { items, cut } = await reader.list(pathOf('/api/v1', namespace, 'pods'));
  const found = items.flatMap((pod) => {
    const component = componentOf(pod);
    return component === null ? [] : [{ pod, component }];
  });
  const said = new Map<Json, string>();
  await inTurns(found.slice(0, MAX_ASKED), AT_A_TIME, async ({ pod, component }) => {
    if (notRunning(pod, containerOf(pod, component).name) !== null) return;
    try {
      const version = await beforeEnd(signal, askVersion(reader, pod));
      if (version !== null) said.set(pod, version);
    } catch {
      // The pod is still listed by its image.
    }
  });
  const pods = found.map(({ pod, component }): DeployedVersion => {
    const { image } = containerOf(pod, component);
    const [version, imageVersion] = [said.get(pod) ?? null, tagOf(image)];
    const known = version ?? imageVersion;
    return {
      component,
      pod: `${namespaceOf(pod)}/${nameOf(pod)}`,
      image,
      version,
      imageVersion,
      differs: known !== null && known !== own,
    };
  });
  return { cluster: title, pods: pods.sort((a, b) => (a.component + a.pod < b.component + b.pod ? -1 : 1)), cut };
}

function namespaceOf(pod: Json): string {
  return textOf(objectOf(pod, 'metadata'), 'namespace') ?? '';
}

function componentOf(pod: Json): DeployedVersion['component'] | null {
  if (hasContainer(pod, SIDECAR_NAME) && !isController(pod)) return 'sidecar';
  return isController(pod) ? 'controller' : null;
}

function isController(pod: Json): boolean {
  const labels = objectOf(objectOf(pod, 'metadata'), 'labels');
  return Object.entries(CONTROLLER).every(([name, value]) => labels[name] === value);
}

function containerOf(
  pod: Json,
  component: DeployedVersion['component'],
): { readonly name: string; readonly image: string } {
  const all = ['initContainers', 'containers'].flatMap((list) => listOf(objectOf(pod, 'spec'), list));
  const container = component === 'controller' ? all[0] : all.find((each) => textOf(each, 'name') === SIDECAR_NAME);
  return { name: textOf(container, 'name') ?? '', image: textOf(container, 'image') ?? '' };
}

async function askVersion({ client, signal }: ClusterReader, pod: Json): Promise<string | null> {
  const place = { namespace: namespaceOf(pod), pod: nameOf(pod), port: METRICS_PORT };
  const target = {
    pod: `${place.namespace}/${place.pod}`,
    port: METRICS_PORT,
    connect: () => forwardPort(client, place),
  };
  const { body } = await getText(target, '/metrics', 'GET', { maxBytes: ANSWER_BYTES, signal });
  return /^sideroute_build_info\{[^}\n]*version="([\w.+-]{1,100})"/m.exec(body)?.[1] ?? null;
}

/** Null for a digest, and for a tag that is not a version. */
function tagOf(image: string): string | null {
  return /:v?(\d+\.\d+\.\d+[^:/@]*)(?:@|$)/.exec(image)?.[1] ?? null;
}

/**
 * Finds the pods that a person names: a single one, or those of a workload or a Service, with names as in kubectl.
 *
 * Stage before: the command line. Stage after: `port-forward.ts`.
 */
import { ProxyError, unexpected } from '../errors.ts';
import type { KubeClient } from './client.ts';
import { listOf, objectOf, textOf, type Json } from './json.ts';

interface Owner {
  readonly base: string;
  readonly plural: string;
}

const PODS: Owner = { base: '/api/v1', plural: 'pods' };
const OWNERS: Readonly<Record<string, Owner>> = {
  pod: PODS,
  deployment: { base: '/apis/apps/v1', plural: 'deployments' },
  replicaset: { base: '/apis/apps/v1', plural: 'replicasets' },
  statefulset: { base: '/apis/apps/v1', plural: 'statefulsets' },
  daemonset: { base: '/apis/apps/v1', plural: 'daemonsets' },
  job: { base: '/apis/batch/v1', plural: 'jobs' },
  service: { base: '/api/v1', plural: 'services' },
};
const SHORT: Readonly<Record<string, string>> = {
  ...{ po: 'pod', deploy: 'deployment', rs: 'replicaset', sts: 'statefulset', ds: 'daemonset', svc: 'service' },
};
/** More than a person would read about. */
const MAX_PODS = 500;

/** A name as typed. */
export interface PodName {
  readonly text: string;
  readonly owner: Owner;
  readonly name: string;
}

/** `NAME` or `KIND/NAME`. @throws ProxyError `invalid-setting` */
export function podName(text: string): PodName {
  const [, kind = 'pod', name = ''] = /^(?:([^/]*)\/)?([^/]*)$/.exec(text) ?? [];
  const word = kind.toLowerCase();
  const singular = SHORT[word] ?? (Object.hasOwn(OWNERS, word) ? word : word.replace(/s$/, ''));
  const owner = Object.hasOwn(OWNERS, singular) ? OWNERS[singular]! : null;
  if (owner === null || !/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(name)) {
    throw unexpected(text, 'a POD, or deploy/NAME, rs/NAME, sts/NAME, ds/NAME, job/NAME or svc/NAME');
  }
  return { text, owner, name };
}

/** Sorted by name. @throws KubeError, ProxyError when a workload has no pods */
export async function podsOf(
  client: KubeClient,
  namespace: string,
  { owner, name, text }: PodName,
): Promise<readonly Json[]> {
  const path = `${owner.base}/namespaces/${encodeURIComponent(namespace)}/${owner.plural}/${encodeURIComponent(name)}`;
  const object = await client.send({ method: 'GET', path });
  if (owner === PODS) return [object];
  const selector = objectOf(objectOf(object, 'spec'), 'selector');
  const labelSelector = owner.plural === 'services' ? labels(selector) : selectorText(selector);
  if (labelSelector === '')
    throw new ProxyError('no-pods', `${text} in namespace ${namespace} selects no pods; name a pod`);
  const list = await client.send({
    ...{ method: 'GET', path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods` },
    query: { labelSelector, limit: MAX_PODS },
  });
  const pods = [...listOf(list, 'items')].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  if (pods.length === 0) {
    const next = `kubectl -n ${namespace} get pods -l '${labelSelector}'`;
    throw new ProxyError('no-pods', `${text} in namespace ${namespace} has no pods; ${next}`);
  }
  return pods;
}

export function nameOf(object: Json): string {
  return textOf(objectOf(object, 'metadata'), 'name') ?? '';
}

function labels(of: Json): string {
  return Object.entries(of)
    .map(([key, value]) => `${key}=${String(value)}`)
    .join(',');
}

function selectorText(selector: Json): string {
  const expressions = listOf(selector, 'matchExpressions').map((each) => {
    const key = textOf(each, 'key') ?? '';
    const values = Array.isArray(each['values']) ? each['values'].map(String).join(',') : '';
    switch (textOf(each, 'operator')) {
      case 'In':
        return `${key} in (${values})`;
      case 'NotIn':
        return `${key} notin (${values})`;
      case 'DoesNotExist':
        return `!${key}`;
      default:
        return key;
    }
  });
  return [labels(objectOf(selector, 'matchLabels')), ...expressions].filter((part) => part !== '').join(',');
}

/** Containers, including init containers. */
function containers(pod: Json, of: 'spec' | 'status'): readonly Json[] {
  const names = of === 'spec' ? ['initContainers', 'containers'] : ['initContainerStatuses', 'containerStatuses'];
  return names.flatMap((name) => listOf(objectOf(pod, of), name));
}

export function hasContainer(pod: Json, name: string): boolean {
  return containers(pod, 'spec').some((container) => textOf(container, 'name') === name);
}

/** Null when the container runs, otherwise the reason in a few words. */
export function notRunning(pod: Json, name: string): string | null {
  if (textOf(objectOf(pod, 'metadata'), 'deletionTimestamp') !== null) return 'is being deleted';
  const status = containers(pod, 'status').find((each) => textOf(each, 'name') === name);
  const state = objectOf(status, 'state');
  if (state['running'] !== undefined) return null;
  const reason = textOf(objectOf(state, 'waiting'), 'reason') ?? textOf(objectOf(state, 'terminated'), 'reason');
  const phase = textOf(objectOf(pod, 'status'), 'phase') ?? 'Pending';
  return reason === null ? `is ${phase}` : `is ${phase}, and its container ${name} ${reason}`;
}

export function isReady(pod: Json): boolean {
  const conditions = listOf(objectOf(pod, 'status'), 'conditions');
  return conditions.some((each) => textOf(each, 'type') === 'Ready' && textOf(each, 'status') === 'True');
}

/**
 * Reads the objects for the checks page by page, and records what could not be read.
 *
 * Stage before: `kube/client.ts`. Stage after: `snapshot.ts`. Nothing is written in the cluster; the requests about
 * permissions (SelfSubjectReview, SubjectAccessReview) are not stored.
 */
import { KubeError, type KubeClient } from '../kube/client.ts';
import { listOf, objectOf, textOf, type Json } from '../kube/json.ts';
import { pagesOf, type PageQuery } from '../kube/pages.ts';
import { openShard } from '../route-set/decode.ts';
import { shardFile } from '../route-set/format.ts';
import { CONTROLLER_NEEDS } from './controller-needs.ts';
import { KINDS, type KindName, type KindPlace } from './kinds.ts';
import type { Listing, Permission, ShardThere, Snapshot } from './snapshot.ts';
import { ClusterView, nameOf, namespaceOf } from './view.ts';

const PAGE_SIZE = 500;
const LIST_TIMEOUT_MS = 60_000;
/** Maximum number of objects of a kind; the report says when there are more. */
const MAX_ITEMS = 50_000;
/** Simultaneous lists: the API server has other clients. */
const AT_A_TIME = 4;

export interface GatherOptions {
  readonly client: KubeClient;
  readonly namespace: string | null;
  readonly clientVersion: string;
  readonly signal?: AbortSignal;
  /** For tests. */
  readonly now?: () => number;
  readonly pageSize?: number;
  readonly maxItems?: number;
}

/** Rejects for no answer of the API server. */
export async function gather(options: GatherOptions): Promise<Snapshot> {
  const { client, namespace, clientVersion, now = () => Date.now() } = options;
  const nothing = { namespace, clientVersion, user: null, listings: {}, controllerPermissions: [], shards: [] };
  let version: Json;
  try {
    version = await send(options, 'GET', '/version');
  } catch (error) {
    const serverError = messageOf(error);
    return { ...nothing, nowMs: now(), clockAheadMs: null, serverVersion: null, serverError };
  }
  const clockAheadMs = client.lastDate === null ? null : client.lastDate.readMs - client.lastDate.saidMs;
  const listings: Partial<Record<KindName, Listing>> = {};
  const kinds = Object.keys(KINDS) as KindName[];
  const shards: ShardThere[] = [];
  await inTurns(kinds, async (kind) => {
    const take = kind === 'routeSets' ? async (item: Json) => shards.push(...(await shardsIn(item))) : null;
    listings[kind] = await list(options, KINDS[kind], take);
  });
  const snapshot = {
    ...{ namespace, clientVersion, clockAheadMs, listings, shards },
    nowMs: now() - (clockAheadMs ?? 0),
    serverVersion: textOf(version, 'gitVersion') ?? '',
    serverError: null,
    user: await userOf(options),
  };
  const view = new ClusterView({ ...snapshot, controllerPermissions: [] });
  return { ...snapshot, controllerPermissions: await permissionsOf(options, view) };
}

async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
}

async function send(
  { client, signal }: GatherOptions,
  method: 'GET' | 'POST',
  path: string,
  more: { query?: Readonly<Record<string, string | number | undefined>>; body?: unknown } = {},
): Promise<Json> {
  const timeoutMs = LIST_TIMEOUT_MS;
  return await client.send({ method, path, timeoutMs, ...(signal === undefined ? {} : { signal }), ...more });
}

/** Receives each object before its large parts are dropped. */
type Taker = ((item: Json) => Promise<unknown>) | null;

/** Lists all namespaces; if that is forbidden, only the requested one. */
async function list(options: GatherOptions, place: KindPlace, take: Taker): Promise<Listing> {
  const { namespace } = options;
  const found = await listIn(options, place, place.namespace ?? null, take);
  const elsewhere = place.namespaced && place.namespace === undefined && namespace !== null;
  if (found.state !== 'forbidden' || !elsewhere) return found;
  const own = await listIn(options, place, namespace, take);
  return own.state === 'read' ? { ...own, only: namespace } : found;
}

async function listIn(
  options: GatherOptions,
  place: KindPlace,
  namespace: string | null,
  take: Taker,
): Promise<Listing> {
  for (const group of place.groups) {
    const path = `${group}${namespace === null ? '' : `/namespaces/${namespace}`}/${place.plural}`;
    try {
      return await pages(options, place, path, take);
    } catch (error) {
      if (!(error instanceof KubeError)) return { state: 'failed', message: messageOf(error) };
      if (error.status === 404) continue;
      // The API server also answers 403 for a kind that does not exist.
      if (error.status === 403 && !(await isServed(options, group, place.plural))) continue;
      const state = error.status === 403 || error.status === 401 ? 'forbidden' : 'failed';
      return { state, message: error.message };
    }
  }
  return { state: 'absent' };
}

/** True as well when it cannot be determined. */
async function isServed(options: GatherOptions, group: string, plural: string): Promise<boolean> {
  try {
    const known = await send(options, 'GET', group);
    return !('resources' in known) || listOf(known, 'resources').some((entry) => textOf(entry, 'name') === plural);
  } catch (error) {
    return !(error instanceof KubeError && error.status === 404);
  }
}

async function pages(options: GatherOptions, place: KindPlace, path: string, take: Taker): Promise<Listing> {
  const { maxItems = MAX_ITEMS } = options;
  const { labelSelector, fieldSelector } = place;
  const pageSize = options.pageSize ?? place.pageSize ?? PAGE_SIZE;
  const items: Json[] = [];
  const ask = (query: PageQuery): Promise<Json> =>
    send(options, 'GET', path, { query: { ...query, labelSelector, fieldSelector } });
  for await (const page of pagesOf(path, pageSize, ask)) {
    for (const item of page.items) {
      await take?.(item);
      items.push(withoutNoise(item));
    }
    if (page.more && items.length >= maxItems) return { state: 'read', items, only: null, cut: true };
  }
  return { state: 'read', items, only: null, cut: false };
}

/** managedFields are half of many objects, and no check reads a `binaryData`. */
function withoutNoise(item: Json): Json {
  const { managedFields: _, ...metadata } = objectOf(item, 'metadata');
  const { binaryData: __, ...rest } = item;
  return { ...rest, metadata };
}

/** The header of each key of a ConfigMap that is a shard. */
async function shardsIn(item: Json): Promise<ShardThere[]> {
  const shards: ShardThere[] = [];
  for (const [key, value] of Object.entries(objectOf(item, 'binaryData'))) {
    const file = shardFile(key);
    if (file === null || typeof value !== 'string') continue;
    const bytes = Buffer.from(value, 'base64');
    const opened = await openShard(file.index, bytes);
    const textBytes = 'text' in opened ? opened.text.length : 0;
    const header = 'damage' in opened ? opened : { index: opened.index, textHash: opened.textHash, root: opened.root };
    const place = { namespace: namespaceOf(item), name: nameOf(item), previous: file.previous };
    shards.push({ ...place, bytes: bytes.length, textBytes, header });
  }
  return shards;
}

/** Null before Kubernetes 1.28, and when the API server does not answer. */
async function userOf(options: GatherOptions): Promise<string | null> {
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  try {
    const answer = await send(options, 'POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', { body });
    return textOf(objectOf(objectOf(answer, 'status'), 'userInfo'), 'username');
  } catch {
    return null;
  }
}

/** Empty without a controller, because its account is unknown. */
async function permissionsOf(options: GatherOptions, view: ClusterView): Promise<Permission[]> {
  const { controller, systemNamespace } = view;
  if (controller === null) return [];
  const template = objectOf(objectOf(objectOf(controller, 'spec'), 'template'), 'spec');
  const account = textOf(template, 'serviceAccountName') ?? 'default';
  const user = `system:serviceaccount:${systemNamespace}:${account}`;
  const withWebhook = view.items('mutatingWebhooks').some((item) => nameOf(item) === 'sideroute-injection');
  const permissions: Permission[] = [];
  let asked = true;
  const needs = CONTROLLER_NEEDS.filter((need) => withWebhook || !need.forWebhook);
  await inTurns(needs, async ({ group, resource, subresource, verb, name, own }) => {
    const namespace = own ? systemNamespace : null;
    const need = { group, resource, subresource, verb, name };
    const attributes = { ...need, ...(namespace === null ? {} : { namespace }) };
    const spec = {
      user,
      groups: ['system:serviceaccounts', `system:serviceaccounts:${systemNamespace}`, 'system:authenticated'],
      resourceAttributes: attributes,
    };
    const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec };
    let allowed: boolean | null = null;
    try {
      // After one refusal no more requests are made: the user may not ask.
      if (asked) {
        const answer = await send(options, 'POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', { body });
        allowed = objectOf(answer, 'status')['allowed'] === true;
      }
    } catch {
      asked = false;
    }
    permissions.push({ ...need, namespace, allowed });
  });
  return permissions;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

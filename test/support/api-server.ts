/**
 * A stand-in for an API server over real HTTP: lists in pages, watches with bookmarks, optimistic locking, merge patches, status
 * subresources, metadata-only answers; and faults on demand. It validates nothing. The real one is used by test/cluster.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export type Obj = Record<string, unknown> & {
  metadata: Record<string, unknown> & { name: string; namespace?: string; resourceVersion?: string };
};

interface Resource {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

const GATEWAY = 'gateway.networking.k8s.io';
export const RESOURCES: readonly Resource[] = [
  { group: '', version: 'v1', kind: 'Namespace', plural: 'namespaces', namespaced: false },
  { group: '', version: 'v1', kind: 'Pod', plural: 'pods', namespaced: true },
  { group: '', version: 'v1', kind: 'Service', plural: 'services', namespaced: true },
  { group: '', version: 'v1', kind: 'ConfigMap', plural: 'configmaps', namespaced: true },
  { group: GATEWAY, version: 'v1', kind: 'HTTPRoute', plural: 'httproutes', namespaced: true },
  { group: GATEWAY, version: 'v1', kind: 'GRPCRoute', plural: 'grpcroutes', namespaced: true },
  { group: 'coordination.k8s.io', version: 'v1', kind: 'Lease', plural: 'leases', namespaced: true },
];

interface Event {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly version: number;
  readonly object: Obj;
  /** Before it was modified. */
  readonly before: Obj | null;
}

interface Watcher {
  readonly resource: Resource;
  readonly labels: string | null;
  readonly metadataOnly: boolean;
  readonly response: ServerResponse;
}

/** A request that was received, for tests that count requests. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: unknown;
}

export class ApiServer {
  readonly #server: Server;
  readonly #objects = new Map<string, Map<string, Obj>>();
  #events: { resource: Resource; event: Event }[] = [];
  readonly #watchers = new Set<Watcher>();
  readonly #sockets = new Set<Socket>();
  #version = 100;
  #oldest = 0;
  #port = 0;
  readonly seen: Seen[] = [];
  /** Answers instead of the server, where it gives something. */
  fault: ((seen: Seen) => { status: number; reason?: string; message?: string } | null) | null = null;
  /** Kinds that are not installed. */
  readonly absent = new Set<string>();
  /** The one in which routes are served. After a change of it watches are to be dropped. */
  gatewayVersion = 'v1';

  constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    for (const { plural } of RESOURCES) this.#objects.set(plural, new Map());
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get version(): number {
    return this.#version;
  }

  /** Watches that are open. */
  get watching(): number {
    return this.#watchers.size;
  }

  /** On the port it had before, if it has been stopped. */
  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Objects stay. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    this.#watchers.clear();
    await closed;
  }

  /** As a machine that is gone between: nothing is said on the connection. */
  dropWatches(): void {
    for (const { response } of this.#watchers) response.destroy();
    this.#watchers.clear();
  }

  /** As it does after a time, once what it has said has been read. */
  endWatches(): void {
    for (const { response } of this.#watchers) response.end();
    this.#watchers.clear();
  }

  /** Versions up to now cannot be watched from any more. */
  compact(): void {
    this.#events = [];
    this.#oldest = this.#version;
  }

  bookmark(): void {
    for (const watcher of this.#watchers) {
      const { kind, version } = watcher.resource;
      write(watcher, 'BOOKMARK', { kind, apiVersion: version, metadata: { resourceVersion: String(this.#version) } });
    }
  }

  get(plural: string, key: string): Obj | null {
    return this.#objects.get(plural)!.get(key) ?? null;
  }

  all(plural: string): Obj[] {
    return [...this.#objects.get(plural)!.values()];
  }

  /** As a person does it. */
  apply(plural: string, object: object, manager = 'kubectl'): Obj {
    const resource = RESOURCES.find((candidate) => candidate.plural === plural)!;
    const given = structuredClone(object) as Obj;
    const before = this.get(plural, keyOf(given));
    const status = before?.['status'];
    return this.#store(resource, { ...(status === undefined ? {} : { status }), ...given }, before, manager);
  }

  remove(plural: string, key: string): void {
    const resource = RESOURCES.find((candidate) => candidate.plural === plural)!;
    const before = this.get(plural, key);
    if (before === null) return;
    this.#objects.get(plural)!.delete(key);
    const version = ++this.#version;
    const metadata = { ...before.metadata, resourceVersion: String(version) };
    this.#tell(resource, { type: 'DELETED', version, object: { ...before, metadata }, before });
  }

  #store(resource: Resource, object: Obj, before: Obj | null, manager: string): Obj {
    const version = ++this.#version;
    const specChanged = JSON.stringify(before?.['spec']) !== JSON.stringify(object['spec']);
    const generation = Number(before?.metadata['generation'] ?? 0) + (before === null || specChanged ? 1 : 0);
    const others = ((before?.metadata['managedFields'] ?? []) as { manager: string }[]).filter(
      (e) => e.manager !== manager,
    );
    const dataChanged = JSON.stringify(before?.['binaryData']) !== JSON.stringify(object['binaryData']);
    const fieldsV1 = resource.kind === 'ConfigMap' ? { 'f:binaryData': {} } : { 'f:spec': {} };
    const managedFields = [
      ...(dataChanged
        ? others.filter((entry) => !('f:binaryData' in (entry as { fieldsV1?: object }).fieldsV1!))
        : others),
      ...(dataChanged || resource.kind !== 'ConfigMap'
        ? [{ manager, operation: 'Update', time: new Date().toISOString(), fieldsV1 }]
        : [{ manager, operation: 'Update', time: new Date().toISOString(), fieldsV1: { 'f:metadata': {} } }]),
    ];
    const stored: Obj = {
      kind: resource.kind,
      ...object,
      apiVersion: resource.group === '' ? 'v1' : `${resource.group}/${this.#versionOf(resource)}`,
      metadata: {
        creationTimestamp: '2026-11-28T10:00:00Z',
        uid: `uid-${version}`,
        ...(before === null
          ? {}
          : { uid: before.metadata['uid'], creationTimestamp: before.metadata['creationTimestamp'] }),
        ...object.metadata,
        resourceVersion: String(version),
        generation,
        managedFields,
      },
    };
    this.#objects.get(resource.plural)!.set(keyOf(stored), stored);
    this.#tell(resource, { type: before === null ? 'ADDED' : 'MODIFIED', version, object: stored, before });
    return stored;
  }

  #tell(resource: Resource, event: Event): void {
    this.#events.push({ resource, event });
    for (const watcher of this.#watchers) if (watcher.resource === resource) send(watcher, event);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const body: unknown = text === '' ? null : JSON.parse(text);
    const seen = { method: request.method ?? '', path: url.pathname, query: url.searchParams, body };
    this.seen.push(seen);
    const fault = this.fault?.(seen) ?? null;
    if (fault !== null) {
      fail(response, fault.status, fault.reason ?? 'InternalError', fault.message ?? 'a fault');
      return;
    }
    const metadataOnly = (request.headers.accept ?? '').includes('PartialObjectMetadata');
    const discovery = this.#discovery(url.pathname);
    if (discovery !== null) {
      answer(response, 200, discovery);
      return;
    }
    const match =
      /^\/(?:api\/v1|apis\/([^/]+)\/(v1(?:beta1)?))(?:\/namespaces\/([^/]+))?\/([a-z]+)(?:\/([^/]+))?(?:\/(status))?$/.exec(
        url.pathname,
      );
    const [, group = '', version = 'v1', namespace, plural = '', name, subresource] = match ?? [];
    // `/api/v1/namespaces/x` is an object too.
    const resource = RESOURCES.find(
      (candidate) =>
        candidate.plural === plural &&
        candidate.group === group &&
        this.#versionOf(candidate) === version &&
        !this.absent.has(candidate.kind),
    );
    if (resource === undefined) {
      fail(response, 404, 'NotFound', 'no such resource');
      return;
    }
    const objects = this.#objects.get(plural)!;
    if (name === undefined && request.method === 'GET') {
      if (url.searchParams.has('watch')) this.#watch(resource, url.searchParams, metadataOnly, response);
      else this.#list(resource, namespace ?? null, url.searchParams, metadataOnly, response);
      return;
    }
    const given = body as Obj | null;
    const key = namespace === undefined ? (name ?? '') : `${namespace}/${name ?? given?.metadata.name ?? ''}`;
    const before = objects.get(key) ?? null;
    const reply = (object: Obj, status = 200): void =>
      answer(response, status, metadataOnly ? partial(object) : object);
    const manager = url.searchParams.get('fieldManager') ?? 'somebody';
    if (request.method === 'POST') {
      if (before !== null) {
        fail(response, 409, 'AlreadyExists', `${key} already exists`);
        return;
      }
      reply(this.#store(resource, given!, null, manager), 201);
      return;
    }
    if (before === null) {
      fail(response, 404, 'NotFound', `${key} not found`);
      return;
    }
    if (request.method === 'GET') {
      reply(before);
      return;
    }
    if (request.method === 'DELETE') {
      this.remove(plural, key);
      reply(before);
      return;
    }
    const wanted = given?.metadata.resourceVersion;
    if (wanted !== undefined && wanted !== before.metadata.resourceVersion) {
      fail(response, 409, 'Conflict', `${key} has been modified`);
      return;
    }
    const uid = given?.metadata['uid'];
    if (uid !== undefined && uid !== before.metadata['uid']) {
      fail(response, 409, 'Conflict', 'another uid');
      return;
    }
    if (request.method === 'PATCH') {
      const merged = merge(before, given!) as Obj;
      const next = subresource === 'status' ? { ...before, status: merged['status'] } : merged;
      reply(this.#store(resource, next, before, manager));
      return;
    }
    reply(this.#store(resource, given!, before, manager));
  }

  #versionOf({ group, version }: Resource): string {
    return group === GATEWAY ? this.gatewayVersion : version;
  }

  #discovery(path: string): object | null {
    const present = RESOURCES.filter(({ group, kind }) => group === GATEWAY && !this.absent.has(kind));
    if (present.length === 0) return null;
    const groupVersion = `${GATEWAY}/${this.gatewayVersion}`;
    if (path === `/apis/${GATEWAY}`) return { versions: [{ groupVersion }], preferredVersion: { groupVersion } };
    if (path !== `/apis/${groupVersion}`) return null;
    return {
      resources: present.flatMap(({ kind, plural }) => [
        { name: plural, kind },
        { name: `${plural}/status`, kind },
      ]),
    };
  }

  #list(
    resource: Resource,
    namespace: string | null,
    query: URLSearchParams,
    metadataOnly: boolean,
    response: ServerResponse,
  ): void {
    const from = query.get('continue');
    if (from === 'expired') {
      fail(response, 410, 'Expired', 'the continue token is too old');
      return;
    }
    const all = [...this.#objects.get(resource.plural)!.values()]
      .filter((object) => namespace === null || object.metadata.namespace === namespace)
      .filter((object) => matches(object, query.get('labelSelector')))
      .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
    const start = Number(from ?? '0');
    const limit = Number(query.get('limit') ?? '0') || all.length;
    const items = all.slice(start, start + limit).map((object) => {
      if (metadataOnly) return partial(object);
      const rest: Record<string, unknown> = { ...object };
      delete rest['kind'];
      delete rest['apiVersion'];
      return rest;
    });
    const more = start + limit < all.length ? String(start + limit) : '';
    answer(response, 200, {
      kind: 'List',
      items,
      metadata: { resourceVersion: String(this.#version), continue: more },
    });
  }

  #watch(resource: Resource, query: URLSearchParams, metadataOnly: boolean, response: ServerResponse): void {
    const since = Number(query.get('resourceVersion') ?? '0');
    response.writeHead(200, { 'content-type': 'application/json' });
    const watcher = { resource, labels: query.get('labelSelector'), metadataOnly, response };
    if (since < this.#oldest) {
      const object = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' };
      response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
      return;
    }
    response.flushHeaders();
    for (const { resource: of, event } of this.#events) {
      if (of === resource && event.version > since) send(watcher, event);
    }
    this.#watchers.add(watcher);
    response.on('close', () => this.#watchers.delete(watcher));
  }
}

export function keyOf({ metadata: { namespace, name } }: Obj): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

function matches({ metadata }: Obj, selector: string | null): boolean {
  if (selector === null || selector === '') return true;
  const [label = '', value] = selector.split('=');
  return (metadata['labels'] as Record<string, string> | undefined)?.[label] === value;
}

function partial({ metadata }: Obj): Obj {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata };
}

/** For a watcher with a selector, an object that no longer matches is deleted, and one that now matches is added. */
function send(watcher: Watcher, { type, object, before }: Event): void {
  const [now, then] = [matches(object, watcher.labels), before !== null && matches(before, watcher.labels)];
  if (type !== 'MODIFIED' || (now && then)) {
    if (now) write(watcher, type, object);
  } else if (now !== then) write(watcher, now ? 'ADDED' : 'DELETED', object);
}

function write({ response, metadataOnly }: Watcher, type: string, object: unknown): void {
  const shown = metadataOnly && type !== 'BOOKMARK' ? partial(object as Obj) : object;
  response.write(`${JSON.stringify({ type, object: shown })}\n`);
}

function answer(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

function fail(response: ServerResponse, code: number, reason: string, message: string): void {
  answer(response, code, { kind: 'Status', status: 'Failure', code, reason, message });
}

/** Merge patch (RFC 7396). */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result = new Map<string, unknown>(
    Object.entries(typeof target === 'object' && target !== null && !Array.isArray(target) ? target : {}),
  );
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) result.delete(name);
    else result.set(name, merge(result.get(name), value));
  }
  return Object.fromEntries(result);
}

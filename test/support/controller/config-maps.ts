/**
 * The ConfigMaps of an in-memory API server with every state they have had, a process that dies between two writes, and
 * what pods read: for tests of the state at each moment.
 */
import { createHash } from 'node:crypto';
import type { FileRead } from '../../../src/config/directory-reader.ts';
import { RouteSetFiles } from '../../../src/config/route-set-files.ts';
import { ClusterState } from '../../../src/controller/cluster-state.ts';
import { RouteSets } from '../../../src/controller/route-sets.ts';
import { SetWriter } from '../../../src/controller/set-writer.ts';
import { KubeError, type KubeClient, type KubeRequest } from '../../../src/kube/client.ts';
import type { Json } from '../../../src/kube/json.ts';
import { createLogger } from '../../../src/log.ts';
import type { ParsedFile } from '../../../src/gateway-api/types.ts';
import { INJECTED, namespace, route } from './objects.ts';

export interface ConfigMap {
  readonly metadata: { readonly name: string; readonly namespace: string; readonly resourceVersion: string };
  readonly binaryData: Readonly<Record<string, string>>;
}

/** ConfigMaps by name. */
export type Moment = ReadonlyMap<string, ConfigMap>;

export class ConfigMaps {
  #now = new Map<string, ConfigMap>();
  #version = 0;
  /** Since `forgetPast`, the oldest first, the one of now last. */
  moments: Moment[] = [this.#now];
  /** Writes until the process that writes is dead. */
  writesLeft = Number.POSITIVE_INFINITY;
  /** Called before each write. */
  beforeWrite: (() => Promise<void>) | null = null;
  readonly written: string[] = [];

  get now(): Moment {
    return this.#now;
  }

  forgetPast(): void {
    this.moments = [this.#now];
  }

  /** As somebody puts it there. */
  put(name: string, configMap: { metadata?: object; binaryData: Record<string, string> }): ConfigMap {
    const resourceVersion = String(1_000 + ++this.#version);
    const metadata = { ...configMap.metadata, name, namespace: 'shop', resourceVersion };
    const stored = { ...configMap, metadata };
    this.#now = new Map([...this.#now, [name, stored]]);
    this.moments.push(this.#now);
    return stored;
  }

  remove(name: string): void {
    this.#now = new Map([...this.#now].filter(([each]) => each !== name));
    this.moments.push(this.#now);
  }

  async send({ method, path, body }: KubeRequest): Promise<Json> {
    const given = body as ConfigMap | undefined;
    const name = path.split('/')[6] ?? given?.metadata.name ?? '';
    if (method !== 'GET') {
      await this.beforeWrite?.();
      if (this.writesLeft-- <= 0) throw new KubeError(0, 'ECONNRESET', 'the process is dead');
    }
    const before = this.#now.get(name);
    const fail = (status: number): never => {
      throw new KubeError(status, '', `${method} ${name}: ${status}`);
    };
    if (method === 'POST') {
      if (before !== undefined) fail(409);
    } else if (before === undefined) return fail(404);
    if (method === 'GET') return before as unknown as Json;
    if (method === 'DELETE') {
      const { preconditions } = (body ?? {}) as { preconditions?: { resourceVersion?: string } };
      const wanted = preconditions?.resourceVersion ?? before?.metadata.resourceVersion;
      if (wanted !== before?.metadata.resourceVersion) fail(409);
      this.remove(name);
      return before as unknown as Json;
    }
    const version = given!.metadata.resourceVersion as string | undefined;
    if (version !== undefined && version !== before?.metadata.resourceVersion) fail(409);
    this.written.push(name);
    return this.put(name, given!) as unknown as Json;
  }
}

/** The leading process: it knows the cluster's state and writes the set of namespace `shop`. */
export class Leader {
  readonly state: ClusterState;
  readonly writer: SetWriter;
  readonly log: string[] = [];
  readonly again: number[] = [];
  now = 0;

  constructor(configMaps: ConfigMaps, options: { cleanupAfterMs?: number } = {}) {
    const nothing = (): void => undefined;
    this.state = new ClusterState('sideroute.dev/controller', {
      ...{ namespaceChanged: nothing, routeChanged: nothing, podAdded: nothing, podRemoved: nothing },
    });
    this.state.namespaces().upsert(namespace('shop', { labels: INJECTED }) as unknown as Json);
    for (const each of configMaps.now.values()) this.state.shardSink().upsert(each as unknown as Json);
    this.writer = new SetWriter({
      client: configMaps as unknown as KubeClient,
      ...{ state: this.state, sets: new RouteSets(this.state.index), cleanupAfterMs: options.cleanupAfterMs ?? 1e9 },
      logger: createLogger('info', (line) => this.log.push(line)),
      later: (_, ms) => this.again.push(ms),
      onSet: nothing,
      now: () => this.now,
    });
  }

  /** What the cluster has now: all of it. */
  routes(routes: readonly object[]): this {
    const sink = this.state.routes('HTTPRoute');
    for (const key of [...sink.keys()]) sink.remove(key);
    for (const each of routes) sink.upsert(each as Json);
    return this;
  }

  async write(): Promise<'written' | 'failed'> {
    try {
      await this.writer.write('shop', new AbortController().signal);
      return 'written';
    } catch {
      return 'failed';
    }
  }
}

/** A sidecar's reader; `served`: names and versions of the routes; null if it has no set. */
export class Reader {
  readonly #files = new RouteSetFiles((_, text) => Promise.resolve(parse(text)));

  async read(moment: Moment): Promise<string | null> {
    const files = [...moment.values()].flatMap(({ binaryData }) => Object.entries(binaryData)).map(fileOf);
    await this.#files.update(files);
    if (this.#files.version === null) return null;
    const routes = this.#files.contents.flatMap(({ resources }) => resources as unknown as string[]);
    return routes.sort().join(' ');
  }
}

function fileOf([name, data]: [string, string]): FileRead {
  return { name, digest: createHash('sha256').update(data).digest('hex'), content: Buffer.from(data, 'base64') };
}

interface Item {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly rules: readonly { readonly matches: readonly { readonly path: { value: string } }[] }[] };
}

/** Parses a route made by `versionOf`. */
function parse(text: string): ParsedFile {
  const { items } = JSON.parse(text) as { items: Item[] };
  const resources = items.map(({ metadata: { name }, spec }) => `${name}@${spec.rules[0]!.matches[0]!.path.value}`);
  return { resources, problems: [], unparsable: false } as unknown as ParsedFile;
}

/** A route of about this many bytes. */
export function versionOf(name: string, version: number, bytes = 9_000): object {
  const matches = [{ path: { type: 'PathPrefix', value: `/${version}` } }];
  return route(name, 'shop', { rules: [{ matches, name: 'x'.repeat(bytes) }] });
}

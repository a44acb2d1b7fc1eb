/**
 * Keeps a copy of one kind of object up to date: a list, page by page, then a watch from where the list ended, resumed
 * after interruptions. Modelled on the reflector of client-go.
 *
 *     list ──▶ watch ──▶ ended, connection lost ──▶ watch again from the last resourceVersion, after a wait
 *      ▲         │
 *      └─────────┴──▶ 410: that version is gone; what is watched from there cannot be read
 *
 * Stage before: `client.ts`. Stage after: a store, which keeps the parts it needs of each object. While the server does
 * not answer, the store stays unchanged.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../log.ts';
import { backoffMs, type BackoffOptions } from './backoff.ts';
import { KubeError, TooLargeError, type KubeClient } from './client.ts';
import { isObject, listOf, numberOf, objectOf, textOf, type Json } from './json.ts';

/** Receives the objects. An exception affects only the single object. */
export interface ObjectSink {
  /** Keep only the needed parts of `object`, because it is large. An unchanged object may be passed again. */
  upsert(object: Json): void;
  /** `namespace/name`, or only the name for an object without namespace. */
  remove(key: string): void;
  keys(): Iterable<string>;
}

export interface ReflectorOptions {
  readonly client: KubeClient;
  /** Path of the collection, for instance `/api/v1/services`. */
  readonly path: string;
  /** apiVersion and kind of the items, which a list does not contain. */
  readonly apiVersion: string;
  readonly kind: string;
  readonly labelSelector?: string;
  /** True when names, labels and annotations are enough. */
  readonly metadataOnly?: boolean;
  readonly sink: ObjectSink;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly backoff?: BackoffOptions;
  /** For tests. */
  readonly pageSize?: number;
  readonly watchHeadTimeoutMs?: number;
  /** Called when objects can be read again after a failure. */
  readonly onBack?: () => void;
  /** Called when the server does not have the collection. It is still asked again. */
  readonly onMissing?: () => void;
}

const PAGE_SIZE = 500;
const LIST_TIMEOUT_MS = 60_000;
/** The server ends a watch after a random time in this range, so that clients do not reconnect together. */
const WATCH_SECONDS = { least: 300, most: 600 } as const;
/** Bookmarks arrive about once a minute. A watch that has had one and then nothing for this long is dead. */
const SILENT_MS = 180_000;
const BACKOFF: BackoffOptions = { firstMs: 500, mostMs: 30_000 };
/** A watch that lasted this long does not count as a failure. */
const HEALTHY_MS = 10_000;
const GONE = 410;
const MISSING = 404;

export class Reflector {
  readonly #options: ReflectorOptions;
  #version: string | null = null;
  #synced = false;
  #failures = 0;
  /** True when nothing has been received since the version to watch from was reported as gone. */
  #hadGone = false;
  #error: string | null = null;
  /** Number of objects that the sink has refused. */
  rejected = 0;
  lists = 0;
  watches = 0;
  events = 0;

  constructor(options: ReflectorOptions) {
    this.#options = options;
  }

  /** True once the first list is complete. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Why the copy is not up to date; null when it is, as far as known. */
  get error(): string | null {
    return this.#error;
  }

  get #ended(): boolean {
    return this.#options.signal.aborted;
  }

  /** Runs until the signal. Never rejects. */
  async run(): Promise<void> {
    const { signal, logger, path } = this.#options;
    while (!signal.aborted) {
      try {
        this.#version ??= await this.#list();
        await this.#watch();
        this.#isWell();
      } catch (error) {
        if (this.#ended) return;
        const gone = error instanceof KubeError && (error.status === GONE || error.reason === 'Expired');
        if (gone || leadsNowhere(error)) this.#version = null;
        // A version that is gone does not mean a failure of the server: it answers, and usually has just restarted. A
        // second time in a row counts as a failure.
        if (gone && !this.#hadGone) {
          this.#hadGone = true;
          continue;
        }
        await this.#failed(error, logger, path);
      }
    }
  }

  #isWell(): void {
    this.#failures = 0;
    this.#hadGone = false;
  }

  #recovered(): void {
    if (this.#error === null) return;
    this.#error = null;
    this.#options.logger.info('objects are read again', { path: this.#options.path });
    this.#options.onBack?.();
  }

  async #failed(error: unknown, logger: Logger, path: string): Promise<void> {
    const message = error instanceof Error ? error.message : String(error);
    // Logged once for each outage.
    if (this.#error === null)
      logger.warn('objects cannot be read; what was read last is used', { path, error: message });
    this.#error = message;
    this.#failures++;
    if (error instanceof KubeError && error.status === MISSING) this.#options.onMissing?.();
    const asked = error instanceof KubeError ? error.retryAfterMs : null;
    const wait = Math.max(backoffMs(this.#failures, this.#options.backoff ?? BACKOFF), asked ?? 0);
    await delay(wait, undefined, { signal: this.#options.signal }).catch(() => undefined);
  }

  /** Returns the resourceVersion to watch from. */
  async #list(): Promise<string> {
    const { client, path, labelSelector, signal, sink } = this.#options;
    let limit = this.#options.pageSize ?? PAGE_SIZE;
    let next: string | undefined;
    const seen = new Set<string>();
    this.lists++;
    for (;;) {
      let page: Json;
      try {
        page = await client.send({
          ...{ method: 'GET', path, signal, timeoutMs: LIST_TIMEOUT_MS },
          query: { limit, continue: next, labelSelector },
          accept: this.#accept('PartialObjectMetadataList'),
        });
      } catch (error) {
        if (!(error instanceof TooLargeError) || limit === 1) throw error;
        limit = Math.max(1, Math.floor(limit / 4));
        continue;
      }
      for (const item of listOf(page, 'items')) {
        seen.add(keyOf(item));
        this.#upsert(item);
      }
      const metadata = objectOf(page, 'metadata');
      const more = textOf(metadata, 'continue') ?? '';
      if (more !== '') {
        next = more;
        continue;
      }
      for (const key of [...sink.keys()]) if (!seen.has(key)) sink.remove(key);
      this.#synced = true;
      return textOf(metadata, 'resourceVersion') ?? '';
    }
  }

  async #watch(): Promise<void> {
    const { client, path, labelSelector, signal, sink, watchHeadTimeoutMs: headTimeoutMs } = this.#options;
    const { least, most } = WATCH_SECONDS;
    const seconds = Math.round(least + (most - least) * Math.random());
    const query = {
      ...{ watch: 1, allowWatchBookmarks: 'true', timeoutSeconds: seconds, labelSelector },
      resourceVersion: this.#version ?? undefined,
    };
    let bookmarked = false;
    const idleMs = (): number => (bookmarked ? SILENT_MS : (seconds + 30) * 1_000);
    this.watches++;
    const beganMs = performance.now();
    for await (const { type, object } of client.watch(
      { path, query, accept: this.#accept('PartialObjectMetadata'), headTimeoutMs },
      idleMs,
      signal,
      () => this.#recovered(),
    )) {
      if (type === 'ERROR') {
        const message = textOf(object, 'message') ?? 'the watch failed';
        throw new KubeError(numberOf(object, 'code') ?? 0, textOf(object, 'reason') ?? '', message);
      }
      if (!isObject(object)) continue;
      this.#isWell();
      if (type === 'BOOKMARK') bookmarked = true;
      else {
        this.events++;
        if (type === 'DELETED') sink.remove(keyOf(object));
        else if (type === 'ADDED' || type === 'MODIFIED') this.#upsert(object);
      }
      this.#version = textOf(objectOf(object, 'metadata'), 'resourceVersion') ?? this.#version;
    }
    // A server that ends watches immediately must not be asked again immediately.
    if (performance.now() - beganMs < HEALTHY_MS && !signal.aborted) {
      throw new KubeError(0, 'Ended', `the server ended the watch of ${path} early`);
    }
  }

  #upsert(object: Json): void {
    const { sink, logger, apiVersion, kind } = this.#options;
    try {
      sink.upsert(object['kind'] === kind ? object : { ...object, apiVersion, kind });
    } catch (error) {
      this.rejected++;
      logger.warn('an object is left out', { kind, object: keyOf(object), error: String(error) });
    }
  }

  #accept(as: string): string {
    if (this.#options.metadataOnly !== true) return 'application/json';
    return `application/json;as=${as};g=meta.k8s.io;v=v1`;
  }
}

/**
 * True when a watch from the same version would fail again: an event cannot be read; the server does not know the
 * version, for instance because its data has been restored (504); or the resource has been replaced by another one
 * (404).
 */
function leadsNowhere(error: unknown): boolean {
  if (!(error instanceof KubeError)) return false;
  const isUnknown = error.status === 504 && /too large resource version/i.test(error.message);
  return isUnknown || error.reason === 'BadEvent' || [400, 404].includes(error.status);
}

export function keyOf(object: Json): string {
  const metadata = objectOf(object, 'metadata');
  const name = textOf(metadata, 'name') ?? '';
  const namespace = textOf(metadata, 'namespace');
  return namespace === null ? name : `${namespace}/${name}`;
}

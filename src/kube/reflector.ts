/**
 * Keeps a copy of one kind of object current: a list, page by page, then a watch from where the list ended, resumed where it
 * broke off. The model is the reflector of client-go.
 *
 *     list ──▶ watch ──▶ ended, connection lost ──▶ watch again from the last resourceVersion, after a wait
 *      ▲         │
 *      └─────────┴──▶ 410: that version is gone; what is watched from there cannot be read
 *
 * Stage before: `client.ts`. Stage after: a store, which keeps what it needs of each object. While the server cannot be asked
 * the store stays as it is.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../log.ts';
import { backoffMs, type BackoffOptions } from './backoff.ts';
import { KubeError, TooLargeError, type KubeClient } from './client.ts';
import { isObject, listOf, numberOf, objectOf, textOf, type Json } from './json.ts';

/** What becomes of the objects. What it throws concerns the one object alone. */
export interface ObjectSink {
  /** `object` may be kept in part only: it is large. It may come again unchanged. */
  upsert(object: Json): void;
  /** `namespace/name`, the name alone for what has no namespace. */
  remove(key: string): void;
  keys(): Iterable<string>;
}

export interface ReflectorOptions {
  readonly client: KubeClient;
  /** Of the collection, as `/api/v1/services`. */
  readonly path: string;
  /** apiVersion and kind of the items, which a list does not repeat. */
  readonly apiVersion: string;
  readonly kind: string;
  readonly labelSelector?: string;
  /** Names, labels and annotations are enough. */
  readonly metadataOnly?: boolean;
  readonly sink: ObjectSink;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly backoff?: BackoffOptions;
  /** For tests. */
  readonly pageSize?: number;
  readonly watchHeadTimeoutMs?: number;
  /** Objects can be read again that could not be. */
  readonly onBack?: () => void;
  /** The server has no such collection (any more). It is asked again all the same. */
  readonly onMissing?: () => void;
}

const PAGE_SIZE = 500;
const LIST_TIMEOUT_MS = 60_000;
/** The server ends a watch after a time between these, so that not all come back at once. */
const WATCH_SECONDS = { least: 300, most: 600 } as const;
/** Bookmarks come about once a minute; a watch that has had one and then nothing for so long is dead. */
const SILENT_MS = 180_000;
const BACKOFF: BackoffOptions = { firstMs: 500, mostMs: 30_000 };
/** A watch that held so long is no failure. */
const HEALTHY_MS = 10_000;
const GONE = 410;
const MISSING = 404;

export class Reflector {
  readonly #options: ReflectorOptions;
  #version: string | null = null;
  #synced = false;
  #failures = 0;
  /** Nothing has been heard since the version to watch from was gone. */
  #hadGone = false;
  #error: string | null = null;
  /** Of objects that the sink could not take. */
  rejected = 0;
  lists = 0;
  watches = 0;
  events = 0;

  constructor(options: ReflectorOptions) {
    this.#options = options;
  }

  /** True from the end of the first list on. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Why the copy is not current; null when it is, as far as is known. */
  get error(): string | null {
    return this.#error;
  }

  get #ended(): boolean {
    return this.#options.signal.aborted;
  }

  /** Until the signal. Never rejects. */
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
        // A version that is gone is no fault of the server, which answers, and mostly has just come back; a second one in a row is
        // treated like one.
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
    // Once per outage.
    if (this.#error === null)
      logger.warn('objects cannot be read; what was read last is used', { path, error: message });
    this.#error = message;
    this.#failures++;
    if (error instanceof KubeError && error.status === MISSING) this.#options.onMissing?.();
    const asked = error instanceof KubeError ? error.retryAfterMs : null;
    const wait = Math.max(backoffMs(this.#failures, this.#options.backoff ?? BACKOFF), asked ?? 0);
    await delay(wait, undefined, { signal: this.#options.signal }).catch(() => undefined);
  }

  /** The resourceVersion to watch from. */
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
    // A server that ends watches at once must not be asked again at once.
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
 * Whether asking again from the same version would give the same answer: an event that cannot be read, a version that the server
 * does not know, because its data has been restored say (504), or that was of a resource that is another one since (404).
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

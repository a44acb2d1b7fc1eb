/**
 * Reads of a cluster for a bundle. Each has a size limit and a deadline, and a failure of one does not affect the others.
 *
 * Stage before: `kube/client.ts`. Stage after: `from-pods.ts` and `from-cluster.ts`.
 */
import { KubeError, TooLargeError, type KubeClient, type KubeRequest } from '../kube/client.ts';
import type { Json } from '../kube/json.ts';
import { pagesOf, type PageQuery } from '../kube/pages.ts';
import type { Collection } from './collection.ts';

const PAGE_SIZE = 250;
const MAX_ITEMS = 1_000;
const LOG_BYTES = 6 * 1024 * 1024;
/** Fewer where so many are too large: the API server cuts the end of what it sends, which is what is wanted. */
const LOG_LINES: readonly number[] = [20_000, 2_000, 200, 20];
const TIMEOUT_MS = 30_000;

export interface Listed {
  readonly items: readonly Json[];
  readonly cut: string | null;
}

export interface ReaderOptions {
  readonly client: KubeClient;
  readonly collection: Collection;
  readonly signal: AbortSignal;
}

export class ClusterReader {
  readonly client: KubeClient;
  readonly collection: Collection;
  readonly signal: AbortSignal;

  constructor({ client, collection, signal }: ReaderOptions) {
    this.client = client;
    this.collection = collection;
    this.signal = signal;
  }

  /** Null where it failed, which is told. `work` is left alone when the time is over. */
  async attempt<T>(what: string, work: () => Promise<T>): Promise<T | null> {
    try {
      return await beforeEnd(this.signal, withRetry(work));
    } catch (error) {
      this.collection.miss(what, error instanceof Error ? error.message : String(error));
      return null;
    }
  }

  async get(path: string): Promise<Json> {
    return await this.client.send({ ...this.#request(path) });
  }

  /** Page by page. */
  async list(path: string, query: Readonly<Record<string, string>> = {}, accept?: string): Promise<Listed> {
    const items: Json[] = [];
    let more = false;
    const ask = (page: PageQuery): Promise<Json> =>
      this.client.send({
        ...this.#request(path),
        query: { ...query, ...page },
        ...(accept === undefined ? {} : { accept }),
      });
    for await (const page of pagesOf(path, PAGE_SIZE, ask)) {
      items.push(...page.items);
      more = page.more;
      if (items.length >= MAX_ITEMS) break;
    }
    const kept = items.slice(0, MAX_ITEMS);
    const cut = more || kept.length < items.length ? `the first ${kept.length}; there are more` : null;
    return { items: kept, cut };
  }

  /** The first path whose kind is there; null: none is. */
  async listFirst(paths: readonly string[], query: Readonly<Record<string, string>> = {}): Promise<Listed | null> {
    for (const path of paths) {
      try {
        return await this.list(path, query);
      } catch (error) {
        if (!(error instanceof KubeError && error.status === 404)) throw error;
      }
    }
    return null;
  }

  /** The last lines. */
  async log(
    path: string,
    container: string,
    previous: boolean,
  ): Promise<{ readonly text: string; readonly cut: string | null }> {
    let tooLarge: unknown = null;
    for (const tailLines of LOG_LINES) {
      try {
        const text = await this.client.sendForText({
          ...this.#request(`${path}/log`),
          query: {
            container,
            tailLines,
            limitBytes: LOG_BYTES,
            timestamps: 'true',
            ...(previous ? { previous: 'true' } : {}),
          },
          accept: '*/*',
          maxBytes: 2 * LOG_BYTES,
        });
        const isLast = tailLines === LOG_LINES.at(-1);
        if (Buffer.byteLength(text) >= LOG_BYTES && !isLast) continue;
        const lines = text.split('\n').length - 1;
        return { text, cut: lines >= tailLines ? `the last ${tailLines} lines` : null };
      } catch (error) {
        if (!(error instanceof TooLargeError)) throw error;
        tooLarge = error;
      }
    }
    throw tooLarge;
  }

  #request(path: string): KubeRequest {
    return { method: 'GET', path, timeoutMs: TIMEOUT_MS, signal: this.signal };
  }
}

/** Once more where a connection that had been used before was closed meanwhile: a busy machine is late to hear of it, and reading twice harms nobody. */
async function withRetry<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof KubeError && error.status === 0 && ['ECONNRESET', 'EPIPE'].includes(error.reason)))
      throw error;
    return await work();
  }
}

/** What has not come by then is not waited for. @throws the reason of the signal */
export async function beforeEnd<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  let stop = (): void => undefined;
  const end = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, end]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** At most so many at a time. */
export async function inTurns<T>(
  items: readonly T[],
  atATime: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const waiting = [...items];
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: atATime }, worker));
}

export function pathOf(base: string, namespace: string | null, plural: string, name?: string): string {
  const within = namespace === null ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${base}${within}/${plural}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`;
}

/**
 * Exports spans to a collector by OTLP/HTTP, in batches, one after the other. Nothing waits for it: what it cannot get rid of is dropped and
 * counted. Loaded where traces are on.
 *
 * Stage before: the tracers of all workers, by `proxy/span-collector.ts`. Stage after: `sender.ts`.
 */
import { hostname } from 'node:os';
import { setTimeout as pause, setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from '../log.ts';
import { exportEnvironment } from './environment.ts';
import type { OtlpSpan } from './otlp.ts';
import { Sender, type Sent } from './sender.ts';
import { SpanQueue } from './span-queue.ts';
import { spanOf, type SpanOrigin } from './spans.ts';
import type { SpanLine } from './span-line.ts';

/** What may have become of a span. */
export interface SpanCounts {
  readonly exported: number;
  /** The queue was full. */
  readonly queue: number;
  /** The collector refused it, or was not to be reached often enough. */
  readonly refused: number;
  readonly failed: number;
}

export interface ExporterOptions {
  /** Where the collector takes spans. */
  readonly endpoint: string;
  readonly env: NodeJS.ProcessEnv;
  readonly namespace: string | null;
  readonly version: string;
  readonly logger: Pick<Logger, 'warn' | 'info'>;
  readonly limits?: Partial<ExporterLimits>;
}

export interface ExporterLimits {
  readonly queuedSpans: number;
  readonly queuedBytes: number;
  readonly batchSpans: number;
  /** A batch that is not full is sent when its first span has waited so long. */
  readonly delayMs: number;
  readonly attempts: number;
  readonly firstBackoffMs: number;
  readonly mostBackoffMs: number;
  /** Longest that a collector may put off. */
  readonly mostRetryAfterMs: number;
  /** Between two lines of the log about failures. */
  readonly logEveryMs: number;
}

const LIMITS: ExporterLimits = {
  queuedSpans: 4_096,
  queuedBytes: 8 * 1024 * 1024,
  batchSpans: 256,
  delayMs: 1_000,
  attempts: 6,
  firstBackoffMs: 1_000,
  mostBackoffMs: 30_000,
  mostRetryAfterMs: 120_000,
  logEveryMs: 60_000,
};
/** Parsed in one turn: less than a millisecond. */
const SPANS_PER_TURN = 32;

export class TraceExporter {
  readonly #limits: ExporterLimits;
  readonly #queue: SpanQueue;
  readonly #sender: Sender;
  readonly #origin: SpanOrigin;
  readonly #logger: Pick<Logger, 'warn' | 'info'>;
  readonly #closing = new AbortController();
  /** Ends pauses: what is left is to be sent at once. */
  #hurry = new AbortController();
  #running: Promise<void> | null = null;
  #exported = 0;
  #refused = 0;
  #failed = 0;
  #toldMs = Number.NEGATIVE_INFINITY;
  #failing = false;

  /** @throws ProxyError when a variable of the environment is of no use */
  constructor({ endpoint, env, namespace, version, logger, limits = {} }: ExporterOptions) {
    this.#limits = { ...LIMITS, ...limits };
    this.#logger = logger;
    this.#queue = new SpanQueue({ spans: this.#limits.queuedSpans, bytes: this.#limits.queuedBytes });
    const { resource, ...sending } = exportEnvironment(env);
    this.#sender = new Sender({ ...sending, url: new URL(endpoint), userAgent: `sideroute/${version}` });
    const attributes = {
      'service.name': 'sideroute',
      'host.name': hostname(),
      ...(namespace === null ? {} : { 'k8s.namespace.name': namespace }),
      ...resource,
    };
    // What the serializer looks at.
    this.#origin = {
      resource: { attributes } as unknown as OtlpSpan['resource'],
      scope: { name: 'sideroute', version },
    };
  }

  /** Whether the files that are named can be used. @throws ProxyError that names variable and file */
  async check(): Promise<void> {
    await this.#sender.check();
  }

  get counts(): SpanCounts {
    return { exported: this.#exported, queue: this.#queue.dropped, refused: this.#refused, failed: this.#failed };
  }

  /** `lines` of tracers. */
  add(lines: string): void {
    if (this.#closing.signal.aborted) return;
    this.#queue.add(lines);
    if (this.#queue.length > 0) this.#running ??= this.#run().finally(() => (this.#running = null));
  }

  /** Sends what there is, for at most `timeoutMs`. Nothing is taken afterwards. */
  async close(timeoutMs: number): Promise<void> {
    this.#hurry.abort();
    const late = setTimeout(() => this.#closing.abort(), timeoutMs);
    await this.#running;
    clearTimeout(late);
    this.#closing.abort();
    this.#failed += this.#queue.take(Infinity).length;
    this.#sender.close();
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0 && !this.#closing.signal.aborted) {
      if (this.#queue.length < this.#limits.batchSpans) await this.#pause(this.#limits.delayMs);
      const lines = this.#queue.take(this.#limits.batchSpans);
      try {
        await this.#export(lines);
      } catch (error) {
        this.#failed += lines.length;
        this.#tell(String(error));
      }
    }
  }

  /** In vain after `close`, which leaves no time for it. */
  async #pause(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.#hurry.signal, ref: false }).catch(() => undefined);
  }

  async #export(lines: readonly string[]): Promise<void> {
    // Loaded here: where nothing is sampled nobody needs it.
    const { serialize, rejectedSpans } = await import('./otlp.ts');
    const spans: OtlpSpan[] = [];
    for (let at = 0; at < lines.length; at += SPANS_PER_TURN) {
      for (const line of lines.slice(at, at + SPANS_PER_TURN)) {
        spans.push(spanOf(JSON.parse(line) as SpanLine, this.#origin));
      }
      await nextTurn();
    }
    const sent = await this.#send(serialize(spans));
    if (sent.result === 'taken') {
      const rejected = Math.min(Math.max(rejectedSpans(sent.body), 0), spans.length);
      this.#exported += spans.length - rejected;
      this.#refused += rejected;
      if (rejected > 0) this.#tell('a part of them is not wanted');
      else this.#well();
      return;
    }
    if (sent.result === 'refused') this.#refused += spans.length;
    else this.#failed += spans.length;
    this.#tell(sent.why);
  }

  /** Until it is taken, refused, or was tried often enough. */
  async #send(body: Uint8Array): Promise<Sent> {
    const { attempts, firstBackoffMs, mostBackoffMs, mostRetryAfterMs } = this.#limits;
    for (let attempt = 1; ; attempt++) {
      const sent = await this.#sender.send(body, this.#closing.signal);
      if (sent.result !== 'again' || attempt >= attempts || this.#hurry.signal.aborted) return sent;
      this.#tell(sent.why);
      const backoffMs = Math.min(firstBackoffMs * 2 ** (attempt - 1), mostBackoffMs) * (0.5 + Math.random());
      await this.#pause(Math.max(backoffMs, Math.min(sent.afterMs ?? 0, mostRetryAfterMs)));
    }
  }

  #well(): void {
    if (this.#failing) this.#logger.info('spans are exported again', { ...this.counts });
    this.#failing = false;
    this.#toldMs = Number.NEGATIVE_INFINITY;
  }

  /** Neither the address nor a header, which may hold what nobody is to read. */
  #tell(why: string): void {
    this.#failing = true;
    const now = performance.now();
    if (now - this.#toldMs < this.#limits.logEveryMs) return;
    this.#toldMs = now;
    this.#logger.warn('spans could not be exported', { why, waiting: this.#queue.length, ...this.counts });
  }
}

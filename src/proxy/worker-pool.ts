/**
 * The additional workers of the sidecar (`--workers`), seen from the main thread. The main thread is a worker, too, and
 * the only one that reads routes, resolves names, logs and serves the endpoints. The others receive configuration and
 * addresses, and report their counts on request.
 *
 * Stage before: the composition root. Stage after: `worker-link.ts`, for each of them. Loaded when there is more than
 * one worker.
 */
import type { AccessLogMode, NativeTapFilter, TapLines } from '../addon/access-log.ts';
import type { FrontendAddress, ListenAddress } from '../addon/binding.ts';
import type { MemoryLimit } from '../addon/memory-limit.ts';
import type { WorkerConnections } from '../admin/connections.ts';
import type { Attachment } from '../config/attachment.ts';
import type { ProxySettings } from '../config/settings.ts';
import type { LogFields, Logger } from '../log.ts';
import { seriesFields } from '../observe/incidents.ts';
import type { MemoryWatch } from '../observe/memory-watch.ts';
import type { Metrics } from '../observe/metrics.ts';
import { seriesKey } from '../observe/series-slots.ts';
import type { Backend } from '../routing/decision.ts';
import type { Steps } from '../slices.ts';
import { acceptorSettings, engineSettings } from './engine-settings.ts';
import { allFigures, type OwnFigures } from './figures.ts';
import { RoomMaker } from './room-maker.ts';
import { WorkerLink, type WorkerLinkOptions } from './worker-link.ts';
import type { ConfigurationPart, ToWorker, WorkerFigures } from './worker-messages.ts';

/** Parts of a configuration in one message: less than a millisecond of work for either side. */
const RULES_PER_PART = 32;
const ENTRIES_PER_PART = 128;
/** Maximum wait of a caller that asks for figures. Later answers count the next time. */
const FIGURES_WITHIN_MS = 2_000;
/** At the end, each thread waits up to a second for its log to be written. */
const CLOSE_WITHIN_MS = 1_500;

export interface WorkerPoolOptions {
  /** Includes the main thread. */
  readonly workers: number;
  readonly settings: ProxySettings;
  readonly memoryLimit: MemoryLimit | null;
  readonly accessLog: AccessLogMode;
  /** Receives lines of spans; null: traces are off. */
  readonly onSpans: ((lines: string, dropped: number) => void) | null;
  readonly onTapped: (id: number, lines: TapLines) => void;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly memory: Pick<MemoryWatch, 'overloaded'>;
  readonly frontendId: (key: string) => number;
  readonly backends: { readonly current: readonly Backend[]; readonly surplusIds: readonly number[] };
  /** Called when a worker has reached a limit: this thread should close idle connections. */
  readonly closeSomeIdle: () => void;
  /** True when all workers together may have another connection. */
  readonly hasRoom: () => boolean;
  /** Called when a worker has died: the process cannot continue. */
  readonly onDeath: (worker: number, error: Error) => void;
}

export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #links: readonly WorkerLink[];
  /** By worker; null before its first answer. */
  readonly #figures: (WorkerFigures | null)[];
  readonly #room: RoomMaker;
  /** From the answers to the last configuration. */
  #frontendsInUse: ReadonlySet<number> = new Set();
  #dropped: ReadonlySet<number> = new Set();

  private constructor(options: WorkerPoolOptions) {
    const { workers, settings, memoryLimit, accessLog } = options;
    this.#options = options;
    const numbers = Array.from({ length: workers - 1 }, (_, index) => index + 1);
    this.#links = numbers.map(
      (number) =>
        new WorkerLink({
          number,
          order: {
            workers,
            engine: engineSettings(settings, number, workers),
            acceptor: acceptorSettings(settings),
            memory: memoryLimit,
            accessLog,
            traces: options.onSpans === null ? null : settings.tracesSample,
          },
          onMessage: (message) => this.#hear(number, message),
          onDeath: (error) => options.onDeath(number, error),
        }),
    );
    this.#figures = numbers.map(() => null);
    this.#room = new RoomMaker({
      hasRoom: options.hasRoom,
      closeIdleBeside: (worker) => {
        if (worker !== 0) options.closeSomeIdle();
        for (const link of this.#links) if (link.number !== worker) link.say({ kind: 'closeSomeIdle' });
      },
    });
  }

  /** Rejects when a worker ends before it is loaded. */
  static async start(options: WorkerPoolOptions): Promise<WorkerPool> {
    const pool = new WorkerPool(options);
    await Promise.all(pool.#links.map(({ ready }) => ready));
    return pool;
  }

  /** Rejects when an address cannot be bound. */
  async listen(addresses: readonly ListenAddress[]): Promise<void> {
    await Promise.all(this.#links.map((link) => link.ask('listen', addresses)));
  }

  /** At the end every other worker has compiled `attachment`. Throws when one of them fails. */
  *prepare(attachment: Attachment): Steps<void> {
    this.#say({ kind: 'begin' });
    for (const part of this.#parts(attachment)) {
      this.#say({ kind: 'part', part });
      yield;
    }
    const drop = this.#options.backends.surplusIds;
    const asked = this.#links.map((link) => link.ask('compile', { drop }));
    yield Promise.all(asked).then((answers) => {
      this.#frontendsInUse = new Set(answers.flatMap(({ frontendsInUse }) => frontendsInUse));
      this.#dropped = new Set(drop.filter((id) => answers.every(({ dropped }) => dropped.includes(id))));
    });
  }

  /** Resolves when every other worker decides by what was prepared. */
  async serve(): Promise<void> {
    await Promise.all(this.#links.map((link) => link.ask('serve', null)));
  }

  /** Discards what was prepared: the previous configuration decides again. */
  abandon(): void {
    this.#say({ kind: 'abandon' });
  }

  /**
   * Resolves when everything sent so far has been done. Never rejects: a worker that fails has ended, and the process
   * with it.
   */
  async settled(): Promise<void> {
    await Promise.all(this.#links.map((link) => link.ask('settle', null).catch(() => undefined)));
  }

  setFrontends(addresses: readonly FrontendAddress[]): void {
    this.#say({ kind: 'frontends', addresses });
  }

  setBackend(backend: Backend): void {
    this.#say({ kind: 'backend', backend });
  }

  setAccessLog(mode: AccessLogMode): void {
    this.#say({ kind: 'accessLog', mode });
  }

  /** A null `filter` ends the tap. */
  setTap(id: number, filter: NativeTapFilter | null): void {
    this.#say({ kind: 'tap', id, filter });
  }

  /** Frontends of connections that were open when the last configuration was prepared. */
  get frontendsInUse(): ReadonlySet<number> {
    return this.#frontendsInUse;
  }

  /** True when every other worker had freed the backend by the time the last configuration was prepared. */
  hasDropped(backend: number): boolean {
    return this.#dropped.has(backend);
  }

  /** Collects figures and adds the counts to the metrics. Never rejects. */
  async refresh(): Promise<void> {
    const all = this.#links.map(async (link, index) => {
      this.#figures[index] = await link.ask('collect', null);
    });
    const late = new Promise<void>((resolve) => setTimeout(resolve, FIGURES_WITHIN_MS).unref());
    await Promise.race([Promise.allSettled(all), late]);
  }

  /** The figures of all workers as of the last refresh; `own` are those of this thread. */
  figuresWith(own: OwnFigures): OwnFigures & { readonly refresh: () => Promise<void> } {
    const all = allFigures(own, () => this.#figures.filter((figures) => figures !== null));
    return { ...all, refresh: () => this.refresh() };
  }

  /** By worker, from 1. Workers that do not answer are left out. */
  async connections(): Promise<(readonly [worker: number, connections: WorkerConnections])[]> {
    const all = this.#links.map(async (link) => [link.number, await link.ask('connections', null)] as const);
    const settled = await Promise.allSettled(all);
    return settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  }

  /**
   * An acceptor has paused: idle connections of the other workers are closed to make room. `worker`: the one of the
   * acceptor.
   */
  makeRoom(worker: number): void {
    this.#room.make(worker);
  }

  drain(timeoutMs: number): void {
    this.#say({ kind: 'drain', timeoutMs });
  }

  /** Closes everything in the other workers. Never rejects. */
  async close(): Promise<void> {
    await Promise.all(this.#links.map((link) => link.close(CLOSE_WITHIN_MS)));
  }

  #say(message: ToWorker): void {
    for (const link of this.#links) link.say(message);
  }

  #hear(worker: number, message: Parameters<WorkerLinkOptions['onMessage']>[0]): void {
    const { metrics, logger, memory } = this.#options;
    switch (message.kind) {
      case 'counts':
        metrics.addCounts(message.counts);
        break;
      case 'spans':
        this.#options.onSpans?.(message.lines, message.dropped);
        break;
      case 'tapped':
        this.#options.onTapped(message.id, message.lines);
        break;
      case 'warn':
        logger.warn(message.message, { ...this.#described(message.fields), worker });
        break;
      case 'overload':
        memory.overloaded(worker, message.overloaded);
        break;
      case 'paused':
        if (message.limit !== 'memory') this.makeRoom(worker);
        break;
    }
  }

  /** Adds the labels, because a worker knows a series only by its id. */
  #described({ series, ...fields }: LogFields): LogFields {
    if (typeof series !== 'number') return fields;
    return { ...fields, ...seriesFields(this.#options.metrics.totals(series).labels) };
  }

  /**
   * The parts of a configuration that a worker needs. Opaque frontends are not compiled, so nothing of them is sent.
   */
  *#parts(attachment: Attachment): Generator<ConfigurationPart> {
    const { metrics, backends, frontendId } = this.#options;
    for (const services of chunks([...attachment.services.values()], ENTRIES_PER_PART)) yield { services };
    for (const some of chunks(backends.current, ENTRIES_PER_PART)) yield { backends: some };
    for (const ids of chunks(metrics.series, ENTRIES_PER_PART)) {
      yield { series: ids.map((id) => [seriesKey(metrics.totals(id).labels), id] as const) };
    }
    const routed = attachment.frontends.filter(({ mode }) => mode === 'http');
    for (const [frontend, { rules: all, ...rest }] of routed.entries()) {
      yield { frontends: [{ ...rest, id: frontendId(rest.key) }] };
      for (const some of chunks(all, RULES_PER_PART)) {
        // Of a route, only the data for ranking and labels is sent.
        const rules = some.map(({ route, rule }) => ({ route: { ...route, rules: [], parentRefs: [] }, rule }));
        yield { rules: { frontend, rules } };
      }
    }
  }
}

function* chunks<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}

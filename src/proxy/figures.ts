/**
 * Combines the figures of several workers into those of one sidecar: totals and gauges are added up.
 *
 * Stage before: the figures of the main thread and those the other workers have sent. Stage after: `endpoints.ts`.
 * Loaded with `worker-pool.ts`.
 */
import type { AcceptorCounters, MemoryState } from '../addon/binding.ts';
import type { UpstreamState } from '../addon/engine-state.ts';
import type { HttpEngineCounters } from '../addon/http-engine.ts';
import type { Http2Counters } from '../addon/http2-counters.ts';
import type { LogCounters } from '../addon/log-writer.ts';
import type { WorkerFigures } from './worker-messages.ts';

/** Figures of one thread, read on demand. */
export interface OwnFigures {
  acceptor(): AcceptorCounters;
  engine(): HttpEngineCounters;
  http2(): Http2Counters;
  upstreams(): readonly UpstreamState[];
  accessLog(): LogCounters;
  memory(): MemoryState;
  downstreamConnections(): number;
}

/** Numbers, and objects that contain numbers. */
interface Figures {
  readonly [name: string]: number | string | Figures;
}

/** Adds each number of `others` to the number of the same name; text is taken from the first. */
function sum<T extends object>(first: T, others: readonly T[]): T {
  return others.reduce((all, one) => add(all as Figures, one as Figures) as T, first);
}

function add(a: Figures, b: Figures): Figures {
  const all: Record<string, number | string | Figures> = {};
  for (const [name, value] of Object.entries(a)) {
    const other = b[name];
    if (typeof value === 'number') all[name] = value + (other as number);
    else all[name] = typeof value === 'string' ? value : add(value, other as Figures);
  }
  return all;
}

/** The maximum number of connections is a limit for all workers together, so it is not added up. */
function sumAcceptors(first: AcceptorCounters, others: readonly AcceptorCounters[]): AcceptorCounters {
  return { ...sum(first, others), maxConnections: first.maxConnections };
}

const LEVELS = ['calm', 'tight', 'refusing', 'closing'] as const;

/** Limit and usage belong to the process. The highest level counts, because each worker measures at its own times. */
function sumMemory(first: MemoryState, others: readonly MemoryState[]): MemoryState {
  const all = [first, ...others];
  const level = LEVELS[Math.max(...all.map((state) => LEVELS.indexOf(state.level)))]!;
  return { ...sum(first, others), limitBytes: first.limitBytes, usageBytes: first.usageBytes, level };
}

/** Sums by backend and address. */
function sumUpstreams(all: readonly (readonly UpstreamState[])[]): UpstreamState[] {
  const sums = new Map<string, UpstreamState>();
  for (const state of all.flat()) {
    const { backend, address, port } = state;
    const key = `${backend} ${address} ${port}`;
    const known = sums.get(key);
    sums.set(key, known === undefined ? state : { ...sum(known, [state]), backend, port });
  }
  return [...sums.values()];
}

/** Figures of all workers as of the last refresh. */
export function allFigures(own: OwnFigures, others: () => readonly WorkerFigures[]): OwnFigures {
  const of = <Name extends keyof WorkerFigures>(name: Name) => others().map((figures) => figures[name]);
  return {
    acceptor: () =>
      sumAcceptors(
        own.acceptor(),
        of('acceptor').filter((counters) => counters !== null),
      ),
    engine: () => sum(own.engine(), of('engine')),
    http2: () => sum(own.http2(), of('http2')),
    upstreams: () => sumUpstreams([own.upstreams(), ...of('upstreams')]),
    accessLog: () => sum(own.accessLog(), of('accessLog')),
    memory: () => sumMemory(own.memory(), of('memory')),
    downstreamConnections: () =>
      others().reduce((all, { engine }) => all + engine.downstreamOpen, own.downstreamConnections()),
  };
}

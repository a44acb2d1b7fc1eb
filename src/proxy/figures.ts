/**
 * Figures of several workers as those of one sidecar: totals and gauges are added up.
 *
 * Stage before: the parts of the main thread, and what the other workers have told. Stage after: `endpoints.ts`. Loaded with `worker-pool.ts`.
 */
import type { AcceptorCounters, MemoryState } from '../addon/binding.ts';
import type { UpstreamState } from '../addon/engine-state.ts';
import type { HttpEngineCounters } from '../addon/http-engine.ts';
import type { Http2Counters } from '../addon/http2-counters.ts';
import type { LogCounters } from '../addon/log-writer.ts';
import type { WorkerFigures } from './worker-messages.ts';

/** Of one thread, read when they are asked for. */
export interface OwnFigures {
  acceptor(): AcceptorCounters;
  engine(): HttpEngineCounters;
  http2(): Http2Counters;
  upstreams(): readonly UpstreamState[];
  accessLog(): LogCounters;
  memory(): MemoryState;
  downstreamConnections(): number;
}

/** Numbers, and objects of such. */
interface Figures {
  readonly [name: string]: number | string | Figures;
}

/** Adds each number of `others` to that of the same name; text is that of the first. */
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

/** The most connections there can be is a limit of all of them together. */
function sumAcceptors(first: AcceptorCounters, others: readonly AcceptorCounters[]): AcceptorCounters {
  return { ...sum(first, others), maxConnections: first.maxConnections };
}

const LEVELS = ['calm', 'tight', 'refusing', 'closing'] as const;

/** Limit and usage are of the process; the level is the highest, since each looks when it has something to do. */
function sumMemory(first: MemoryState, others: readonly MemoryState[]): MemoryState {
  const all = [first, ...others];
  const level = LEVELS[Math.max(...all.map((state) => LEVELS.indexOf(state.level)))]!;
  return { ...sum(first, others), limitBytes: first.limitBytes, usageBytes: first.usageBytes, level };
}

/** By backend and address. */
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

/** Of all workers, as of the last refresh. */
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

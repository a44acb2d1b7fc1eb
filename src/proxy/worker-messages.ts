/**
 * What the main thread and a further worker of the sidecar say to each other. All of it is plain data, and messages of one side arrive in
 * their order.
 *
 * Stage before and after: `worker-pool.ts` in the main thread, `proxy-worker.ts` in the others.
 */
import type { AccessLogMode, NativeTapFilter, TapLines } from '../addon/access-log.ts';
import type { AcceptLimit, AcceptorCounters, FrontendAddress, ListenAddress, MemoryState } from '../addon/binding.ts';
import type { UpstreamState } from '../addon/engine-state.ts';
import type { Http2Counters } from '../addon/http2-counters.ts';
import type { HttpEngineCounters, HttpEngineSettings } from '../addon/http-engine.ts';
import type { LogCounters } from '../addon/log-writer.ts';
import type { MemoryLimit } from '../addon/memory-limit.ts';
import type { WorkerConnections } from '../admin/connections.ts';
import type { AttachedFrontend, AttachedRule } from '../config/attachment.ts';
import type { Service } from '../gateway-api/types.ts';
import type { LogFields } from '../log.ts';
import type { Counts } from '../observe/counts.ts';
import type { Backend } from '../routing/decision.ts';
import type { AcceptorSettings } from './engine-settings.ts';

/** What a worker is started with. */
export interface WorkerOrder {
  /** Of all workers, the main thread included, which is number 0. */
  readonly workers: number;
  readonly engine: HttpEngineSettings;
  readonly acceptor: AcceptorSettings;
  /** Null: not watched. */
  readonly memory: MemoryLimit | null;
  readonly accessLog: AccessLogMode;
  /** Part of requests that is traced; null: traces are off. */
  readonly traces: number | null;
}

/** A part of a configuration in the making; what is absent has no part in it. */
export interface ConfigurationPart {
  /** Without their rules, and with the id that the main thread gives each. */
  readonly frontends?: readonly (Omit<AttachedFrontend, 'rules'> & { readonly id: number })[];
  /** Further rules of a frontend, by the position of that in the configuration. */
  readonly rules?: { readonly frontend: number; readonly rules: readonly AttachedRule[] };
  readonly services?: readonly Service[];
  readonly backends?: readonly Backend[];
  /** `seriesKey` of labels, and the id that the main thread gives them. */
  readonly series?: readonly (readonly [key: string, id: number])[];
}

/** What is answered, by the `ask` that it came with. */
export interface Questions {
  /** Compiles what has come since `begin`. `drop`: backends that no table has any more, to let go of. */
  readonly compile: { readonly drop: readonly number[] };
  /** What was compiled decides from now on. */
  readonly serve: null;
  /** Everything said before has been done. */
  readonly settle: null;
  readonly listen: readonly ListenAddress[];
  readonly collect: null;
  readonly connections: null;
  /** Everything is closed, and what was to be logged is written. */
  readonly close: null;
}

export interface Answers {
  /** `frontendsInUse`: of connections that are open. */
  readonly compile: { readonly dropped: readonly number[]; readonly frontendsInUse: readonly number[] };
  readonly serve: null;
  readonly settle: null;
  readonly listen: null;
  readonly collect: WorkerFigures;
  readonly connections: WorkerConnections;
  readonly close: null;
}

export type Question = keyof Questions;

export type ToWorker =
  | { readonly kind: 'begin' }
  | { readonly kind: 'part'; readonly part: ConfigurationPart }
  /** What has come since `begin` is not wanted, nor what was compiled of it; what decided before decides again. */
  | { readonly kind: 'abandon' }
  | { readonly kind: 'frontends'; readonly addresses: readonly FrontendAddress[] }
  | { readonly kind: 'backend'; readonly backend: Backend }
  | { readonly kind: 'accessLog'; readonly mode: AccessLogMode }
  /** Null: that tap has ended. */
  | { readonly kind: 'tap'; readonly id: number; readonly filter: NativeTapFilter | null }
  /** Another worker has reached a limit. */
  | { readonly kind: 'closeSomeIdle' }
  | { readonly kind: 'drain'; readonly timeoutMs: number }
  | { [Kind in Question]: { readonly kind: Kind; readonly ask: number; readonly value: Questions[Kind] } }[Question];

export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'answer'; readonly ask: number; readonly value: unknown }
  | { readonly kind: 'failed'; readonly ask: number; readonly error: string }
  /** Comes before the answer to `collect`, in pieces; and when there is no room for more. */
  | { readonly kind: 'counts'; readonly counts: Counts }
  /** Lines of spans, and how many were dropped. */
  | { readonly kind: 'spans'; readonly lines: string; readonly dropped: number }
  | { readonly kind: 'tapped'; readonly id: number; readonly lines: TapLines }
  | { readonly kind: 'warn'; readonly message: string; readonly fields: LogFields }
  | { readonly kind: 'overload'; readonly overloaded: boolean }
  | { readonly kind: 'paused'; readonly limit: AcceptLimit };

/** Totals and gauges of a worker, but what has been counted of requests. */
export interface WorkerFigures {
  /** Null while it does not listen. */
  readonly acceptor: AcceptorCounters | null;
  readonly engine: HttpEngineCounters;
  readonly http2: Http2Counters;
  readonly upstreams: readonly UpstreamState[];
  readonly memory: MemoryState;
  readonly accessLog: LogCounters;
}

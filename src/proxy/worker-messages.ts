/**
 * The messages between the main thread and an additional worker of the sidecar. All are plain data, and messages of one
 * side arrive in order.
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
  /** Number of all workers, including the main thread, which is number 0. */
  readonly workers: number;
  readonly engine: HttpEngineSettings;
  readonly acceptor: AcceptorSettings;
  /** Null: memory is not watched. */
  readonly memory: MemoryLimit | null;
  readonly accessLog: AccessLogMode;
  /** Fraction of requests that is traced; null: traces are off. */
  readonly traces: number | null;
}

/** A part of a configuration that is being sent. Absent fields contribute nothing. */
export interface ConfigurationPart {
  /** Frontends without their rules, with the id assigned by the main thread. */
  readonly frontends?: readonly (Omit<AttachedFrontend, 'rules'> & { readonly id: number })[];
  /** More rules of a frontend, which is identified by its position in the configuration. */
  readonly rules?: { readonly frontend: number; readonly rules: readonly AttachedRule[] };
  readonly services?: readonly Service[];
  readonly backends?: readonly Backend[];
  /** `seriesKey` of labels, and the id assigned by the main thread. */
  readonly series?: readonly (readonly [key: string, id: number])[];
}

/** Questions, which are answered by kind. */
export interface Questions {
  /**
   * Compiles the parts sent since `begin`. `drop`: backends that no table uses any more and that the worker should
   * free.
   */
  readonly compile: { readonly drop: readonly number[] };
  /** Makes the compiled table the current one. */
  readonly serve: null;
  /** Answered when everything sent before has been done. */
  readonly settle: null;
  readonly listen: readonly ListenAddress[];
  readonly collect: null;
  readonly connections: null;
  /** Answered when everything is closed and the logs are written. */
  readonly close: null;
}

export interface Answers {
  /** `frontendsInUse`: frontends of open connections. */
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
  /** Discards the parts sent since `begin` and the table compiled from them; the previous table decides again. */
  | { readonly kind: 'abandon' }
  | { readonly kind: 'frontends'; readonly addresses: readonly FrontendAddress[] }
  | { readonly kind: 'backend'; readonly backend: Backend }
  | { readonly kind: 'accessLog'; readonly mode: AccessLogMode }
  /** A null filter ends the tap. */
  | { readonly kind: 'tap'; readonly id: number; readonly filter: NativeTapFilter | null }
  /** Sent because another worker has reached a limit. */
  | { readonly kind: 'closeSomeIdle' }
  | { readonly kind: 'drain'; readonly timeoutMs: number }
  | { [Kind in Question]: { readonly kind: Kind; readonly ask: number; readonly value: Questions[Kind] } }[Question];

export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'answer'; readonly ask: number; readonly value: unknown }
  | { readonly kind: 'failed'; readonly ask: number; readonly error: string }
  /** Sent in pieces before the answer to `collect`, and also when the space for counts is full. */
  | { readonly kind: 'counts'; readonly counts: Counts }
  /** Lines of spans, and the number of dropped spans. */
  | { readonly kind: 'spans'; readonly lines: string; readonly dropped: number }
  | { readonly kind: 'tapped'; readonly id: number; readonly lines: TapLines }
  | { readonly kind: 'warn'; readonly message: string; readonly fields: LogFields }
  | { readonly kind: 'overload'; readonly overloaded: boolean }
  | { readonly kind: 'paused'; readonly limit: AcceptLimit };

/** Totals and gauges of a worker, except the counts of requests. */
export interface WorkerFigures {
  /** Null while the worker does not listen. */
  readonly acceptor: AcceptorCounters | null;
  readonly engine: HttpEngineCounters;
  readonly http2: Http2Counters;
  readonly upstreams: readonly UpstreamState[];
  readonly memory: MemoryState;
  readonly accessLog: LogCounters;
}

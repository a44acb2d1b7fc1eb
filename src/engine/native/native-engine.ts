/**
 * The `native` engine, which is the default: HTTP/1.x and HTTP/2 in both directions in the addon, decisions here.
 *
 * Stage before: the acceptor. Stage after: the backend. The addon asks once for each request and reports outcomes in
 * batches. In between, no byte of a request or response enters JavaScript. This file allocates nothing for a request:
 * one head object is filled anew each time, and the decision is written to a shared array.
 */
import type { NativeAccessLog } from '../../addon/access-log.ts';
import type { NativeTracer } from '../../addon/tracer.ts';
import type { EngineHandle } from '../../addon/binding.ts';
import {
  everyState,
  readDownstreamConnections,
  readUpstreamConnections,
  readUpstreams,
  type DownstreamState,
  type UpstreamConnectionState,
  type UpstreamState,
} from '../../addon/engine-state.ts';
import {
  createHttpEngine,
  DECISION,
  DECISION_KIND,
  METHODS,
  OUTCOME_MIRROR,
  OUTCOME_NUMBERS,
  OUTCOME_REFUSED,
  type HttpEngine,
  type HttpEngineCounters,
  type HttpEngineSettings,
  type NativeHeaderEdit,
  type NativeHeaderPlan,
  type NativeMirror,
  type NativePolicy,
} from '../../addon/http-engine.ts';
import { readHttp2Counters, type Http2Counters } from '../../addon/http2-counters.ts';
import type { OuterCarrier, OuterStreams } from '../../addon/outer-streams.ts';
import { MIRROR_RESULTS, REQUEST_REASONS, RETRY_DENIALS, type RequestReason, type RetryDenial } from '../../errors.ts';
import type {
  Backend,
  BackendProtocol,
  Decision,
  FieldEdits,
  FieldLine,
  ForwardPlan,
  ForwardPolicy,
  MirrorTarget,
  RequestHead,
} from '../../routing/decision.ts';
import type { Engine, EngineHost, RoutedConnection } from '../engine.ts';
import { GRPC_STATUSES, type GrpcCode, type GrpcStatus } from '../../grpc-status.ts';
import { nativeReply, REASONS, replyKey } from './native-reply.ts';

const DRAIN_POLL_MS = 20;

export interface NativeEngineOptions extends HttpEngineSettings {
  /** Adopts duplicates and leaves the originals to their owner, for descriptors that Node owns. Default: false. */
  readonly duplicate?: boolean;
  readonly accessLog?: NativeAccessLog | undefined;
  readonly tracer?: NativeTracer | undefined;
}

/** What the native engine offers beyond the contract of an engine. */
export type NativeEngine = Engine & {
  /** For the acceptor, which then passes connections to the engine without a call into JavaScript. */
  readonly handle: EngineHandle;
  /**
   * `names`: in lower case. The first 8 are passed with each request; matching asks for the others. `query`: false when
   * no rule reads the query.
   */
  setInterest(frontend: number, names: readonly string[], query: boolean): void;
  /**
   * Repeatable decisions made so far are no longer valid. `interestStays`: true when only addresses have changed. False
   * for a new table, which must already be in force; the caller then calls `setInterest` for each of its frontends. The
   * addon frees its data of the previous table with the last request decided by it.
   */
  forget(interestStays: boolean): void;
  /** Frees a backend, so that its id may be reused. False: a request to it is in progress, and nothing was done. */
  dropBackend(id: number): boolean;
  /** Callable once: makes the engine also carry requests of connections that belong to another engine. */
  carry(carrier: OuterCarrier): OuterStreams;
  counters(): HttpEngineCounters;
  http2Counters(): Http2Counters;
  /** One entry for each address of each backend that has had a request. */
  upstreams(): UpstreamState[];
  /** At most `max` open connections with an id above `after`, sorted by id. */
  downstreamConnections(after: number, max: number): DownstreamState[];
  upstreamConnections(after: number, max: number): UpstreamConnectionState[];
};

export function createNativeEngine(host: EngineHost, options: NativeEngineOptions = {}): NativeEngine {
  return new NativeHttpEngine(host, options);
}

const MAX_INTEREST = 8;
const NO_NAMES: readonly string[] = [];

/** The request passed to `decide`; valid only until `decide` returns. */
class NativeHead implements RequestHead {
  method = '';
  path = '';
  query = '';
  names: readonly string[] = NO_NAMES;
  /** Values of `names`; entries beyond them are stale. */
  values: (string | null | undefined)[] = [null, null, null, null, null, null, null, null];
  engine: HttpEngine | null = null;

  header(name: string): string | null {
    const { names } = this;
    for (let i = 0; i < names.length; i++) {
      if (names[i] === name) return this.values[i] ?? null;
    }
    return this.engine!.header(name);
  }
}

class NativeHttpEngine implements NativeEngine {
  readonly name = 'native';
  private readonly host: EngineHost;
  private readonly native: HttpEngine;
  private readonly duplicate: boolean;
  private readonly head = new NativeHead();
  private readonly interest: (readonly string[])[] = [];
  /** By frontend: true when only some of its names are told to the addon, which then cannot recognise equal requests. */
  private readonly partial: boolean[] = [];
  /** Addresses and protocol last passed to the addon, by backend id. */
  private readonly known: (readonly string[] | undefined)[] = [];
  private readonly knownProtocols: (BackendProtocol | null | undefined)[] = [];
  private readonly replies = new Map<string, number>();
  private readonly plans: Indices<ForwardPlan>;
  private readonly policies: Indices<ForwardPolicy>;
  private readonly mirrors: Indices<readonly MirrorTarget[]>;
  private readonly outcome = {
    series: 0,
    status: 0,
    reason: null as RequestReason | null,
    durationMs: 0,
    retries: 0,
    retryDenied: null as RetryDenial | null,
    grpcStatus: null as GrpcStatus | null,
  };

  constructor(host: EngineHost, options: NativeEngineOptions) {
    const { duplicate, ...settings } = options;
    this.host = host;
    this.duplicate = duplicate ?? false;
    this.native = createHttpEngine({
      ...settings,
      replies: REASONS.map((reason, index) => {
        const { status, grpc } = REQUEST_REASONS[reason];
        this.replies.set(replyKey(reason, status, grpc), index);
        return { name: reason, ...nativeReply(reason, status, grpc) };
      }),
      decide: (frontend, method, path, query, a, b, c, d, e, f, g, h) => {
        const { head } = this;
        head.method = typeof method === 'number' ? METHODS[method]! : method;
        head.path = path;
        head.query = query;
        head.names = this.interest[frontend] ?? NO_NAMES;
        if (head.names.length > 0) {
          const { values } = head;
          values[0] = a;
          values[1] = b;
          values[2] = c;
          values[3] = d;
          values[4] = e;
          values[5] = f;
          values[6] = g;
          values[7] = h;
        }
        this.write(frontend, this.host.decide(frontend, head));
      },
      onOutcomes: (count) => this.report(count),
    });
    this.head.engine = this.native;
    this.plans = new Indices((plan) => this.native.addPlan(nativePlan(plan)));
    this.policies = new Indices((policy) => this.native.addPolicy(nativePolicy(policy)));
    this.mirrors = new Indices((targets) => this.native.addMirrors(targets.map((target) => this.nativeMirror(target))));
  }

  get handle(): EngineHandle {
    return this.native;
  }

  get connections(): number {
    return this.native.counters().downstreamOpen;
  }

  adopt(connection: RoutedConnection): void {
    const { fd, frontend, address, port, http2 } = connection;
    this.native.adopt(fd, frontend, address, port, this.duplicate, http2 === true);
  }

  setInterest(frontend: number, names: readonly string[], query: boolean): void {
    const first = names.slice(0, MAX_INTEREST);
    this.native.setInterest(frontend, first, query);
    this.interest[frontend] = first;
    this.partial[frontend] = first.length < names.length;
  }

  forget(interestStays: boolean): void {
    this.native.forget(interestStays);
    if (interestStays) return;
    this.plans.clear();
    this.policies.clear();
    this.mirrors.clear();
  }

  dropBackend(id: number): boolean {
    if (!this.native.dropBackend(id)) return false;
    this.known[id] = undefined;
    return true;
  }

  *frontendsInUse(): Iterable<number> {
    const connections = everyState((after, max) => this.downstreamConnections(after, max));
    for (const { frontend } of connections) yield frontend;
  }

  carry(carrier: OuterCarrier): OuterStreams {
    return this.native.carry(carrier);
  }

  counters(): HttpEngineCounters {
    return this.native.counters();
  }

  http2Counters(): Http2Counters {
    return readHttp2Counters(this.native.http2Counters());
  }

  upstreams(): UpstreamState[] {
    return readUpstreams(this.native.upstreams());
  }

  downstreamConnections(after: number, max: number): DownstreamState[] {
    return readDownstreamConnections(this.native.downstreamConnections(after, max));
  }

  upstreamConnections(after: number, max: number): UpstreamConnectionState[] {
    return readUpstreamConnections(this.native.upstreamConnections(after, max));
  }

  async drain(deadlineMs: number): Promise<void> {
    const endMs = performance.now() + deadlineMs;
    this.native.drain();
    while (this.connections > 0 && performance.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
    }
    if (this.connections > 0) this.native.close();
  }

  close(): Promise<void> {
    this.native.close();
    return Promise.resolve();
  }

  /** Hot path. */
  private write(frontend: number, decision: Decision): void {
    const slots = this.native.decision;
    slots[DECISION.series] = decision.series;
    slots[DECISION.plan] = -1;
    slots[DECISION.policy] = -1;
    slots[DECISION.mirrors] = -1;
    slots[DECISION.repeatable] = 0;
    switch (decision.kind) {
      case 'forward': {
        const { backend, plan, policy, mirrors, responseFields } = decision;
        if (plan != null) slots[DECISION.plan] = this.plans.of(plan);
        if (policy != null) slots[DECISION.policy] = this.policies.of(policy);
        if (mirrors != null && mirrors.length > 0) {
          for (const mirror of mirrors) this.tellBackend(mirror.backend);
          slots[DECISION.mirrors] = this.mirrors.of(mirrors);
        }
        if (responseFields != null) this.native.setFields(fieldLines(responseFields));
        this.tellBackend(backend);
        if (decision.repeatable === true && this.partial[frontend] !== true) slots[DECISION.repeatable] = 1;
        slots[DECISION.kind] = DECISION_KIND.forward;
        slots[DECISION.backend] = backend.id;
        break;
      }
      case 'original':
        slots[DECISION.kind] = DECISION_KIND.original;
        break;
      case 'local':
        slots[DECISION.kind] = DECISION_KIND.local;
        slots[DECISION.reply] = this.replyIndex(decision.reason, decision.status, decision.grpc ?? null);
        if (decision.fields != null) this.native.setFields(fieldLines(decision.fields));
        break;
    }
  }

  private tellBackend(backend: Backend): void {
    const { id, addresses } = backend;
    const protocol = backend.protocol ?? null;
    if (this.known[id] === addresses && this.knownProtocols[id] === protocol) return;
    this.native.setBackend(id, addresses, backend.port, protocol ?? '');
    this.known[id] = addresses;
    this.knownProtocols[id] = protocol;
  }

  private nativeMirror({ backend, plan, series }: MirrorTarget): NativeMirror {
    return { backend: backend.id, plan: plan === null ? -1 : this.plans.of(plan), series };
  }

  private replyIndex(reason: RequestReason, status: number, code: GrpcCode | null): number {
    const key = replyKey(reason, status, code);
    let index = this.replies.get(key);
    if (index === undefined) {
      index = this.native.addReply(nativeReply(reason, status, code));
      this.replies.set(key, index);
    }
    return index;
  }

  /** Hot path. */
  private report(count: number): void {
    const { outcome, host } = this;
    const records = this.native.outcomes;
    for (let at = 0; at < count * OUTCOME_NUMBERS; at += OUTCOME_NUMBERS) {
      const series = records[at]!;
      const reason = records[at + 2]!;
      if (series === OUTCOME_MIRROR) {
        host.onMirror?.({ series: records[at + 1]!, result: MIRROR_RESULTS[reason]! });
        continue;
      }
      if (series === OUTCOME_REFUSED) {
        host.onRefused(records[at + 1]!, REASONS[reason]!);
        continue;
      }
      const more = records[at + 4]!;
      outcome.series = series;
      outcome.status = records[at + 1]!;
      outcome.reason = reason < 0 ? null : REASONS[reason]!;
      outcome.durationMs = records[at + 3]!;
      outcome.retries = more & 0xffff;
      outcome.retryDenied = null;
      outcome.grpcStatus = null;
      if (more > 0xffff) {
        const denial = (more >> 16) & 0xf;
        if (denial > 0) outcome.retryDenied = RETRY_DENIALS[denial - 1]!;
        if (more > 0xfffff) outcome.grpcStatus = GRPC_STATUSES[(more >> 20) - 1]!;
      }
      host.onOutcome(outcome);
    }
  }
}

/** The addon's indices of objects in the current route table. An object is added when a request first needs it. */
class Indices<T extends object> {
  private indices = new WeakMap<T, number>();
  private readonly add: (object: T) => number;

  constructor(add: (object: T) => number) {
    this.add = add;
  }

  /** Hot path. */
  of(object: T): number {
    return this.indices.get(object) ?? this.intern(object);
  }

  clear(): void {
    this.indices = new WeakMap();
  }

  private intern(object: T): number {
    const index = this.add(object);
    this.indices.set(object, index);
    return index;
  }
}

function nativeEdits({ remove, append }: FieldEdits): NativeHeaderEdit[] {
  return [
    ...remove.map((name): NativeHeaderEdit => ({ kind: 'remove', name })),
    ...append.map(({ name, value }): NativeHeaderEdit => ({ kind: 'add', name, value })),
  ];
}

function nativePlan({ request, response, host, path }: ForwardPlan): NativeHeaderPlan {
  const edits = { request: nativeEdits(request), response: nativeEdits(response), ...(host === null ? {} : { host }) };
  if (path === null) return edits;
  return path.kind === 'full'
    ? { ...edits, path: path.path, prefixLength: -1 }
    : { ...edits, path: path.replacement, prefixLength: path.length };
}

function nativePolicy({ requestTimeoutMs, attemptTimeoutMs, retry, once }: ForwardPolicy): NativePolicy {
  const { attempts, codes, backoffMs } = retry ?? { attempts: 0, codes: [], backoffMs: 0 };
  return { requestTimeoutMs, attemptTimeoutMs, attempts, codes, backoffMs, once: once === true ? 1 : 0 };
}

function fieldLines(fields: readonly FieldLine[]): string {
  let lines = '';
  for (const { name, value } of fields) lines += `${name}: ${value}\r\n`;
  return lines;
}

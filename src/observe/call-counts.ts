/**
 * Counters of gRPC calls: like those of requests, with the gRPC status in addition.
 *
 * Stage before: `metrics.ts`, which contains it; it uses the slots of the series there. A counter is created when its
 * combination first occurs, so a sidecar without calls has none.
 */
import type { RequestReason } from '../errors.ts';
import { GRPC_STATUSES, type GrpcStatus } from '../grpc-status.ts';

/** Combinations of code, reason and status. Further ones are counted in one combination without names. */
const MAX_RESULTS = 128;

const STATUS_INDEX = new Map<GrpcStatus, number>(GRPC_STATUSES.map((status, index) => [status, index]));

interface CallResult {
  readonly code: string;
  readonly reason: string;
  readonly status: string;
  /** The values behind the names; meaningless for the combination without names. */
  readonly of: readonly [status: number, reason: RequestReason | null, grpcStatus: GrpcStatus];
  /** By slot. */
  readonly counts: Float64Array;
}

export class CallCounts {
  private readonly slots: number;
  private readonly onFull: (() => void) | null;
  private readonly index = new Map<number, CallResult>();
  private results: CallResult[] = [];

  /** `onFull`: see `MetricsOptions`. */
  constructor(slots: number, onFull?: () => void) {
    this.slots = slots;
    this.onFull = onFull ?? null;
  }

  /** `key`: equal for equal code and reason. Hot path of calls. */
  record(slot: number, key: number, code: number, reason: RequestReason | null, status: GrpcStatus, count = 1): void {
    const callKey = key * GRPC_STATUSES.length + STATUS_INDEX.get(status)!;
    const result = this.index.get(callKey) ?? this.add(callKey, code, reason, status);
    result.counts[slot]! += count;
  }

  /** The counts that are not zero. */
  of(slot: number): [status: number, reason: RequestReason | null, grpcStatus: GrpcStatus, count: number][] {
    return this.results.flatMap(({ of, counts }) => {
      return counts[slot] === 0 ? [] : [[...of, counts[slot]!] as [number, RequestReason | null, GrpcStatus, number]];
    });
  }

  /** Visits every count that is not zero. */
  each(slot: number, visit: (code: string, reason: string, status: string, count: number) => void): void {
    for (const { code, reason, status, counts } of this.results) {
      if (counts[slot] !== 0) visit(code, reason, status, counts[slot]!);
    }
  }

  clear(slot: number): void {
    for (const { counts } of this.results) counts[slot] = 0;
  }

  private add(key: number, code: number, reason: RequestReason | null, status: GrpcStatus): CallResult {
    if (this.results.length === MAX_RESULTS - 1 && this.onFull !== null) {
      this.onFull();
      this.results = [];
      this.index.clear();
    }
    let result = this.results[MAX_RESULTS - 1];
    if (result === undefined) {
      const nameless = this.results.length === MAX_RESULTS - 1;
      result = {
        code: nameless ? 'other' : String(code),
        reason: nameless ? 'other' : (reason ?? ''),
        status: nameless ? 'other' : status,
        of: [code, reason, status],
        counts: new Float64Array(this.slots),
      };
      this.results.push(result);
    }
    this.index.set(key, result);
    return result;
  }
}

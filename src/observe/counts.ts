/**
 * The requests that a thread has counted since the last query: plain data, sent to the thread that keeps the sums.
 *
 * Created and added up by `metrics.ts`.
 */
import type { RequestReason } from '../errors.ts';
import type { GrpcStatus } from '../grpc-status.ts';

export interface SeriesCounts {
  readonly series: number;
  readonly durationMs: number;
  readonly retries: number;
  /** By bucket of durations. */
  readonly buckets: readonly number[];
  readonly mirrored: readonly number[];
  readonly results: readonly (readonly [status: number, reason: RequestReason | null, count: number])[];
  /** The gRPC calls among the requests. */
  readonly calls: readonly (readonly [
    status: number,
    reason: RequestReason | null,
    grpcStatus: GrpcStatus,
    count: number,
  ])[];
}

export interface Counts {
  /** The series with counts. */
  readonly series: readonly SeriesCounts[];
  readonly refused: readonly (readonly [reason: RequestReason, count: number])[];
  /** By reason, in the order of `RETRY_DENIALS`. */
  readonly retriesDenied: readonly number[];
}

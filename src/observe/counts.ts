/**
 * What a thread has counted of requests since it was asked last: as plain data, to be sent to the thread that has the sums.
 *
 * Made and added up by `metrics.ts`.
 */
import type { RequestReason } from '../errors.ts';
import type { GrpcStatus } from '../grpc-status.ts';

export interface SeriesCounts {
  readonly series: number;
  readonly durationMs: number;
  readonly retries: number;
  /** By bucket of durations, and by result of mirrors. */
  readonly buckets: readonly number[];
  readonly mirrored: readonly number[];
  readonly results: readonly (readonly [status: number, reason: RequestReason | null, count: number])[];
  /** Calls of gRPC among them. */
  readonly calls: readonly (readonly [
    status: number,
    reason: RequestReason | null,
    grpcStatus: GrpcStatus,
    count: number,
  ])[];
}

export interface Counts {
  /** Those in which something was counted. */
  readonly series: readonly SeriesCounts[];
  readonly refused: readonly (readonly [reason: RequestReason, count: number])[];
  /** By reason, in the order of `RETRY_DENIALS`. */
  readonly retriesDenied: readonly number[];
}

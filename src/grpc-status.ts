/**
 * The status codes of gRPC. Which one a call gets for a reason stands beside the reason, in `errors.ts`.
 */
export const GRPC_CODES = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type GrpcCode = keyof typeof GRPC_CODES;

/** What stands for the code of a response that is complete and has none, or one that gRPC does not know. */
export const MISSING_STATUS = 'missing';
export type GrpcStatus = GrpcCode | typeof MISSING_STATUS;

/** By the numbers that the addon has for them. The same stand in `native/src/http/grpc.h`. */
export const GRPC_STATUSES: readonly GrpcStatus[] = [...(Object.keys(GRPC_CODES) as GrpcCode[]), MISSING_STATUS];

/** Faults of a server, or of what is on the way to it, as statuses of HTTP from 500 on; the others are for the caller. */
export const GRPC_FAULTS: readonly GrpcStatus[] = [
  ...(['UNKNOWN', 'DEADLINE_EXCEEDED', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS'] as const),
  MISSING_STATUS,
];

/** Of a rule that names no backend at all; one whose backends cannot be used is `no_backend`, and UNAVAILABLE. */
export const NO_BACKEND_REFS: GrpcCode = 'UNIMPLEMENTED';

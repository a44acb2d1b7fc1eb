/**
 * The status codes of gRPC. `errors.ts` defines the code for each reason.
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

/** Stands for a missing or unknown code in a complete response. */
export const MISSING_STATUS = 'missing';
export type GrpcStatus = GrpcCode | typeof MISSING_STATUS;

/** In the order of their numbers in the addon, the same as in `native/src/http/grpc.h`. */
export const GRPC_STATUSES: readonly GrpcStatus[] = [...(Object.keys(GRPC_CODES) as GrpcCode[]), MISSING_STATUS];

/**
 * Faults of a server or of the path to it, comparable to HTTP statuses from 500 on. All others are faults of the
 * caller.
 */
export const GRPC_FAULTS: readonly GrpcStatus[] = [
  ...(['UNKNOWN', 'DEADLINE_EXCEEDED', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS'] as const),
  MISSING_STATUS,
];

/** For a rule without any backendRefs. When backends cannot be used, the reason is `no_backend`, with UNAVAILABLE. */
export const NO_BACKEND_REFS: GrpcCode = 'UNIMPLEMENTED';

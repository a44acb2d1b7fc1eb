/** What the addon says of an exchange that was traced: a line of JSON. native/src/log/span_writer.cc writes it; times are nanoseconds since 1970. */
import type { GrpcStatus } from '../grpc-status.ts';

interface RouteNames {
  readonly frontend: string | null;
  readonly route: string | null;
  readonly rule: string | null;
  readonly backend: string | null;
}

export type SpanLineEvent =
  | { readonly kind: 'attempt'; readonly at: string; readonly upstream: string | null }
  /** Why the attempt before it was not the last one: the status of its response, or a reason. */
  | { readonly kind: 'retry'; readonly at: string; readonly code?: number; readonly reason?: string }
  | ({ readonly kind: 'mirror'; readonly at: string } & RouteNames);

export interface SpanLine extends RouteNames {
  readonly trace: string;
  readonly span: string;
  /** Empty: the trace begins here. */
  readonly parent: string;
  readonly state: string;
  readonly start: string;
  readonly end: string;
  /** As the caller sent them. */
  readonly method: string | null;
  readonly path: string | null;
  readonly host: string | null;
  readonly user_agent: string | null;
  readonly request_id: string | null;
  /** 0: HTTP/1.0, 1: HTTP/1.1, 2: HTTP/2. */
  readonly version: number;
  readonly code: number | null;
  readonly grpc_status: GrpcStatus | null;
  readonly reason: string | null;
  readonly fault: string | null;
  readonly retries: number;
  readonly retry_denied: string | null;
  readonly downstream: string | null;
  readonly destination: string | null;
  readonly upstream: string | null;
  /** Absent where the engine does not count them. */
  readonly bytes_received?: number;
  readonly bytes_sent?: number;
  readonly events: readonly SpanLineEvent[];
  readonly events_dropped: number;
}

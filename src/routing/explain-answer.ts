/**
 * Turns a decision into plain values: the request as the backend receives it, the changes to the response, mirrors,
 * timeouts and retries, or the local reply.
 *
 * Stage before: `explain.ts`, with the decision made by `resolveShare` or a responder. Stage after:
 * `format-explanation.ts`, or JSON. Not for the hot path.
 */
import { REQUEST_REASONS } from '../errors.ts';
import type { GrpcCode } from '../grpc-status.ts';
import type { BackendObjectReference } from '../gateway-api/types.ts';
import type {
  Backend,
  BackendProtocol,
  FieldLine,
  ForwardDecision,
  ForwardPlan,
  ForwardPolicy,
  LocalDecision,
  RequestHead,
} from './decision.ts';
import { grpcTimeoutMs, isCallHead } from './grpc-call.ts';
import { editLines, NO_EDITS } from './filters/field-edits.ts';
import type { CompiledMirror } from './filters/request-mirror.ts';
import { rewritePath } from './filters/url-rewrite.ts';

/** The request to explain. It lists all fields, because a head can only be asked for a field by name. */
export interface ExplainableRequest {
  readonly head: RequestHead;
  /** Latin-1 views of bytes, as engines have them. */
  readonly fields: readonly FieldLine[];
}

/** The names used in a request line. */
export const PROTOCOL_NAMES: Readonly<Record<BackendProtocol, string>> = { http1: 'HTTP/1.1', http2: 'HTTP/2' };

/** A request as it is forwarded. Hop-by-hop fields are not considered. */
export interface ExplainedRequest {
  readonly line: string;
  /** `Name: value`; Host first. */
  readonly fields: readonly string[];
}

export interface ExplainedMirror {
  /** `namespace/name:port`. */
  readonly backend: string;
  /** Percentage of the requests of this share, 0 to 100. */
  readonly percent: number;
  /** The request the mirror receives; null when it receives none. */
  readonly request: ExplainedRequest | null;
  /** Why the mirror receives nothing although its share is not 0; otherwise null. */
  readonly dropped: string | null;
}

export interface ExplainedForward {
  readonly kind: 'forward';
  readonly addresses: readonly string[];
  /** The protocol used towards the backend; null: the protocol of the caller. */
  readonly protocol: BackendProtocol | null;
  readonly request: ExplainedRequest;
  /** Names of response fields that are removed, and `Name: value` of those that are added. */
  readonly response: { readonly remove: readonly string[]; readonly append: readonly string[] };
  readonly policy: ForwardPolicy | null;
  /** The timeout that the gRPC call itself asks for (`grpc-timeout`); null: none, or the request is no gRPC call. */
  readonly callTimeoutMs: number | null;
  readonly mirrors: readonly ExplainedMirror[];
}

export interface ExplainedLocal {
  readonly kind: 'local';
  readonly status: number;
  readonly reason: string;
  /** The status for a gRPC call instead; null: none. */
  readonly grpc: GrpcCode | null;
  readonly message: string;
  /** `Name: value` of the fields of this single reply, such as Location. */
  readonly fields: readonly string[];
}

/** `message` defaults to the text of the reason. */
export function explainLocal(
  { status, reason, grpc, fields }: LocalDecision,
  message: string = REQUEST_REASONS[reason].text,
): ExplainedLocal {
  return { kind: 'local', status, reason, grpc: grpc ?? null, message, fields: texts(fields ?? []) };
}

export function explainForward(
  { backend, plan, policy, responseFields }: ForwardDecision,
  mirrors: readonly CompiledMirror[],
  request: ExplainableRequest,
): ExplainedForward {
  const { remove, append } = plan?.response ?? NO_EDITS;
  return {
    kind: 'forward',
    addresses: backend.addresses,
    protocol: backend.protocol ?? null,
    request: explainRequest(plan ?? null, backend, request),
    response: { remove, append: texts([...append, ...(responseFields ?? [])]) },
    policy: policy ?? null,
    callTimeoutMs: isCallHead(request.head) ? grpcTimeoutMs(request.head.header('grpc-timeout')) : null,
    mirrors: mirrors.map((mirror) => explainMirror(mirror, request)),
  };
}

/** `namespace/name:port`, preceded by the kind when the backend is not a Service. */
export function backendName({ group, kind, namespace, name, port }: BackendObjectReference): string {
  const key = `${namespace}/${name}${port === null ? '' : `:${port}`}`;
  return kind === 'Service' && group === '' ? key : `${kind} ${key}`;
}

function explainRequest(
  plan: ForwardPlan | null,
  { protocol }: Backend,
  { head, fields }: ExplainableRequest,
): ExplainedRequest {
  const path = rewritePath(plan?.path ?? null, head.path);
  const query = head.query === '' ? '' : `?${head.query}`;
  const host = plan?.host ?? head.header('host');
  const others = fields.filter(({ name }) => name.toLowerCase() !== 'host');
  const edited = editLines(others, plan?.request ?? NO_EDITS);
  const spoken = protocol ?? (isCallHead(head) ? 'http2' : 'http1');
  return {
    line: fromWire(`${head.method} ${path}${query} ${PROTOCOL_NAMES[spoken]}`),
    fields: texts(host === null ? edited : [{ name: 'Host', value: host }, ...edited]),
  };
}

function explainMirror(mirror: CompiledMirror, request: ExplainableRequest): ExplainedMirror {
  const { ref, numerator, denominator, target, refused } = mirror;
  const unreachable = target === null || target.backend.addresses.length > 0 ? null : 'its address is not known';
  const dropped = refused ?? unreachable;
  return {
    backend: backendName(ref),
    percent: (numerator / denominator) * 100,
    request: target === null || dropped !== null ? null : explainRequest(target.plan, target.backend, request),
    dropped,
  };
}

function texts(fields: readonly FieldLine[]): string[] {
  return fields.map(({ name, value }) => fromWire(`${name}: ${value}`));
}

/** Decodes bytes as UTF-8, the most likely encoding. */
function fromWire(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8');
}

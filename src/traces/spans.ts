/**
 * A span of OpenTelemetry from what the addon says of an exchange, named and labelled as the semantic conventions for HTTP and gRPC have it.
 * docs/tracing.md lists the attributes.
 *
 * Stage before: `exporter.ts`. Stage after: `otlp.ts`. The kind is CLIENT: a sidecar beside the caller sends the request, and the span of the
 * server that gets it is its child.
 */
import { GRPC_CODES, type GrpcStatus } from '../grpc-status.ts';
import type { OtlpSpan } from './otlp.ts';
import type { SpanLine, SpanLineEvent } from './span-line.ts';

/** Of OpenTelemetry's API, whose enumerations are the only thing that it would be loaded for. */
const KIND_CLIENT = 2 as unknown as OtlpSpan['kind'];
const STATUS_UNSET = 0 as unknown as OtlpSpan['status']['code'];
const STATUS_ERROR = 2 as unknown as OtlpSpan['status']['code'];
const SAMPLED = 1;
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']);
const VERSIONS = ['1.0', '1.1', '2'];

type Attributes = OtlpSpan['attributes'];
type HrTime = OtlpSpan['startTime'];

/** What all spans of a sidecar have in common. */
export interface SpanOrigin {
  readonly resource: OtlpSpan['resource'];
  readonly scope: OtlpSpan['instrumentationScope'];
}

export function spanOf(line: SpanLine, { resource, scope }: SpanOrigin): OtlpSpan {
  const { parent, state } = line;
  const error = errorOf(line);
  const startTime = hrTime(line.start);
  return {
    name: nameOf(line),
    kind: KIND_CLIENT,
    spanContext: () => ({
      ...contextOf(line.trace, line.span),
      ...(state === '' ? {} : { traceState: stateOf(state) }),
    }),
    ...(parent === '' ? {} : { parentSpanContext: { ...contextOf(line.trace, parent), isRemote: true } }),
    startTime,
    endTime: hrTime(line.end),
    duration: [0, 0],
    ended: true,
    status: { code: error === null ? STATUS_UNSET : STATUS_ERROR },
    attributes: attributesOf(line, error),
    links: [],
    events: line.events.map((event) => ({
      name: `sideroute.${event.kind}`,
      time: hrTime(event.at),
      attributes: eventAttributes(event),
    })),
    ...{ resource, instrumentationScope: scope },
    ...{ droppedAttributesCount: 0, droppedEventsCount: line.events_dropped, droppedLinksCount: 0 },
  };
}

function contextOf(traceId: string, spanId: string) {
  return { traceId, spanId, traceFlags: SAMPLED };
}

/** The text alone: nothing here looks into it. */
function stateOf(text: string) {
  const state = { get: () => undefined, set: () => state, unset: () => state, serialize: () => text };
  return state;
}

function hrTime(ns: string): HrTime {
  return [Number(ns.slice(0, -9)), Number(ns.slice(-9))];
}

function methodOf({ method }: SpanLine): string {
  return method !== null && METHODS.has(method) ? method : '_OTHER';
}

/** Of few different names: no path, which callers choose. */
function nameOf(line: SpanLine): string {
  const method = methodOf(line);
  return `${method === '_OTHER' ? 'HTTP' : method} ${line.route ?? ''}`.trimEnd();
}

/** `error.type`; null where nothing went wrong. */
function errorOf({ reason, code, grpc_status }: SpanLine): string | null {
  if (reason !== null && (code === null || code >= 400 || isError(grpc_status))) return reason;
  if (isError(grpc_status)) return grpc_status;
  return code !== null && code >= 400 ? String(code) : null;
}

function isError(status: GrpcStatus | null): status is GrpcStatus {
  return status !== null && status !== 'OK';
}

/** `address:port`, an IPv6 address in brackets. */
function splitAddress(text: string): { readonly address: string; readonly port: number } {
  const at = text.lastIndexOf(':');
  return { address: text.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(text.slice(at + 1)) };
}

/** Of an authority, whose port may be missing. */
function hostOf(authority: string): string {
  return authority.replace(/:\d*$/, '').replace(/^\[|\]$/g, '');
}

function attributesOf(line: SpanLine, error: string | null): Attributes {
  const method = methodOf(line);
  const server = line.destination === null ? null : splitAddress(line.destination);
  const peer = line.upstream === null ? null : splitAddress(line.upstream);
  const grpc = line.grpc_status;
  return present({
    'http.request.method': method,
    'http.request.method_original': method === '_OTHER' ? line.method : null,
    'http.response.status_code': line.code,
    'http.request.resend_count': line.retries === 0 ? null : line.retries,
    'url.scheme': 'http',
    'url.path': line.path,
    'server.address': line.host === null ? server?.address : hostOf(line.host),
    'server.port': server?.port,
    'network.protocol.name': 'http',
    'network.protocol.version': VERSIONS[line.version],
    'network.peer.address': peer?.address,
    'network.peer.port': peer?.port,
    'user_agent.original': line.user_agent,
    'error.type': error,
    'rpc.system': grpc === null ? null : 'grpc',
    'rpc.grpc.status_code': grpc === null || grpc === 'missing' ? null : GRPC_CODES[grpc],
    'sideroute.frontend': line.frontend,
    ...routeAttributes(line),
    'sideroute.reason': line.reason,
    'sideroute.fault': line.fault,
    'sideroute.retry_denied': line.retry_denied,
    'sideroute.request_id': line.request_id,
    'sideroute.bytes_received': line.bytes_received,
    'sideroute.bytes_sent': line.bytes_sent,
  });
}

function routeAttributes({ route, rule, backend }: Pick<SpanLine, 'route' | 'rule' | 'backend'>) {
  return { 'sideroute.route': route, 'sideroute.rule': rule, 'sideroute.backend': backend };
}

function eventAttributes(event: SpanLineEvent): Attributes {
  switch (event.kind) {
    case 'attempt': {
      const peer = event.upstream === null ? null : splitAddress(event.upstream);
      return present({ 'network.peer.address': peer?.address, 'network.peer.port': peer?.port });
    }
    case 'retry':
      return present({ 'http.response.status_code': event.code, 'sideroute.reason': event.reason });
    case 'mirror':
      return present(routeAttributes(event));
  }
}

function present(attributes: Readonly<Record<string, string | number | null | undefined>>): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value != null)) as Attributes;
}

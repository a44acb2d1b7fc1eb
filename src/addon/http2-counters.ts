/**
 * The HTTP/2 counters of the native engine, for each side.
 *
 * Stage before: native/src/http/http2_counters.h, which defines the order of the numbers. Stage after: the metrics.
 */

/** The names of RFC 9113 section 7 in the order of their numbers; `unknown` for any other number. */
export const HTTP2_CODES = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
  'unknown',
] as const;
export type Http2Code = (typeof HTTP2_CODES)[number];

/** What a peer did too often; docs/runbook.md describes each. In the order of `Flood`. */
export const HTTP2_FLOODS = [
  'resets',
  'stream_errors',
  'streams',
  'header_block',
  'header_bomb',
  'stray_headers',
  'settings',
  'ping',
  'priority',
  'goaway',
  'empty_data',
  'window_update',
  'unknown_frames',
  'backlog',
] as const;
export type Http2Flood = (typeof HTTP2_FLOODS)[number];

export const HTTP2_SIDES = ['downstream', 'upstream'] as const;
export type Http2Side = (typeof HTTP2_SIDES)[number];

/** Totals since start, except those named `...Open`. */
export interface Http2SideCounters {
  readonly connections: number;
  readonly connectionsOpen: number;
  readonly streams: number;
  readonly streamsOpen: number;
  /** Connections closed because their peer did not answer a PING. */
  readonly unansweredPings: number;
  readonly resetsSent: Readonly<Record<Http2Code, number>>;
  readonly resetsReceived: Readonly<Record<Http2Code, number>>;
  readonly goawaysSent: Readonly<Record<Http2Code, number>>;
  readonly goawaysReceived: Readonly<Record<Http2Code, number>>;
  readonly floods: Readonly<Record<Http2Flood, number>>;
}
export type Http2Counters = Readonly<Record<Http2Side, Http2SideCounters>>;

export function readHttp2Counters(numbers: Float64Array): Http2Counters {
  let at = 0;
  const next = (): number => numbers[at++]!;
  const named = <Name extends string>(names: readonly Name[]): Record<Name, number> =>
    Object.fromEntries(names.map((name) => [name, next()])) as Record<Name, number>;
  const side = (): Http2SideCounters => ({
    connections: next(),
    connectionsOpen: next(),
    streams: next(),
    streamsOpen: next(),
    unansweredPings: next(),
    resetsSent: named(HTTP2_CODES),
    resetsReceived: named(HTTP2_CODES),
    goawaysSent: named(HTTP2_CODES),
    goawaysReceived: named(HTTP2_CODES),
    floods: named(HTTP2_FLOODS),
  });
  return { downstream: side(), upstream: side() };
}

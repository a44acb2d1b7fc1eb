/** Kinds of requests that the traffic client can make, and the records of their results. */

export const STYLES = [
  /** On a connection that has carried requests before, if there is one. */
  'kept',
  /** On a connection of its own, which is asked to end with the response. */
  'fresh',
  'http10',
  /** Two requests in one piece. */
  'pipelined',
  /** The client ends its half behind the request and reads on. */
  'half-close',
  /** The client gives up after a while, with a reset or in order. */
  'abort',
  'slow-read',
  'slow-send',
  /** The body waits for 100. */
  'expect',
  /** Upgraded, then bytes both ways. */
  'upgrade',
  /** The same with CONNECT. */
  'connect',
  /** No HTTP: a server that greets and echoes. */
  'plain',
  /** Messages both ways, one a second each, from `hold` to `stop`. */
  'long',
] as const;

/** Styles for HTTP/2; `kept` and others: on a connection that carries other requests at the same time. */
export type Http2Style = 'kept' | 'fresh' | 'abort' | 'slow-read' | 'slow-send' | 'long';

export type Style = (typeof STYLES)[number];

export interface Kind {
  /** The ids of its requests begin with it. */
  readonly name: string;
  readonly style: Style;
  /** That the client speaks; of the styles only those of `Http2Style`. */
  readonly version: 'http1' | 'http2';
  /** A call of gRPC, as far as a proxy sees it: a POST, whose response has to end with trailers. */
  readonly call: boolean;
  /** `grpc-timeout` of a call; empty: none. */
  readonly deadline: string;
  readonly method: string;
  /** `address:port`, an IPv6 address in brackets. */
  readonly target: string;
  readonly path: string;
  readonly host: string;
  /** `x-plan` of fault-backend. */
  readonly plan: string;
  /** Size of the request's body. */
  readonly bodyBytes: number;
  readonly chunked: boolean;
  /** Between the pieces of a slow body. */
  readonly pauseMs: number;
}

export function kind(name: string, fields: Partial<Kind> = {}): Kind {
  return {
    name,
    style: 'kept',
    version: 'http1',
    call: false,
    deadline: '',
    method: 'GET',
    target: '10.96.0.10:80',
    path: '/',
    host: 'web',
    plan: '',
    bodyBytes: 0,
    chunked: false,
    pauseMs: 40,
    ...fields,
  };
}

/**
 * What the client saw:
 *
 * - `answered`: a complete response, to this request, with the body that belongs to it.
 * - `refused`: a complete response that sideroute made itself.
 * - `truncated`: a response that visibly ended before it was complete.
 * - `none`: the connection ended without a byte of a response.
 * - `untaken`: it ended behind an earlier response, without a byte of this one, or the stream was refused: if nobody has executed the
 *   request, it may be sent again.
 * - `unconnected`: there was no connection.
 * - `silent`: nothing complete within the time that the client waits.
 * - `corrupt`: a response of another request, or bytes that are not those of its body.
 * - `left`: the client gave up, as its kind does.
 */
export type ClientOutcome =
  'answered' | 'refused' | 'truncated' | 'none' | 'untaken' | 'unconnected' | 'silent' | 'corrupt' | 'left';

/** One line of the client, as JSON. */
export interface ClientRecord {
  readonly id: string;
  readonly sentMs: number;
  readonly endedMs: number;
  readonly outcome: ClientOutcome;
  /** 0: no response head. */
  readonly code: number;
  readonly reason: string | null;
  /** That it names; null when it names none. */
  readonly backend: string | null;
  readonly generation: number | null;
  /** What was wrong, in a few words. */
  readonly detail: string | null;
}

/** A command line for the client. */
export type ClientCommand =
  | { readonly do: 'mix'; readonly perSecond: number; readonly kinds: readonly (Kind & { readonly weight: number })[] }
  /**
   * `count` requests of the kind over this many connections, one at a time on each. Ends with a line `{"batch": name}`.
   */
  | { readonly do: 'batch'; readonly kind: Kind; readonly count: number; readonly connections: number }
  /**
   * So many connections to `target` that say nothing, or nothing more after a request for `path`, are open from now on. A line
   * `{"crowded": connections}` when they stand and the others are closed.
   */
  | { readonly do: 'crowd'; readonly target: string; readonly connections: number; readonly path?: string }
  /** So many requests of the kind, of style `long`, are under way until `stop`; one that ends before is followed by another. */
  | { readonly do: 'hold'; readonly kind: Kind; readonly count: number }
  /** Kinds with this target name another address from now on. */
  | { readonly do: 'move'; readonly from: string; readonly to: string }
  /** Idle connections are closed. */
  | { readonly do: 'leave' }
  /** No new requests, and the long ones come to their end; a line `{"stopped": skipped}` when all have ended. */
  | { readonly do: 'stop' };

export function kindOf(id: string): string {
  return id.slice(0, id.lastIndexOf('.'));
}

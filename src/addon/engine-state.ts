/**
 * The current state of the addon, decoded from the flat records in which it describes connections and upstreams.
 *
 * Stage before: `binding.ts` and `engine/native/native-engine.ts`. Stage after: the private endpoint. A record consists
 * of numbers and text fields. native/src/engine/engine_state.cc and the `Describe` methods write them in the order in
 * which they are read here.
 */
import { CONNECTION_REASONS, type ConnectionReason } from '../errors.ts';

/** Each text field ends with a line feed. */
export interface StateRecords {
  readonly numbers: Float64Array;
  readonly text: string;
}

/**
 * One address of a backend. Totals count since the start, for the address, even if it was removed from the backend for
 * a while.
 */
export interface UpstreamState {
  /** `Backend.id`, or `ORIGINAL`: an original destination, for requests without a route. */
  readonly backend: number;
  readonly address: string;
  readonly port: number;
  /** Connections that carry a request now. */
  readonly active: number;
  readonly idle: number;
  readonly connecting: number;
  /**
   * Requests that wait for a connection to any address of the backend. Reported with its first address; 0 for the
   * others.
   */
  readonly queued: number;
  readonly connects: number;
  /** Refused or timed out. */
  readonly connectFailures: number;
  /** Includes retries and mirrored copies. */
  readonly requests: number;
}

export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

/** Common data of all connections. Byte counts come from the kernel; null where it has none. */
interface ConnectionState {
  /** Grows with time; never reused for the same kind of connection. */
  readonly id: number;
  readonly ageMs: number;
  /** Payload received from the peer and sent to it. */
  readonly bytesReceived: number | null;
  readonly bytesSent: number | null;
}

/** From an application. */
interface AcceptedState extends ConnectionState {
  /** Null when the peer has just left. */
  readonly peer: SocketAddress | null;
  readonly original: SocketAddress;
}

/** A connection to an HTTP frontend whose protocol is still unknown. */
export interface DetectionState extends AcceptedState {
  readonly frontend: number;
}

export interface TunnelState extends AcceptedState {
  readonly reason: ConnectionReason;
  /** True while the original destination has not accepted yet. */
  readonly dialling: boolean;
}

/** HTTP versions; `BackendProtocol` in routing/decision.ts has the same. */
export const CONNECTION_PROTOCOLS = ['http1', 'http2'] as const;
export const DOWNSTREAM_STATES = ['idle', 'reading_head', 'request', 'tunnel', 'draining'] as const;
export const UPSTREAM_STATES = ['active', 'idle', 'connecting'] as const;
/**
 * What a request waits for, besides its peers: a connect, room in the pool, the next try, `100 Continue`, or the rest
 * of its own body.
 */
export const REQUEST_WAITS = [null, 'connect', 'queue', 'retry', 'continue', 'discard'] as const;

export const ORIGINAL = -1;
const NO_BACKEND = -2;

export interface RequestState {
  /** Latin-1 views of the first 24 bytes of the method and 128 bytes of the path. */
  readonly method: string;
  readonly path: string;
  /** Null for a local reply. */
  readonly backend: number | null;
  /** The connection that carries it; null when there is none. */
  readonly upstream: SocketAddress | null;
  readonly durationMs: number;
  readonly retries: number;
  readonly waiting: (typeof REQUEST_WAITS)[number];
}

/** A connection that the native engine serves. */
export interface DownstreamState extends AcceptedState {
  readonly frontend: number;
  readonly state: (typeof DOWNSTREAM_STATES)[number];
  /** Time since the last request or since the connection began; null during a request. */
  readonly idleMs: number | null;
  /** Completed requests. */
  readonly served: number;
  readonly protocol: (typeof CONNECTION_PROTOCOLS)[number];
  /** Requests in progress; at most one with HTTP/1. */
  readonly open: number;
  /** The oldest 16 requests in progress. */
  readonly requests: readonly RequestState[];
}

export interface UpstreamConnectionState extends ConnectionState {
  readonly backend: number;
  readonly address: string;
  readonly port: number;
  readonly state: (typeof UPSTREAM_STATES)[number];
  readonly idleMs: number | null;
  /** Requests begun. */
  readonly requests: number;
  readonly protocol: (typeof CONNECTION_PROTOCOLS)[number];
  /** Requests in progress; at most one with HTTP/1. */
  readonly open: number;
}

class RecordReader {
  readonly #numbers: Float64Array;
  readonly #texts: readonly string[];
  #at = 0;
  #textAt = 0;

  constructor({ numbers, text }: StateRecords) {
    this.#numbers = numbers;
    this.#texts = text.split('\n');
  }

  get more(): boolean {
    return this.#at < this.#numbers.length;
  }

  number(): number {
    return this.#numbers[this.#at++]!;
  }

  text(): string {
    return this.#texts[this.#textAt++]!;
  }

  known(): number | null {
    const number = this.number();
    return number < 0 ? null : number;
  }

  address(): SocketAddress {
    return { address: this.text(), port: this.number() };
  }

  knownAddress(): SocketAddress | null {
    const address = this.address();
    return address.address === '' ? null : address;
  }
}

function readAll<T>(records: StateRecords, readOne: (reader: RecordReader) => T): T[] {
  const reader = new RecordReader(records);
  const all: T[] = [];
  while (reader.more) all.push(readOne(reader));
  return all;
}

/** The order of the members is the order in which the fields are read. */
export function readUpstreams(records: StateRecords): UpstreamState[] {
  return readAll(records, (reader) => ({
    backend: reader.number(),
    ...reader.address(),
    active: reader.number(),
    idle: reader.number(),
    connecting: reader.number(),
    queued: reader.number(),
    connects: reader.number(),
    connectFailures: reader.number(),
    requests: reader.number(),
  }));
}

/** The addon describes at most this many connections in one call. */
const STATES_AT_ONCE = 10_000;

/** Yields all connections. `part`: at most `max` with an id above `after`, sorted by id. */
export function* everyState<T extends { readonly id: number }>(
  part: (after: number, max: number) => readonly T[],
): Generator<T> {
  let after = 0;
  for (;;) {
    const states = part(after, STATES_AT_ONCE);
    yield* states;
    if (states.length < STATES_AT_ONCE) return;
    after = states.at(-1)!.id;
  }
}

export function readDetections(records: StateRecords): DetectionState[] {
  return readAll(records, (reader) => ({
    id: reader.number(),
    ageMs: reader.number(),
    frontend: reader.number(),
    original: reader.address(),
    ...readSocket(reader),
  }));
}

export function readTunnels(records: StateRecords): TunnelState[] {
  return readAll(records, (reader) => ({
    id: reader.number(),
    ageMs: reader.number(),
    reason: CONNECTION_REASONS[reader.number()]!,
    dialling: reader.number() === 1,
    original: reader.address(),
    ...readSocket(reader),
  }));
}

export function readDownstreamConnections(records: StateRecords): DownstreamState[] {
  return readAll(records, (reader) => ({
    id: reader.number(),
    frontend: reader.number(),
    state: DOWNSTREAM_STATES[reader.number()]!,
    ageMs: reader.number(),
    idleMs: reader.known(),
    served: reader.number(),
    original: reader.address(),
    ...readSocket(reader),
    protocol: CONNECTION_PROTOCOLS[reader.number()]!,
    open: reader.number(),
    requests: Array.from({ length: reader.number() }, () => readRequest(reader)),
  }));
}

export function readUpstreamConnections(records: StateRecords): UpstreamConnectionState[] {
  return readAll(records, (reader) => {
    const state = {
      id: reader.number(),
      backend: reader.number(),
      state: UPSTREAM_STATES[reader.number()]!,
      ageMs: reader.number(),
      idleMs: reader.known(),
      requests: reader.number(),
      ...reader.address(),
    };
    // Its peer equals the address.
    const { bytesReceived, bytesSent } = readSocket(reader);
    const protocol = CONNECTION_PROTOCOLS[reader.number()]!;
    return { ...state, bytesReceived, bytesSent, protocol, open: reader.number() };
  });
}

function readSocket(reader: RecordReader) {
  return { peer: reader.knownAddress(), bytesReceived: reader.known(), bytesSent: reader.known() };
}

function readRequest(reader: RecordReader): RequestState {
  const backend = reader.number();
  const durationMs = reader.number();
  const retries = reader.number();
  const waiting = REQUEST_WAITS[reader.number()]!;
  const excerpt = reader.text();
  const upstream = reader.knownAddress();
  const space = excerpt.indexOf(' ');
  return {
    method: excerpt.slice(0, space),
    path: excerpt.slice(space + 1),
    backend: backend === NO_BACKEND ? null : backend,
    ...{ upstream, durationMs, retries, waiting },
  };
}

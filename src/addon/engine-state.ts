/**
 * What the addon is doing right now, read out of the flat records in which it tells of connections and upstreams.
 *
 * Stage before: `binding.ts` and `engine/native/native-engine.ts`. Stage after: the private endpoint. A record is some numbers and some
 * text fields; native/src/engine/engine_state.cc and the `Describe` methods write them, in the order in which they are read here.
 */
import { CONNECTION_REASONS, type ConnectionReason } from '../errors.ts';

/** Text fields are each ended by a line feed. */
export interface StateRecords {
  readonly numbers: Float64Array;
  readonly text: string;
}

/** One address of a backend. Totals are since start, of the address, even when it was none of the backend for a while. */
export interface UpstreamState {
  /** `Backend.id`; `ORIGINAL`: an original destination, for requests that no route decides. */
  readonly backend: number;
  readonly address: string;
  readonly port: number;
  /** Connections that carry a request now. */
  readonly active: number;
  readonly idle: number;
  readonly connecting: number;
  /** Requests that wait for a connection to the backend, whichever its address: given with its first one, 0 with others. */
  readonly queued: number;
  readonly connects: number;
  /** Refused or timed out. */
  readonly connectFailures: number;
  /** Further attempts and mirrored copies included. */
  readonly requests: number;
}

export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

/** What is known of every connection. Counts of bytes are the kernel's; null where it has none. */
interface ConnectionState {
  /** Rises with time, never used again, of its kind. */
  readonly id: number;
  readonly ageMs: number;
  /** Payload that its peer has sent, and has been sent. */
  readonly bytesReceived: number | null;
  readonly bytesSent: number | null;
}

/** From an application. */
interface AcceptedState extends ConnectionState {
  /** Null when it has just left. */
  readonly peer: SocketAddress | null;
  readonly original: SocketAddress;
}

/** A connection to an HTTP frontend of which it is not known yet what it carries. */
export interface DetectionState extends AcceptedState {
  readonly frontend: number;
}

export interface TunnelState extends AcceptedState {
  readonly reason: ConnectionReason;
  /** The original destination has not accepted yet. */
  readonly dialling: boolean;
}

/** Of HTTP, as `BackendProtocol` of routing/decision.ts has it, too. */
export const CONNECTION_PROTOCOLS = ['http1', 'http2'] as const;
export const DOWNSTREAM_STATES = ['idle', 'reading_head', 'request', 'tunnel', 'draining'] as const;
export const UPSTREAM_STATES = ['active', 'idle', 'connecting'] as const;
/** What a request waits for beside its peers: a connect, room in the pool, the next try, `100 Continue`, or its own body. */
export const REQUEST_WAITS = [null, 'connect', 'queue', 'retry', 'continue', 'discard'] as const;

export const ORIGINAL = -1;
const NO_BACKEND = -2;

export interface RequestState {
  /** Latin-1 views of the first 24 and 128 bytes. */
  readonly method: string;
  readonly path: string;
  /** Null: answered here. */
  readonly backend: number | null;
  /** The connection that carries it, if there is one. */
  readonly upstream: SocketAddress | null;
  readonly durationMs: number;
  readonly retries: number;
  readonly waiting: (typeof REQUEST_WAITS)[number];
}

/** A connection that the native engine serves. */
export interface DownstreamState extends AcceptedState {
  readonly frontend: number;
  readonly state: (typeof DOWNSTREAM_STATES)[number];
  /** Since the last request, or the beginning; null in the middle of one. */
  readonly idleMs: number | null;
  /** Requests that are over. */
  readonly served: number;
  readonly protocol: (typeof CONNECTION_PROTOCOLS)[number];
  /** Now in progress: one at most of HTTP/1. */
  readonly open: number;
  /** The oldest 16 of these. */
  readonly requests: readonly RequestState[];
}

export interface UpstreamConnectionState extends ConnectionState {
  readonly backend: number;
  readonly address: string;
  readonly port: number;
  readonly state: (typeof UPSTREAM_STATES)[number];
  readonly idleMs: number | null;
  /** Begun ones. */
  readonly requests: number;
  readonly protocol: (typeof CONNECTION_PROTOCOLS)[number];
  /** Now in progress: one at most of HTTP/1. */
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

/** Members are read in the order in which they are written here. */
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

/** The addon describes at most so many connections in one call. */
const STATES_AT_ONCE = 10_000;

/** All there are. `part`: at most `max` whose id is above `after`, by id. */
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
    // Its peer is the address, as long as it stands.
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

/**
 * `/connections`: all connections of the sidecar and their state.
 *
 * Stage before: the composition root, which asks the addon for a limited number at a time. Stage after:
 * `private-admin.ts`. Traffic leaves no records for this: ages and byte counts are computed on request, the latter by
 * the kernel. The answer is built in turns with the traffic, so it does not show a single moment. Connections opened in
 * the meantime are left out.
 */
import type { Acceptor } from '../addon/binding.ts';
import {
  DOWNSTREAM_STATES,
  ORIGINAL,
  readDetections,
  readTunnels,
  UPSTREAM_STATES,
  type DetectionState,
  type DownstreamState,
  type RequestState,
  type SocketAddress,
  type TunnelState,
  type UpstreamConnectionState,
} from '../addon/engine-state.ts';
import type { NativeEngine } from '../engine/native/native-engine.ts';
import { unexpected } from '../errors.ts';
import { inSlices, listText } from './json-stream.ts';
import { named, oneOf, QueryParameters } from './query.ts';

/** At most `max` with an id above `after`, sorted by id. */
export type StatesAfter<T> = (after: number, max: number) => readonly T[];

export interface ConnectionView {
  readonly detections: StatesAfter<DetectionState>;
  readonly downstream: StatesAfter<DownstreamState>;
  readonly tunnels: StatesAfter<TunnelState>;
  readonly upstream: StatesAfter<UpstreamConnectionState>;
  /** Connections of other threads, by worker number, at the time of the call. */
  readonly workers?: () => Promise<readonly (readonly [worker: number, connections: WorkerConnections])[]>;
  /** Number of downstream connections of an engine that does not list them one by one. */
  readonly unlisted: number;
  /** Keys in use now or recently, by id. */
  readonly frontends: readonly (string | null)[];
  readonly backends: readonly (string | null)[];
}

/** All connections of another thread, sorted by id. */
export interface WorkerConnections {
  readonly detections: readonly DetectionState[];
  readonly downstream: readonly DownstreamState[];
  readonly tunnels: readonly TunnelState[];
  readonly upstream: readonly UpstreamConnectionState[];
}

/** Copies keys and counts. The connections themselves are read when they are shown. */
export function connectionView(
  acceptor: Acceptor,
  engine: Pick<NativeEngine, 'downstreamConnections' | 'upstreamConnections'>,
  others: Pick<ConnectionView, 'unlisted' | 'frontends' | 'backends' | 'workers'>,
): ConnectionView {
  return {
    detections: (after, max) => readDetections(acceptor.detections(after, max)),
    tunnels: (after, max) => readTunnels(acceptor.tunnels(after, max)),
    downstream: (after, max) => engine.downstreamConnections(after, max),
    upstream: (after, max) => engine.upstreamConnections(after, max),
    ...others,
  };
}

/** With a filter, connections without frontend or backend are left out. */
export interface ConnectionFilter {
  readonly frontend: string | null;
  readonly backend: string | null;
  readonly state: State | null;
  /** Maximum number of entries in each list. */
  readonly limit: number;
}

const STATES = [...new Set([...DOWNSTREAM_STATES, 'detecting', 'dialling', ...UPSTREAM_STATES] as const)];
type State = (typeof STATES)[number];

/** Number of connections in one request to the addon: less than a millisecond of work. */
const PART = 100;
const ORIGINAL_KEY = 'original';
const PROTOCOL_NAMES = { http1: 'HTTP/1', http2: 'HTTP/2' } as const;

type AnyState = DetectionState | DownstreamState | TunnelState | UpstreamConnectionState;

interface Row {
  readonly state: State;
  readonly ageMs: number;
  readonly frontend: string | null;
  readonly backends: readonly (string | null)[];
  readonly shown: object;
}

/** @throws ProxyError `invalid-setting` naming the parameter */
export function connectionFilter(query: string, { frontends, backends }: ConnectionView): ConnectionFilter {
  const parameters = new QueryParameters(query, ['frontend', 'backend', 'state', 'limit']);
  const key = (known: readonly (string | null)[]) => (text: string) => {
    if (known.includes(text)) return text;
    throw unexpected(text, 'the key of one that has been in use, NAMESPACE/NAME:PORT; /config lists them');
  };
  const limit = parameters.one('limit', (text) => (/^\d{1,7}$/.test(text) ? Number(text) : Number.NaN));
  if (Number.isNaN(limit) || limit === 0) throw named('limit', 'expected an integer from 1 to 9999999');
  return {
    frontend: parameters.one('frontend', key(frontends)),
    backend: parameters.one('backend', key([...backends, ORIGINAL_KEY])),
    state: parameters.one('state', oneOf(STATES)),
    limit: limit ?? Infinity,
  };
}

/** Pieces of one JSON object, one connection on each line. */
export async function* connectionDump(view: ConnectionView, filter: ConnectionFilter): AsyncGenerator<string> {
  const workers = (await view.workers?.()) ?? [];
  yield* inSlices(dump(view, filter, workers));
}

function* dump(
  view: ConnectionView,
  filter: ConnectionFilter,
  workers: readonly (readonly [number, WorkerConnections])[],
): Generator<string> {
  const startedMs = performance.now();
  const all = [
    { ...view, keys: new Keys(view, ''), sinceMs: startedMs },
    ...workers.map(([worker, states]) => ({
      detections: statesAfter(states.detections),
      downstream: statesAfter(states.downstream),
      tunnels: statesAfter(states.tunnels),
      upstream: statesAfter(states.upstream),
      keys: new Keys(view, `${worker}.`),
      // Their states were read earlier, so their ages do not grow while the list is built.
      sinceMs: Infinity,
    })),
  ];
  const truncated: string[] = [];
  const list = (name: string, parts: readonly Iterable<Row | null>[]) =>
    listText(select(parts, filter, () => truncated.push(name)));
  yield `{"unlisted":${view.unlisted},\n"downstream":`;
  yield* list(
    'downstream',
    all.flatMap(({ detections, downstream, keys, sinceMs }) => [
      rowsSince(sinceMs, detections, (state) => keys.detection(state)),
      rowsSince(sinceMs, downstream, (state) => keys.downstream(state)),
    ]),
  );
  yield ',\n"tunnels":';
  yield* list(
    'tunnels',
    all.map(({ tunnels, keys, sinceMs }) => rowsSince(sinceMs, tunnels, (state) => keys.tunnel(state))),
  );
  yield ',\n"upstream":';
  yield* list(
    'upstream',
    all.map(({ upstream, keys, sinceMs }) => rowsSince(sinceMs, upstream, (state) => keys.upstream(state))),
  );
  yield `,\n"truncated":${JSON.stringify(truncated)}}\n`;
}

/** For a list sorted by id. */
function statesAfter<T extends { readonly id: number }>(states: readonly T[]): StatesAfter<T> {
  let at = 0;
  return (after, max) => {
    while (at < states.length && states[at]!.id <= after) at++;
    return states.slice(at, at + max);
  };
}

/**
 * Yields null as an opportunity to pause. Ends at the first connection that began after `sinceMs`, because they are
 * listed in that order.
 */
function* rowsSince<T extends AnyState>(
  sinceMs: number,
  part: StatesAfter<T>,
  row: (state: T) => Row,
): Generator<Row | null> {
  for (let after = 0; ;) {
    const states = part(after, PART);
    // The addon reports whole milliseconds.
    const oldest = performance.now() - sinceMs - 1;
    for (const state of states) {
      if (state.ageMs < oldest) return;
      yield row(state);
    }
    if (states.length < PART) return;
    after = states.at(-1)!.id;
    yield null;
  }
}

function* select(
  all: readonly Iterable<Row | null>[],
  filter: ConnectionFilter,
  onTruncated: () => void,
): Generator<object | null> {
  let left = filter.limit;
  for (const rows of all) {
    for (const row of rows) {
      if (row !== null && !matches(row, filter)) continue;
      if (row !== null && left-- === 0) {
        onTruncated();
        return;
      }
      yield row?.shown ?? null;
    }
  }
}

function matches(row: Row, { frontend, backend, state }: ConnectionFilter): boolean {
  return (
    (state === null || row.state === state) &&
    (frontend === null || row.frontend === frontend) &&
    (backend === null || row.backends.includes(backend))
  );
}

/** Translates the numbers of the addon into words. */
class Keys {
  readonly #view: ConnectionView;
  /** Distinguishes connections of different threads, because each thread has its own numbering. */
  readonly #prefix: string;

  constructor(view: ConnectionView, prefix: string) {
    this.#view = view;
    this.#prefix = prefix;
  }

  detection({ id, peer, original, frontend: frontendId, ageMs, bytesReceived, bytesSent }: DetectionState): Row {
    const frontend = this.#frontend(frontendId);
    const state = 'detecting';
    const shown = {
      ...{ id: `detecting-${this.#prefix}${id}`, state, peer: text(peer), original: text(original), frontend, ageMs },
      ...{ idleMs: null, served: 0, bytesReceived, bytesSent, protocol: null, open: 0, request: null, requests: [] },
    };
    return { state, ageMs, frontend, backends: [], shown };
  }

  downstream({ id, state, peer, original, frontend: frontendId, ageMs, protocol, ...rest }: DownstreamState): Row {
    const frontend = this.#frontend(frontendId);
    const { idleMs, served, bytesReceived, bytesSent, open } = rest;
    const requests = rest.requests.map((request) => this.#request(request));
    const shown = {
      ...{ id: `downstream-${this.#prefix}${id}`, state, peer: text(peer), original: text(original), frontend, ageMs },
      ...{ idleMs, served, bytesReceived, bytesSent, protocol: PROTOCOL_NAMES[protocol], open },
      ...{ request: requests[0] ?? null, requests },
    };
    return { state, ageMs, frontend, backends: requests.map(({ backend }) => backend), shown };
  }

  tunnel({ id, peer, original, reason, dialling, ...rest }: TunnelState): Row {
    const { ageMs, bytesReceived, bytesSent } = rest;
    const state = dialling ? 'dialling' : 'tunnel';
    const shown = {
      ...{ id: `tunnel-${this.#prefix}${id}`, state, peer: text(peer), original: text(original), reason, ageMs },
      ...{ bytesReceived, bytesSent },
    };
    return { state, ageMs, frontend: null, backends: [], shown };
  }

  upstream({ id, state, backend: backendId, address, port, ageMs, ...rest }: UpstreamConnectionState): Row {
    const backend = this.#backend(backendId);
    const { idleMs, requests, bytesReceived, bytesSent, protocol, open } = rest;
    const shown = {
      ...{ id: `upstream-${this.#prefix}${id}`, state, backend, address: text({ address, port }), ageMs },
      ...{ idleMs, requests, bytesReceived, bytesSent, protocol: PROTOCOL_NAMES[protocol], open },
    };
    return { state, ageMs, frontend: null, backends: [backend], shown };
  }

  #request({ method, path, backend, upstream, durationMs, retries, waiting }: RequestState) {
    return {
      ...{ method, path, backend: backend === null ? null : this.#backend(backend), upstream: text(upstream) },
      ...{ durationMs: Math.round(durationMs), retries, waiting },
    };
  }

  #frontend(id: number): string | null {
    return this.#view.frontends[id] ?? null;
  }

  #backend(id: number): string | null {
    return id === ORIGINAL ? ORIGINAL_KEY : (this.#view.backends[id] ?? null);
  }
}

function text(address: SocketAddress | null): string | null {
  if (address === null) return null;
  return address.address.includes(':') ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
}

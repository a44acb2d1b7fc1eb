/**
 * Connections to backends for the `uws` engine: one undici pool per address and port, closed when it is no longer used.
 *
 * Stage before: an exchange that knows its backend address. Stage after: the backend. Sole importer of undici.
 */
import { subscribe } from 'node:diagnostics_channel';
import { isIPv6, type Socket } from 'node:net';

import { Client, Pool, type Dispatcher } from 'undici';

export type { Dispatcher };

/** Who may want to know about its connection. */
interface ConnectionUser {
  /** Whether the connection has carried a response before. */
  reused: boolean;
}

let connected: ConnectionUser | null = null;

// undici tells a handler that it is connected, but not to what. Right behind that, in the same call, it publishes the socket.
subscribe('undici:client:sendHeaders', (message) => {
  if (connected !== null) connected.reused = (message as { readonly socket: Socket }).socket.bytesRead > 0;
  connected = null;
});

/** Call in `onConnect`: `user.reused` is right when the request is being written. */
export function learnReuse(user: ConnectionUser): void {
  connected = user;
}

export interface UpstreamOptions {
  readonly connectTimeoutMs: number;
  /** A pooled connection is closed after this long without a request. */
  readonly idleTimeoutMs: number;
  /** A connection takes no new request past this age, +-25 % per pool, so that a ClusterIP is balanced anew. */
  readonly maxAgeMs: number;
  readonly maxRequestsPerConnection: number;
  /** Per address and port. */
  readonly maxConnections: number;
  /** Requests that may wait for a connection of one address and port; one more is refused. */
  readonly maxQueued: number;
  readonly maxHeadBytes: number;
}

/** The same times and bounds as in the native engine. */
export const DEFAULT_UPSTREAM_OPTIONS: UpstreamOptions = {
  connectTimeoutMs: 3_000,
  idleTimeoutMs: 3_000,
  maxAgeMs: 30_000,
  maxRequestsPerConnection: 1_000,
  maxConnections: 1_024,
  maxQueued: 1_024,
  maxHeadBytes: 64 * 1024,
};

/** A pool without a request for this long is closed and forgotten: its address may be gone. */
const POOL_IDLE_MS = 60_000;
const SWEEP_INTERVAL_MS = 10_000;
const KEEP_ALIVE_PROBE_MS = 10_000;

/** When nothing accepts: as in native/src/upstream/upstream_pool.cc, which says why, and with which a test compares it. */
export const REFUSING = { manyFailures: 64, refusingMs: 100, forgottenMs: 1_000 } as const;

/** One address and port. */
export class Upstream {
  readonly pool: Dispatcher;
  /** Used for one request, and closed with it. */
  readonly single: boolean;
  /** Requests running or waiting. */
  inFlight = 0;
  lastUsedMs = 0;
  /** Dials that have failed since one succeeded, the first and the last of them. */
  private failures = 0;
  private failingSinceMs = 0;
  private lastFailureMs = 0;

  constructor(pool: Dispatcher, single = false) {
    this.pool = pool;
    this.single = single;
  }

  connected(): void {
    this.failures = 0;
  }

  /** A dial has failed. True when nothing has accepted for a while, though many have tried. */
  failed(nowMs: number): boolean {
    if (this.failures === 0 || nowMs - this.lastFailureMs > REFUSING.forgottenMs) {
      this.failures = 0;
      this.failingSinceMs = nowMs;
    }
    this.failures++;
    this.lastFailureMs = nowMs;
    return this.failures >= REFUSING.manyFailures && nowMs - this.failingSinceMs >= REFUSING.refusingMs;
  }
}

export class UpstreamPools {
  private readonly options: UpstreamOptions;
  private readonly upstreams = new Map<string, Upstream>();
  private readonly sweeper: NodeJS.Timeout;

  constructor(options: UpstreamOptions) {
    this.options = options;
    this.sweeper = setInterval(() => {
      this.sweep(performance.now());
    }, SWEEP_INTERVAL_MS).unref();
  }

  get size(): number {
    return this.upstreams.size;
  }

  /** Null when too many requests already wait for this address and port. Pair with `release`. */
  acquire(address: string, port: number): Upstream | null {
    const key = `${address} ${port}`;
    let upstream = this.upstreams.get(key);
    if (upstream === undefined) {
      upstream = new Upstream(new Pool(origin(address, port), this.poolOptions()));
      this.upstreams.set(key, upstream);
    }
    if (upstream.inFlight >= this.options.maxConnections + this.options.maxQueued) return null;
    upstream.inFlight++;
    return upstream;
  }

  /** For one request on a connection of its own. Pair with `release`. */
  acquireFresh(address: string, port: number): Upstream {
    return new Upstream(new Client(origin(address, port), this.clientOptions()), true);
  }

  release(upstream: Upstream): void {
    if (upstream.single) {
      void upstream.pool.close();
      return;
    }
    upstream.inFlight--;
    upstream.lastUsedMs = performance.now();
  }

  /** Closes pools unused since `POOL_IDLE_MS` before `nowMs` (monotonic). */
  sweep(nowMs: number): void {
    for (const [key, upstream] of this.upstreams) {
      if (upstream.inFlight > 0 || nowMs - upstream.lastUsedMs < POOL_IDLE_MS) continue;
      this.upstreams.delete(key);
      void upstream.pool.close();
    }
  }

  /** Breaks off what is still running. */
  async destroy(): Promise<void> {
    clearInterval(this.sweeper);
    const pools = [...this.upstreams.values()].map((upstream) => upstream.pool);
    this.upstreams.clear();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }

  private poolOptions(): Pool.Options {
    const { options } = this;
    return {
      ...this.clientOptions(),
      connections: options.maxConnections,
      clientTtl: Math.round(options.maxAgeMs * (0.75 + Math.random() / 2)),
    };
  }

  private clientOptions(): Client.Options {
    const { options } = this;
    return {
      pipelining: 1,
      maxRequestsPerClient: options.maxRequestsPerConnection,
      connectTimeout: options.connectTimeoutMs,
      connect: { keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS },
      keepAliveTimeout: options.idleTimeoutMs,
      // A backend's `Keep-Alive: timeout` may shorten that, less a second for what is already on its way; never lengthen.
      keepAliveMaxTimeout: options.idleTimeoutMs,
      keepAliveTimeoutThreshold: 1_000,
      maxHeaderSize: options.maxHeadBytes,
      // Only an HTTPRoute sets request timeouts.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
  }
}

function origin(address: string, port: number): string {
  return `http://${isIPv6(address) ? `[${address}]` : address}:${port}`;
}

/**
 * Connections to backends for the `uws` engine: one undici pool per address and port, closed when it is no longer used.
 *
 * Stage before: an exchange that knows its backend address. Stage after: the backend. Sole importer of undici.
 */
import { isIPv6 } from 'node:net';

import { Pool, type Dispatcher } from 'undici';

export type { Dispatcher };

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

/** OPS section 4. */
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

/** One address and port. */
export class Upstream {
  readonly pool: Pool;
  /** Requests running or waiting. */
  inFlight = 0;
  lastUsedMs = 0;

  constructor(pool: Pool) {
    this.pool = pool;
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
      upstream = new Upstream(this.open(address, port));
      this.upstreams.set(key, upstream);
    }
    if (upstream.inFlight >= this.options.maxConnections + this.options.maxQueued) return null;
    upstream.inFlight++;
    return upstream;
  }

  release(upstream: Upstream): void {
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

  private open(address: string, port: number): Pool {
    const { options } = this;
    return new Pool(`http://${isIPv6(address) ? `[${address}]` : address}:${port}`, {
      connections: options.maxConnections,
      pipelining: 1,
      clientTtl: Math.round(options.maxAgeMs * (0.75 + Math.random() / 2)),
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
    });
  }
}

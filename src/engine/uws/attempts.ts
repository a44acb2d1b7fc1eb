/**
 * How often a request of the `uws` engine is sent, and on which connections: dials that fail are repeated, and what a reused
 * connection has failed is sent once more. What is dialled when is that of the native engine (native/src/upstream/dial_plan.h, which says
 * why), but that undici gives every dial the whole connect timeout, so one that is not answered is followed only by the other
 * addresses.
 *
 * Stage before: the exchange. Stage after: `UpstreamPools`.
 */
import type { RequestReason } from '../../errors.ts';
import { learnReuse, type Upstream, type UpstreamPools } from './upstream-pools.ts';

/** As in native/src/upstream/dial_plan.h, with which a test compares it. */
export const DIALS = {
  /** Each address is dialled so often. */
  rounds: 16,
  /** By so much grow the pauses from the third round on. */
  stepMs: 2,
  /** While nothing accepts: rounds, and the pause between them in steps. */
  refusingRounds: 2,
  refusingSteps: 12,
} as const;

/** RFC 9110 section 9.2.2. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

export class Attempts {
  /** The request was, or is about to be, written to a connection. */
  connected = false;
  /** Of the connection: it has carried a response before. */
  reused = false;
  /** The request has been sent twice. */
  resent = false;
  private readonly pools: UpstreamPools;
  private readonly addresses: readonly string[];
  private readonly port: number;
  private upstream: Upstream | null = null;
  private failed = 0;
  /** A byte of the response has come. */
  private begun = false;
  private timer: NodeJS.Timeout | null = null;

  constructor(pools: UpstreamPools, addresses: readonly string[], port: number) {
    this.pools = pools;
    this.addresses = addresses;
    this.port = port;
  }

  /** What comes next. */
  get destination(): { readonly address: string; readonly port: number } {
    return { address: this.addresses[this.failed % this.addresses.length]!, port: this.port };
  }

  /** Null when too many requests wait already. What a pooled connection has failed gets one of its own. */
  acquire(): Upstream | null {
    const { address, port } = this.destination;
    this.upstream = this.resent ? this.pools.acquireFresh(address, port) : this.pools.acquire(address, port);
    return this.upstream;
  }

  onConnect(): void {
    this.connected = true;
    this.upstream!.connected();
    learnReuse(this);
  }

  onResponseStarted(): void {
    this.begun = true;
  }

  /** After a failure, whether `again` is called, now or later. `bodyless`: the request has no body. */
  goOn(reason: RequestReason, method: string, bodyless: boolean, again: () => void): boolean {
    if (this.connected) {
      const closed = reason === 'upstream_reset' && this.reused && !this.begun;
      if (!closed || this.resent || !bodyless || !IDEMPOTENT.has(method)) return false;
      this.resent = true;
      this.release();
      again();
      return true;
    }
    if (reason !== 'connect_failure' && reason !== 'connect_timeout') return false;
    const pauseMs = this.pauseBeforeDial(reason === 'connect_timeout');
    if (pauseMs === null) return false;
    this.release();
    if (pauseMs === 0) again();
    else this.timer = setTimeout(again, pauseMs);
    return true;
  }

  /** Gives the connection back; nothing follows. */
  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.release();
  }

  /** Null when the dial that has failed was the last. */
  private pauseBeforeDial(timedOut: boolean): number | null {
    const { length } = this.addresses;
    this.failed++;
    if (timedOut) return this.failed < length ? 0 : null;
    const refusing = this.upstream!.failed(performance.now());
    if (this.failed >= (refusing ? DIALS.refusingRounds : DIALS.rounds) * length) return null;
    if (this.failed % length !== 0) return 0;
    return DIALS.stepMs * (refusing ? DIALS.refusingSteps : this.failed / length - 1);
  }

  private release(): void {
    if (this.upstream !== null) this.pools.release(this.upstream);
    this.upstream = null;
    this.connected = this.reused = false;
  }
}

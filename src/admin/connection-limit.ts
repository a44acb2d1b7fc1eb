/**
 * Limits the connections to an endpoint that everybody on the network can reach. Otherwise callers could use up the
 * descriptors and memory of the data path, or one caller could exclude others.
 *
 * Stage before: `uws-server.ts` and `http-server.ts`, which ask for each connection. uWebSockets.js does not report
 * which connection has ended, so the limit for a caller is on new connections in a time window. Connections idle for 10
 * s are closed.
 */

/** Time window for one caller. kubelet and Prometheus connect a few times in this time. */
const WINDOW_MS = 10_000;
const PER_CALLER = 64;
/** Maximum number of open connections of all callers. */
const TOTAL = 1_024;
/** Maximum number of callers remembered in a window. */
const MAX_CALLERS = 4_096;

/** Loopback callers are not limited: they are in the pod and could exhaust it by other means. */
function isLoopback(address: Uint8Array): boolean {
  if (address.length === 4) return address[0] === 127;
  const mapped = address.subarray(0, 10).every((byte) => byte === 0) && address[10] === 0xff && address[11] === 0xff;
  return mapped ? address[12] === 127 : address.every((byte, i) => byte === (i === 15 ? 1 : 0));
}

export class ConnectionLimit {
  readonly #now: () => number;
  #open = 0;
  #windowEndMs = 0;
  readonly #came = new Map<string, number>();

  /** `now`: monotonic, in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Must be called for each connection that has ended, also when it was refused. */
  closed(): void {
    this.#open -= 1;
  }

  /** Must be called for each new connection. `caller`: address in binary form. False: the connection must be closed. */
  takes(caller: Uint8Array): boolean {
    this.#open += 1;
    if (isLoopback(caller)) return true;
    const nowMs = this.#now();
    if (nowMs >= this.#windowEndMs || this.#came.size >= MAX_CALLERS) {
      this.#windowEndMs = nowMs + WINDOW_MS;
      this.#came.clear();
    }
    const key = Buffer.from(caller).toString('hex');
    const before = this.#came.get(key) ?? 0;
    this.#came.set(key, before + 1);
    return before < PER_CALLER && this.#open <= TOTAL;
  }
}

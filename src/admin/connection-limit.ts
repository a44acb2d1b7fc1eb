/**
 * How many connections an endpoint takes that everybody on the network may reach, so that nobody uses up the descriptors and the memory
 * of the data path, and one caller does not keep others out.
 *
 * Stage before: `uws-server.ts` and `http-server.ts`, which ask for each connection. uWebSockets.js does not say which connection has
 * ended, so callers are limited by how often they come; what has been idle for 10 s is closed.
 */

/** Of one caller: kubelet and Prometheus come a few times in such a time. */
const WINDOW_MS = 10_000;
const PER_CALLER = 64;
/** Open at the same time, of all callers. */
const TOTAL = 1_024;
/** Callers that are remembered in a window. */
const MAX_CALLERS = 4_096;

/** Who is in the pod has other ways. */
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

  /** A connection has ended; also one that was not taken. */
  closed(): void {
    this.#open -= 1;
  }

  /** A connection has begun; `caller` is the address as it is in memory. False: it is to be closed. */
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

/**
 * Old answers that cluster DNS may still give for a Service that has been created again: caches keep an answer for a
 * while, but a controller updates the document within a second. Such an answer is no evidence against the document.
 *
 * Used by `resolver.ts`.
 */
import type { DnsView } from './name-watch.ts';

/** Enough for a Service that is created again several times within this period. */
const MAX_ADDRESSES = 16;

export class Outdated {
  readonly #lastsMs: number;
  readonly #addresses = new Set<string>();
  #untilMs = Number.NEGATIVE_INFINITY;

  constructor(lastsMs: number) {
    this.#lastsMs = lastsMs;
  }

  /** These addresses were confirmed, and the document has changed. */
  add(addresses: readonly string[]): void {
    if (addresses.length === 0) return;
    if (performance.now() >= this.#untilMs || this.#addresses.size >= MAX_ADDRESSES) this.#addresses.clear();
    for (const address of addresses) this.#addresses.add(address);
    this.#untilMs = performance.now() + this.#lastsMs;
  }

  clear(): void {
    this.#addresses.clear();
  }

  /**
   * True when the view contains only old addresses. An old answer that was never refreshed is no evidence even later.
   */
  explains({ addresses, stale }: DnsView): boolean {
    if (!stale && performance.now() >= this.#untilMs) return false;
    return addresses.length > 0 && addresses.every((address) => this.#addresses.has(address));
  }
}

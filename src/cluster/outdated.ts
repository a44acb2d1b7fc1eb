/**
 * What cluster DNS may go on to say of a Service that has been made anew: caches keep an answer for a while after the document, which a
 * controller writes within a second, has become another one. Such an answer is no reason to doubt the document.
 *
 * Used by `resolver.ts`.
 */
import type { DnsView } from './name-watch.ts';

/** A Service that is made anew again and again within that time. */
const MAX_ADDRESSES = 16;

export class Outdated {
  readonly #lastsMs: number;
  readonly #addresses = new Set<string>();
  #untilMs = Number.NEGATIVE_INFINITY;

  constructor(lastsMs: number) {
    this.#lastsMs = lastsMs;
  }

  /** These were confirmed, and another document has come. */
  add(addresses: readonly string[]): void {
    if (addresses.length === 0) return;
    if (performance.now() >= this.#untilMs || this.#addresses.size >= MAX_ADDRESSES) this.#addresses.clear();
    for (const address of addresses) this.#addresses.add(address);
    this.#untilMs = performance.now() + this.#lastsMs;
  }

  clear(): void {
    this.#addresses.clear();
  }

  /** Whether it says only what was so before. What was not heard anew since then proves nothing later either. */
  explains({ addresses, stale }: DnsView): boolean {
    if (!stale && performance.now() >= this.#untilMs) return false;
    return addresses.length > 0 && addresses.every((address) => this.#addresses.has(address));
  }
}

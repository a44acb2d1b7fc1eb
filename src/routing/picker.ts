/**
 * Chooses one of several weighted shares, request by request (SPEC B2).
 *
 * Stage before: `routing/table.ts`. Stage after: `routing/decide.ts`.
 *
 * A cascade of Bresenham accumulators: the first share takes `weight / sum` of all requests, evenly spread; what it
 * leaves goes to the second, which takes `weight / sum of the weights left`, and so on. Over any `sum / gcd`
 * consecutive requests each share gets exactly its part, and in between none runs ahead or falls behind by more than a
 * few requests. Unlike with the usual smooth weighted round robin, any state can be drawn directly: starting at a random
 * one makes even the first request of a short-lived proxy follow the weights, and keeps a fleet of proxies out of step.
 */

/** Uniform in [0, 1). */
export type Random = () => number;

function gcd(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

export class WeightedPicker {
  /** Positions of the shares, heaviest first: spreads best. */
  readonly #order: Int32Array;
  readonly #weights: Int32Array;
  /** Sum of the weights from this level on. */
  readonly #remaining: Int32Array;
  /** In [0, remaining): a level takes the request when adding its weight overflows. */
  readonly #phase: Int32Array;

  /** `weights`: two or more positive integers up to 1,000,000 each, sum below 2^30. */
  constructor(weights: readonly number[], random: Random) {
    const divisor = weights.reduce(gcd, 0);
    const order = [...weights.keys()].sort((a, b) => weights[b]! - weights[a]! || a - b);
    this.#order = Int32Array.from(order);
    this.#weights = Int32Array.from(order, (index) => weights[index]! / divisor);
    this.#remaining = new Int32Array(order.length);
    this.#phase = new Int32Array(order.length);
    let sum = 0;
    for (let level = order.length - 1; level >= 0; level--) {
      sum += this.#weights[level]!;
      this.#remaining[level] = sum;
      this.#phase[level] = Math.floor(random() * sum);
    }
  }

  /** Index into the weights. Hot path: bench/micro/decide.ts. */
  next(): number {
    const last = this.#order.length - 1;
    for (let level = 0; level < last; level++) {
      const phase = this.#phase[level]! + this.#weights[level]!;
      if (phase >= this.#remaining[level]!) {
        this.#phase[level] = phase - this.#remaining[level]!;
        return this.#order[level]!;
      }
      this.#phase[level] = phase;
    }
    return this.#order[last]!;
  }
}

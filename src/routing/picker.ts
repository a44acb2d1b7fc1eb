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

/** Greatest common divisor. */
export function gcd(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

/**
 * One level is four integers side by side: the index of its share, its weight, the sum of the weights from this level
 * on, and its phase in [0, sum): it takes the request when adding its weight overflows the sum.
 */
const STRIDE = 4;

export class WeightedPicker {
  /** Heaviest share first: spreads best. */
  readonly #levels: Int32Array;

  /** `weights`: two or more positive integers up to 1,000,000 each, sum below 2^30. */
  constructor(weights: readonly number[], random: Random) {
    const divisor = weights.reduce(gcd, 0);
    const order = [...weights.keys()].sort((a, b) => weights[b]! - weights[a]! || a - b);
    const levels = new Int32Array(order.length * STRIDE);
    let sum = 0;
    for (let level = order.length - 1; level >= 0; level--) {
      const share = order[level]!;
      const weight = weights[share]! / divisor;
      sum += weight;
      levels.set([share, weight, sum, Math.floor(random() * sum)], level * STRIDE);
    }
    this.#levels = levels;
  }

  /** Index into the weights. Hot path: bench/micro/decide.ts. */
  next(): number {
    const levels = this.#levels;
    const last = levels.length - STRIDE;
    for (let level = 0; level < last; level += STRIDE) {
      const phase = levels[level + 3]! + levels[level + 1]!;
      const sum = levels[level + 2]!;
      if (phase >= sum) {
        levels[level + 3] = phase - sum;
        return levels[level]!;
      }
      levels[level + 3] = phase;
    }
    return levels[last]!;
  }
}

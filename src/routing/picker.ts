/**
 * Chooses one of several weighted shares, request by request.
 *
 * Stage before: `routing/rule.ts`. Stage after: `routing/decide.ts`.
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

/** One level of the cascade. Everything a level needs stands in one object: a busy rule costs one place in memory. */
export class WeightedPicker<T> {
  readonly #item: T;
  readonly #weight: number;
  /** Of the weights from this level on. */
  readonly #sum: number;
  /** In [0, sum): the level takes the request when adding its weight overflows the sum. */
  #phase: number;
  /** The levels below; null on the last one, which takes whatever gets there. */
  readonly #rest: WeightedPicker<T> | null;

  private constructor(item: T, weight: number, sum: number, phase: number, rest: WeightedPicker<T> | null) {
    this.#item = item;
    this.#weight = weight;
    this.#sum = sum;
    this.#phase = phase;
    this.#rest = rest;
  }

  /**
   * `weights`: of each item, one or more positive integers up to 1,000,000 each, sum below 2^30. `last`: last levels, which
   * others may have, too, because they have no state.
   */
  static of<T>(
    items: readonly T[],
    weights: readonly number[],
    random: Random,
    last = new Map<T, WeightedPicker<T>>(),
  ): WeightedPicker<T> {
    const divisor = weights.reduce(gcd, 0);
    // The last level is the lightest share: heaviest first spreads best.
    const order = [...weights.keys()].sort((a, b) => weights[a]! - weights[b]! || b - a);
    let picker: WeightedPicker<T> | null = null;
    let sum = 0;
    for (const index of order) {
      const weight = weights[index]! / divisor;
      sum += weight;
      const item = items[index]!;
      const phase = Math.floor(random() * sum);
      if (picker !== null) {
        picker = new WeightedPicker(item, weight, sum, phase, picker);
        continue;
      }
      picker = last.get(item) ?? new WeightedPicker<T>(item, weight, sum, phase, null);
      last.set(item, picker);
    }
    return picker!;
  }

  /** Hot path: bench/micro/decide.ts. */
  next(): T {
    // oxlint-disable-next-line typescript/no-this-alias -- a loop, not a recursion
    let level: WeightedPicker<T> = this;
    while (level.#rest !== null) {
      const phase = level.#phase + level.#weight;
      if (phase >= level.#sum) {
        level.#phase = phase - level.#sum;
        return level.#item;
      }
      level.#phase = phase;
      level = level.#rest;
    }
    return level.#item;
  }
}

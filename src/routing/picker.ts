/**
 * Chooses one of several weighted shares, request by request.
 *
 * Stage before: `routing/rule.ts`. Stage after: `routing/decide.ts`.
 *
 * A cascade of Bresenham accumulators: the first share takes `weight / sum` of all requests, evenly spread; the second
 * takes `weight / sum of the remaining weights` of the rest, and so on. Over any `sum / gcd` consecutive requests each
 * share gets exactly its part, and in between no share deviates by more than a few requests. Unlike with the usual
 * smooth weighted round robin, any state can be chosen directly. A random initial state makes even the first request of
 * a short-lived proxy follow the weights, and prevents many proxies from choosing in step.
 */

/** Uniform in [0, 1). */
export type Random = () => number;

/** Greatest common divisor. */
export function gcd(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

/**
 * One level of the cascade. All data of a level is in one object, so that a busy rule needs only one access to memory.
 */
export class WeightedPicker<T> {
  readonly #item: T;
  readonly #weight: number;
  /** Sum of the weights from this level on. */
  readonly #sum: number;
  /** In [0, sum): the level takes the request when adding its weight overflows the sum. */
  #phase: number;
  /** The next level; null on the last one, which takes every request that reaches it. */
  readonly #rest: WeightedPicker<T> | null;

  private constructor(item: T, weight: number, sum: number, phase: number, rest: WeightedPicker<T> | null) {
    this.#item = item;
    this.#weight = weight;
    this.#sum = sum;
    this.#phase = phase;
    this.#rest = rest;
  }

  /**
   * `weights`: one or more positive integers, one for each item, up to 1,000,000 each, sum below 2^30. `last`: last
   * levels by item; they have no state, so pickers can share them.
   */
  static of<T>(
    items: readonly T[],
    weights: readonly number[],
    random: Random,
    last = new Map<T, WeightedPicker<T>>(),
  ): WeightedPicker<T> {
    const divisor = weights.reduce(gcd, 0);
    // The heaviest share comes first and the lightest last: this spreads the requests best.
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

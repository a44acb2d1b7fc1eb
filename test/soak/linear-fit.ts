/** A straight line through measurements over time, or through the lowest of them, and how sure its slope is. */

export interface Fit {
  /** By which the line rises from the first measurement to the last. */
  readonly growth: number;
  /** Standard error of the growth; measurements that follow each other closely are not independent, so it is a lower bound. */
  readonly error: number;
  readonly first: number;
  readonly last: number;
  readonly min: number;
  readonly max: number;
  readonly count: number;
}

/** Least squares. `times` ascend. */
export function linearFit(times: readonly number[], values: readonly number[]): Fit {
  const count = values.length;
  const meanTime = times.reduce((sum, time) => sum + time, 0) / count;
  const meanValue = values.reduce((sum, value) => sum + value, 0) / count;
  let products = 0;
  let squares = 0;
  for (let i = 0; i < count; i += 1) {
    products += (times[i]! - meanTime) * (values[i]! - meanValue);
    squares += (times[i]! - meanTime) ** 2;
  }
  const slope = squares === 0 ? 0 : products / squares;
  let residuals = 0;
  for (let i = 0; i < count; i += 1) residuals += (values[i]! - meanValue - slope * (times[i]! - meanTime)) ** 2;
  const span = times.at(-1)! - times[0]!;
  return {
    growth: slope * span,
    error: count > 2 && squares > 0 ? Math.sqrt(residuals / (count - 2) / squares) * span : Infinity,
    first: values[0]!,
    last: values.at(-1)!,
    min: Math.min(...values),
    max: Math.max(...values),
    count,
  };
}

/** The lowest of each of so many parts: a leak raises them, what comes and goes does not. Fewer values stay as they are. */
export function lowest<T>(samples: readonly T[], value: (sample: T) => number, parts: number): T[] {
  const size = Math.max(1, Math.floor(samples.length / parts));
  return Array.from({ length: Math.floor(samples.length / size) }, (_, part) =>
    samples.slice(part * size, (part + 1) * size).reduce((low, each) => (value(each) < value(low) ? each : low)),
  );
}

/** A straight line through measurements over time, and how sure its slope is. */

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

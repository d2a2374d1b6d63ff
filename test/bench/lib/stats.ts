// SPDX-License-Identifier: MIT
/** Quantiles and pairwise ratios. Pure. */

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly p99: number;
  readonly max: number;
}

/**
 * Nearest rank, so every figure printed was measured; the median of an even count is the lower
 * one.
 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export function spread(values: readonly number[]): Spread {
  return {
    min: quantile(values, 0),
    median: quantile(values, 0.5),
    p99: quantile(values, 0.99),
    max: quantile(values, 1),
  };
}

/** a[n] / b[n]: both of one pair were measured next to each other. */
export function ratios(a: readonly number[], b: readonly number[]): number[] {
  if (a.length !== b.length) {
    throw new RangeError(
      `Cannot pair as lengths must be equal: they are ${a.length} and ${b.length}`,
    );
  }
  return a.map((value, n) => value / (b[n] ?? Number.NaN));
}

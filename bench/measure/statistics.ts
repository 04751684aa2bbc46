/** The few statistics that the report needs. */

/** Of ascending values, by nearest rank; null when there are none. */
export function percentile(sorted: ArrayLike<number>, fraction: number): number | null {
  if (sorted.length === 0) return null;
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * fraction) - 1))]!;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Null without values. */
export function spread(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
  return { median: middle, min: sorted[0]!, max: sorted.at(-1)! };
}

/** Round by round, as rounds lie close together in time: median, least and greatest of `values[i] / reference[i]`. */
export function ratioSpread(values: readonly number[], reference: readonly number[]): Spread | null {
  const rounds = Math.min(values.length, reference.length);
  return spread(
    Array.from({ length: rounds }, (_, i) => values[i]! / reference[i]!).filter((ratio) => Number.isFinite(ratio)),
  );
}

/** Numbers and times of results as people read them: the same text for the same number. */

/** Three digits that count: `0.25`, `12.3`, `1520`. */
export function shortNumber(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return value.toFixed(value < 1 ? 2 : value < 100 ? 1 : 0);
}

/** `90 s`, `0.5 s`, `12 min`. */
export function seconds(ms: number): string {
  if (ms >= 600_000 && ms % 60_000 === 0) return `${ms / 60_000} min`;
  return `${Math.round(ms / 100) / 10} s`;
}

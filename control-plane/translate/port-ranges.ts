/** Lists of ports as metadata has them: numbers, or text with single ports and ranges (`3306, 9000-9010`). */

export interface PortRange {
  readonly start: number;
  /** Inclusive. */
  readonly end: number;
}

/** Beyond it nobody wrote it by hand. */
const maxRanges = 256;

/** Sorted, and apart from one another. Faults name `path`. */
export function readPortRanges(path: string, value: unknown, faults: string[]): readonly PortRange[] {
  if (value === undefined || value === null || value === '') return [];
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  const ranges: PortRange[] = [];
  for (const word of items.flatMap((item) => (typeof item === 'string' ? item.split(',') : [item]))) {
    const range = rangeOf(word);
    if (range === null) {
      faults.push(`${path}: ${JSON.stringify(word)} is neither a port from 1 to 65535 nor a range like 9000-9010`);
      return [];
    }
    ranges.push(range);
  }
  const merged = mergeRanges(ranges);
  if (merged.length <= maxRanges) return merged;
  faults.push(`${path}: is more than ${maxRanges} ports that are apart; write ranges like 9000-9010`);
  return [];
}

export function mergeRanges(ranges: readonly PortRange[]): readonly PortRange[] {
  const merged: PortRange[] = [];
  for (const { start, end } of ranges.toSorted((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last !== undefined && start <= last.end + 1)
      merged[merged.length - 1] = { start: last.start, end: Math.max(last.end, end) };
    else merged.push({ start, end });
  }
  return merged;
}

export function hasPort(ranges: readonly PortRange[], port: number): boolean {
  return ranges.some(({ start, end }) => port >= start && port <= end);
}

function rangeOf(word: unknown): PortRange | null {
  const [, first = '', last = first] =
    typeof word === 'number' ? ['', String(word)] : (/^ *(\d{1,5}) *(?:- *(\d{1,5}) *)?$/.exec(String(word)) ?? []);
  const [start, end] = [Number(first), Number(last)];
  return Number.isInteger(start) && start >= 1 && end >= start && end <= 65_535 ? { start, end } : null;
}

/** TCP and UDP ports as flags take them: `80,443,8000-8100`, sorted, none twice, and none next to another. */

export interface PortRange {
  readonly from: number;
  /** The same as `from` for a single port. */
  readonly to: number;
}

/** Null: it is no such text. */
export function parsePortRange(text: string): PortRange | null {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (match === null) return null;
  const from = Number(match[1]);
  const to = Number(match[2] ?? match[1]);
  return from < 1 || to > 65_535 || from > to ? null : { from, to };
}

/** The fewest ranges that hold the same ports. */
export function mergePorts(ranges: readonly PortRange[]): readonly PortRange[] {
  const merged: PortRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last === undefined || range.from > last.to + 1) merged.push(range);
    else if (range.to > last.to) merged[merged.length - 1] = { from: last.from, to: range.to };
  }
  return merged;
}

export function formatPortRange({ from, to }: PortRange): string {
  return from === to ? String(from) : `${from}-${to}`;
}

export function holdsPort(ranges: readonly PortRange[], port: number): boolean {
  return ranges.some(({ from, to }) => from <= port && port <= to);
}

/** What both have. */
export function sharedPorts(a: readonly PortRange[], b: readonly PortRange[]): readonly PortRange[] {
  return mergePorts(
    a.flatMap((one) =>
      b
        .map((other) => ({ from: Math.max(one.from, other.from), to: Math.min(one.to, other.to) }))
        .filter(({ from, to }) => from <= to),
    ),
  );
}

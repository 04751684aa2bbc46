/** What is drawn over time: which figures, of which callers' ways, in which order. Both charts draw these. */
import type { EdgeMoment, SimulationResult } from './simulation-result.ts';

export interface Figure {
  readonly label: string;
  readonly valueOf: (edge: EdgeMoment) => number;
  /** Where the scale begins, by the least value; its other end is the greatest value, this at least. */
  readonly from: (least: number) => number;
  readonly toAtLeast: number;
}

export const figures: readonly Figure[] = [
  { label: 'ok, %', valueOf: ({ successPercent }) => successPercent, from: percentFrom, toAtLeast: 100 },
  { label: 'p99, ms', valueOf: ({ p99Ms }) => p99Ms, from: () => 0, toAtLeast: 1 },
  { label: 'sent per call', valueOf: ({ attemptsPerCall }) => attemptsPerCall, from: () => 1, toAtLeast: 2 },
  { label: 'ejected hosts', valueOf: ({ ejected }) => ejected, from: () => 0, toAtLeast: 1 },
  { label: 'open breakers', valueOf: ({ breakersOpen }) => breakersOpen, from: () => 0, toAtLeast: 1 },
];

/** What is lost of the last few per cent is worth seeing. */
function percentFrom(least: number): number {
  return least >= 99 ? 99 : least >= 90 ? 90 : 0;
}

export interface Panel {
  readonly figure: Figure;
  readonly edge: string;
  readonly from: number;
  readonly to: number;
  readonly lines: ReadonlyArray<{ readonly variant: string; readonly values: readonly number[] }>;
}

/** Drawn only where something happened. */
const rare: ReadonlySet<string> = new Set(['ejected hosts', 'open breakers']);

/** One for each way and figure. */
export function panels({ variants }: SimulationResult): Panel[] {
  const edges = variants[0]?.timeline[0]?.edges ?? [];
  return edges.flatMap(({ from, to }, at) =>
    figures
      .map((figure): Panel => {
        const lines = variants.map(({ name, timeline }) => ({
          variant: name,
          values: timeline.map((moment) => figure.valueOf(moment.edges[at]!)),
        }));
        const most = lines.reduce((sum, { values }) => Math.max(sum, ...values), figure.toAtLeast);
        const least = lines.reduce((sum, { values }) => Math.min(sum, ...values), Infinity);
        return { figure, edge: `${from} → ${to}`, from: figure.from(least), to: most, lines };
      })
      .filter(
        (panel) => !rare.has(panel.figure.label) || panel.lines.some(({ values }) => values.some((value) => value > 0)),
      ),
  );
}

/** One chart of lines over time, drawn by uPlot in the page's colours. */
import uPlot from 'uplot';

export interface ChartLine {
  readonly label: string;
  /** A variable of the page's style. */
  readonly colour: string;
  readonly dash?: readonly number[];
}

export type ChartData = ReadonlyArray<ReadonlyArray<number | null>>;

const height = 150;

/** `12:05`, of this machine's zone. */
function clock(seconds: number): string {
  const at = new Date(seconds * 1_000);
  return [at.getHours(), at.getMinutes()].map((part) => String(part).padStart(2, '0')).join(':');
}

export class LineChart {
  readonly #plot: uPlot;
  readonly #sizes: ResizeObserver;

  /** `top`: the scale goes up to it at least. */
  constructor(place: HTMLElement, lines: readonly ChartLine[], top: number) {
    const style = getComputedStyle(place);
    const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
    const axis = {
      stroke: colour('faint'),
      grid: { stroke: colour('line'), width: 1 },
      ticks: { stroke: colour('line'), width: 1 },
      font: '11px system-ui, sans-serif',
    };
    this.#plot = new uPlot(
      {
        width: Math.max(180, place.clientWidth),
        height,
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false } },
        scales: { y: { range: (_, least, most) => [Math.min(0, least ?? 0), Math.max(most ?? 0, top) * 1.1] } },
        axes: [
          { ...axis, values: (_, ticks) => ticks.map(clock) },
          { ...axis, size: 46 },
        ],
        series: [
          {},
          ...lines.map(({ label, colour: name, dash = [] }) => ({
            label,
            stroke: colour(name),
            width: 2,
            dash: [...dash],
            points: { show: false },
          })),
        ],
      },
      [[]],
      place,
    );
    this.#sizes = new ResizeObserver(() => this.#plot.setSize({ width: Math.max(180, place.clientWidth), height }));
    this.#sizes.observe(place);
  }

  show(data: ChartData): void {
    this.#plot.setData(data as unknown as uPlot.AlignedData);
  }

  close(): void {
    this.#sizes.disconnect();
    this.#plot.destroy();
  }
}

/** The chart for terminals: a line of blocks for each figure over time, those of variants under each other. */
import { panels } from './chart-series.ts';
import { shortNumber } from './number-text.ts';
import type { SimulationResult } from './simulation-result.ts';

const blocks = '▁▂▃▄▅▆▇█';
/** Longer ones are gathered, so that a line fits beside its label. */
const mostBlocks = 60;

export function sparklines(result: SimulationResult): string {
  const lines = panels(result).flatMap(({ figure, edge, from, to, lines: all }) =>
    all.map(({ variant, values }) => ({
      figure: figure.label,
      edge,
      variant,
      blocks: gathered(values)
        .map((value) => blockOf((value - from) / (to - from)))
        .join(''),
      range: `${shortNumber(Math.min(...values))} to ${shortNumber(Math.max(...values))}`,
    })),
  );
  const width = (key: 'figure' | 'edge' | 'variant'): number => Math.max(0, ...lines.map((line) => line[key].length));
  const [figureWidth, edgeWidth, variantWidth] = [width('figure'), width('edge'), width('variant')];
  return lines
    .map(({ figure, edge, variant, blocks: drawn, range }) => {
      const label = `${figure.padEnd(figureWidth)}   ${edge.padEnd(edgeWidth)}`;
      return `${variantWidth === 0 ? label : `${label}   ${variant.padEnd(variantWidth)}`}   ${drawn}   ${range}\n`;
    })
    .join('');
}

/** Means of neighbours, where there are more values than blocks. */
function gathered(values: readonly number[]): number[] {
  if (values.length <= mostBlocks) return [...values];
  return Array.from({ length: mostBlocks }, (_, at) => {
    const part = values.slice(
      Math.floor((at * values.length) / mostBlocks),
      Math.floor(((at + 1) * values.length) / mostBlocks),
    );
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
}

function blockOf(share: number): string {
  return blocks[Math.max(0, Math.min(blocks.length - 1, Math.round(share * (blocks.length - 1))))]!;
}

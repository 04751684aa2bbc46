/** The chart as one SVG, or as an HTML page around it: a row of small panels for each caller's way, a line in each for each variant. It needs nothing from outside, and is the same to the byte for the same result. */
import { type Panel, panels } from './chart-series.ts';
import { seconds, shortNumber } from './number-text.ts';
import type { SimulationResult } from './simulation-result.ts';

const width = 250;
const height = 120;
const gap = { x: 46, y: 62 };
const margin = { left: 52, top: 70 };
/** Told apart without colours too. */
const strokes = [
  { colour: '#1b6ca8', dash: '' },
  { colour: '#c4442c', dash: '6 3' },
  { colour: '#2e7d32', dash: '2 3' },
  { colour: '#7b3fa0', dash: '8 3 2 3' },
  { colour: '#8a6d00', dash: '1 2' },
  { colour: '#444444', dash: '10 4' },
];

export function svgChart(result: SimulationResult): string {
  const { name, seed, durationMs, variants } = result;
  const all = panels(result);
  const edges = [...new Set(all.map(({ edge }) => edge))];
  const columns = Math.max(1, ...edges.map((edge) => all.filter((panel) => panel.edge === edge).length));
  const totalWidth = margin.left + columns * (width + gap.x);
  const totalHeight = margin.top + edges.length * (height + gap.y);
  const drawn = edges.flatMap((edge, row) =>
    all
      .filter((panel) => panel.edge === edge)
      .map((panel, column) =>
        panelSvg(panel, durationMs, margin.left + column * (width + gap.x), margin.top + row * (height + gap.y)),
      ),
  );
  const legend = variants.flatMap(({ name: variant }, at) =>
    variant === '' ? [] : [legendSvg(variant, margin.left + at * 180, 40, at)],
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${totalWidth} ${totalHeight}" width="${totalWidth}" height="${totalHeight}" font-family="sans-serif" font-size="11">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    `<text x="${margin.left}" y="22" font-size="15">${escaped(name)}: ${seconds(durationMs)} of virtual time, seed ${seed}</text>`,
    ...legend,
    ...drawn,
    '</svg>\n',
  ].join('\n');
}

export function htmlChart(result: SimulationResult): string {
  return `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>${escaped(result.name)}</title></head><body>\n${svgChart(result)}</body></html>\n`;
}

function legendSvg(variant: string, x: number, y: number, at: number): string {
  return `${line(`${x},${y} ${x + 30},${y}`, at)}<text x="${x + 36}" y="${y + 4}">${escaped(variant)}</text>`;
}

function panelSvg({ figure, edge, from, to, lines }: Panel, durationMs: number, x: number, y: number): string {
  const at = (value: number): number => y + height - ((value - from) / (to - from)) * height;
  const drawn = lines.map(({ values }, which) => {
    const points = values.map(
      (value, step) => `${(x + ((step + 1) / values.length) * width).toFixed(1)},${at(value).toFixed(1)}`,
    );
    return line(points.join(' '), which);
  });
  return [
    `<text x="${x}" y="${y - 8}">${escaped(edge)}: ${escaped(figure.label)}</text>`,
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="none" stroke="#cccccc"/>`,
    `<text x="${x - 4}" y="${y + 10}" text-anchor="end" fill="#666666">${shortNumber(to)}</text>`,
    `<text x="${x - 4}" y="${y + height}" text-anchor="end" fill="#666666">${shortNumber(from)}</text>`,
    `<text x="${x + width}" y="${y + height + 14}" text-anchor="end" fill="#666666">${seconds(durationMs)}</text>`,
    ...drawn,
  ].join('\n');
}

function line(points: string, which: number): string {
  const { colour, dash } = strokes[which % strokes.length]!;
  const dashed = dash === '' ? '' : ` stroke-dasharray="${dash}"`;
  return `<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="1.5"${dashed}/>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}

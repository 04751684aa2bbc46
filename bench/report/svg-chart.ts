/** One picture of a run: for each scenario, every proxy's figure over Envoy's as a bar, with the spread of the rounds as a line. Envoy is the line at 1. */
import { type BenchReport, ratioToEnvoy } from './bench-report.ts';

const width = 1000;
const labelWidth = 450;
const barHeight = 14;
const barGap = 3;
const groupGap = 16;
const top = 92;
const colours: Record<string, string> = { outrigger: '#0b6e8a', nginx: '#8aa06a', haproxy: '#b58a58' };

export function svgChart(report: BenchReport): string {
  const peers = report.peers.map(({ peer }) => peer).filter((peer) => peer !== 'envoy');
  const groups = report.scenarios
    .map((scenario) => ({
      title: scenario.title,
      note: scenario.kind === 'latency' ? 'p99' : `CPU per ${scenario.unit}`,
      bars: peers.flatMap((peer) => {
        const ratio = ratioToEnvoy(scenario, peer);
        return ratio === null ? [] : [{ peer, ratio }];
      }),
    }))
    .filter((group) => group.bars.length > 0);
  const most = Math.max(1.2, ...groups.flatMap((group) => group.bars.map((bar) => bar.ratio.max)));
  const limit = Math.min(most, 3);
  const x = (ratio: number): number => labelWidth + (Math.min(ratio, limit) / limit) * (width - labelWidth - 60);
  const parts: string[] = [];
  let y = top;
  for (const group of groups) {
    const height = group.bars.length * (barHeight + barGap);
    parts.push(
      `<text x="${labelWidth - 12}" y="${y + height / 2 - 2}" text-anchor="end" class="label">${escape(group.title)}</text>`,
      `<text x="${labelWidth - 12}" y="${y + height / 2 + 12}" text-anchor="end" class="note">${escape(group.note)}</text>`,
    );
    for (const { peer, ratio } of group.bars) {
      const middle = y + barHeight / 2;
      parts.push(
        `<rect x="${labelWidth}" y="${y}" width="${round(x(ratio.median) - labelWidth)}" height="${barHeight}" fill="${colours[peer] ?? '#777'}"/>`,
        `<line x1="${round(x(ratio.min))}" y1="${middle}" x2="${round(x(ratio.max))}" y2="${middle}" class="spread"/>`,
        `<text x="${round(x(Math.max(ratio.max, ratio.median)) + 6)}" y="${middle + 4}" class="value">${ratio.median.toFixed(2)}${ratio.median > limit ? ' →' : ''}</text>`,
      );
      y += barHeight + barGap;
    }
    y += groupGap;
  }
  const legend = peers.map((peer, index) => {
    const left = labelWidth + index * 110;
    return `<rect x="${left}" y="40" width="12" height="12" fill="${colours[peer] ?? '#777'}"/><text x="${left + 18}" y="50" class="label">${peer}</text>`;
  });
  const one = round(x(1));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${y + 20}" viewBox="0 0 ${width} ${y + 20}" role="img" aria-label="Figures of each proxy over Envoy's; less is better">
<style>text{font:13px system-ui,sans-serif;fill:#222}.note{font-size:11px;fill:#667}.value{font-size:12px}.spread{stroke:#111;stroke-width:1.5}.title{font-size:16px;font-weight:600}</style>
<rect width="100%" height="100%" fill="#fff"/>
<text x="20" y="26" class="title">Envoy = 1, less is better${report.quick ? ' (quick run)' : ''}</text>
${legend.join('\n')}
<line x1="${one}" y1="${top - 14}" x2="${one}" y2="${y}" stroke="#c33" stroke-dasharray="4 3"/><text x="${one}" y="${top - 18}" text-anchor="middle" class="note">Envoy</text>
${parts.join('\n')}
</svg>
`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

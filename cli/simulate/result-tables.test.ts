import { describe, expect, it } from 'vitest';
import { seconds, shortNumber } from './number-text.ts';
import { resultText } from './result-tables.ts';
import type { EdgeMoment, SimulationResult, VariantResult } from './simulation-result.ts';
import { sparklines } from './sparklines.ts';
import { htmlChart, svgChart } from './svg-chart.ts';

const edge = (more: Partial<EdgeMoment>): EdgeMoment => ({
  from: 'client',
  to: 'orders',
  calls: 100,
  callsPerSecond: 10,
  successPercent: 100,
  p50Ms: 12.34,
  p99Ms: 250,
  attemptsPerCall: 1,
  retriesRefused: 0,
  overflows: 0,
  ejected: 0,
  unhealthy: 0,
  breakersOpen: 0,
  ...more,
});

const variant = (name: string, percents: readonly number[]): VariantResult => ({
  name,
  edges: [
    {
      ...edge({ successPercent: 87.5 }),
      ejections: 2,
      mostEjected: 1,
      breakerOpenings: 3,
      failures: [{ what: '503 UO', count: 7 }],
    },
  ],
  services: [
    {
      service: 'orders',
      endpoints: 3,
      received: 300,
      receivedPerSecond: 10,
      succeeded: 290,
      refused: 9,
      turnedAway: 4,
      inVain: 1,
      mostServing: 5,
      mostWaiting: 6,
    },
  ],
  timeline: percents.map((successPercent, at) => ({ atMs: (at + 1) * 10_000, edges: [edge({ successPercent })] })),
  events: Array.from({ length: 14 }, (_, at) => ({ atMs: at * 1000, sidecar: 'client', message: `line ${at}` })),
  moreEvents: 5,
});

const result = (...variants: VariantResult[]): SimulationResult => ({
  name: 'storm',
  seed: 7,
  durationMs: 30_000,
  intervalMs: 10_000,
  variants,
});

describe('the text of a result', () => {
  it('has rows over time, sums, what was logged, and a chart', () => {
    expect(resultText(result(variant('', [100, 50, 0])))).toBe(`storm: 30 s of virtual time, seed 7

Over time, as who calls from outside saw it (of all calls: below, and with -o json)
UNTIL   CALLS             CALLS/S   OK         P50 MS   P99 MS   SENT/CALL   NO RETRY   OVERFLOW   EJECTED   UNHEALTHY   OPEN
10 s    client → orders   10.0      100.00 %   12.3     250      1.000       0          0          0         0           0
20 s    client → orders   10.0      50.00 %    12.3     250      1.000       0          0          0         0           0
30 s    client → orders   10.0      0.00 %     12.3     250      1.000       0          0          0         0           0

Altogether, as callers saw it
CALLS             CALLS/S   OK        P50 MS   P99 MS   SENT/CALL   NO RETRY   OVERFLOW   EJECTIONS   AT ONCE   OPENED   FAILED
client → orders   10.0      87.50 %   12.3     250      1.000       0          0          2           1         3        503 UO: 7

Altogether, at the services
SERVICE   ENDPOINTS   RECEIVED   A SECOND   SUCCEEDED   REFUSED   TURNED AWAY   IN VAIN   MOST AT WORK   MOST WAITING
orders    3           300        10.0       290         9         4             1         5              6

What sidecars logged
     0 s  client: line 0
     1 s  client: line 1
     2 s  client: line 2
     3 s  client: line 3
     4 s  client: line 4
     5 s  client: line 5
     6 s  client: line 6
     7 s  client: line 7
     8 s  client: line 8
     9 s  client: line 9
    10 s  client: line 10
    11 s  client: line 11
          and 7 more lines

ok, %           client → orders   █▅▁   0 to 100
p99, ms         client → orders   ███   250 to 250
sent per call   client → orders   ▁▁▁   1 to 1
`);
  });

  it('names variants where there are several', () => {
    const text = resultText(result(variant('now', [100]), variant('then', [100])));
    expect(text).toContain('VARIANT   UNTIL');
    expect(text).toContain('What sidecars logged, then');
    expect(sparklines(result(variant('now', [100]), variant('then', [50])))).toContain(
      'ok, %           client → orders   then   ▅   50 to 50\n',
    );
  });

  it('shows the last few per cent where no more is lost', () => {
    expect(sparklines(result(variant('', [100, 95, 91]))).split('\n')[0]).toContain('█▅▂   91 to 100');
  });

  it('gathers what is too long for a line', () => {
    const values = Array.from({ length: 240 }, (_, at) => (at < 120 ? 100 : 0));
    expect(sparklines(result(variant('', values))).split('\n')[0]).toContain(
      `${'█'.repeat(30)}${'▁'.repeat(30)}   0 to 100`,
    );
  });

  it('writes numbers and times as people do', () => {
    expect([0, 0.25, 3.333, 99.96, 1520.4].map(shortNumber)).toEqual(['0', '0.25', '3.3', '100.0', '1520']);
    expect([500, 90_000, 600_000, 617_500].map(seconds)).toEqual(['0.5 s', '90 s', '10 min', '617.5 s']);
  });
});

describe('the chart', () => {
  it('is one SVG that needs nothing from outside, with a line for each variant in each panel', () => {
    const svg = svgChart(result(variant('a<b', [100, 50, 0]), variant('then', [100, 100, 100])));
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" .*<\/svg>\n$/s);
    expect(svg).not.toMatch(/href|url\(|<script|<image|NaN|Infinity|undefined/);
    expect(svg).toContain('a&#60;b');
    // Two in the legend, two in each of three panels: nobody was ejected.
    expect(svg.match(/<polyline/g)).toHaveLength(8);
    expect(svg).toContain('<polyline points="135.3,70.0 218.7,130.0 302.0,190.0"');
  });

  it('stands in an HTML page too', () => {
    expect(htmlChart(result(variant('', [100])))).toMatch(/^<!doctype html>\n.*<svg .*<\/svg>\n<\/body><\/html>\n$/s);
  });
});

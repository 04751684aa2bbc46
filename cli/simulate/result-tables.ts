/** What a simulation found, for people: rows over time, what it came to, what sidecars logged. */
import { type Column, dataText } from '../print-data.ts';
import { seconds, shortNumber } from './number-text.ts';
import type { EdgeMoment, EdgeTotal, ServiceTotal, SimulationResult, VariantResult } from './simulation-result.ts';
import { sparklines } from './sparklines.ts';

type OfVariant<T> = T & { readonly variant: string };
interface Row extends EdgeMoment {
  readonly atMs: number;
}

/** Events shown here; JSON has more. */
const shownEvents = 12;

export function resultText(result: SimulationResult): string {
  const { name, seed, durationMs, variants } = result;
  const several = variants.length > 1;
  return [
    `${name}: ${seconds(durationMs)} of virtual time, seed ${seed}\n`,
    `Over time, as who calls from outside saw it (of all calls: below, and with -o json)\n${dataText(variants.flatMap(rows), withVariant(rowColumns, several), 'table')}`,
    `Altogether, as callers saw it\n${dataText(variants.flatMap(edges), withVariant(edgeColumns, several), 'table')}`,
    `Altogether, at the services\n${dataText(variants.flatMap(services), withVariant(serviceColumns, several), 'table')}`,
    ...variants.filter(({ events }) => events.length > 0).map((variant) => eventsText(variant)),
    sparklines(result),
  ].join('\n');
}

/** Of calls that no service makes. */
function rows({ name, services: known, timeline }: VariantResult): Array<OfVariant<Row>> {
  const inside = new Set(known.map(({ service }) => service));
  return timeline.flatMap(({ atMs, edges }) =>
    edges.filter(({ from }) => !inside.has(from)).map((edge) => ({ ...edge, atMs, variant: name })),
  );
}

function edges({ name, edges: all }: VariantResult): Array<OfVariant<EdgeTotal>> {
  return all.map((edge) => ({ ...edge, variant: name }));
}

function services({ name, services: all }: VariantResult): Array<OfVariant<ServiceTotal>> {
  return all.map((service) => ({ ...service, variant: name }));
}

function withVariant<T>(columns: ReadonlyArray<Column<T>>, several: boolean): Array<Column<OfVariant<T>>> {
  return [...(several ? [{ heading: 'variant', cell: ({ variant }: OfVariant<T>) => variant }] : []), ...columns];
}

const callColumns: ReadonlyArray<Column<Omit<EdgeMoment, 'ejected' | 'unhealthy' | 'breakersOpen'>>> = [
  { heading: 'calls', cell: ({ from, to }) => `${from} → ${to}` },
  { heading: 'calls/s', cell: ({ callsPerSecond }) => callsPerSecond.toFixed(1) },
  { heading: 'ok', cell: ({ successPercent }) => `${successPercent.toFixed(2)} %` },
  { heading: 'p50 ms', cell: ({ p50Ms }) => shortNumber(p50Ms) },
  { heading: 'p99 ms', cell: ({ p99Ms }) => shortNumber(p99Ms) },
  { heading: 'sent/call', cell: ({ attemptsPerCall }) => attemptsPerCall.toFixed(3) },
  { heading: 'no retry', cell: ({ retriesRefused }) => String(retriesRefused) },
  { heading: 'overflow', cell: ({ overflows }) => String(overflows) },
];

const rowColumns: ReadonlyArray<Column<Row>> = [
  { heading: 'until', cell: ({ atMs }) => seconds(atMs) },
  ...callColumns,
  { heading: 'ejected', cell: ({ ejected }) => shortNumber(ejected) },
  { heading: 'unhealthy', cell: ({ unhealthy }) => shortNumber(unhealthy) },
  { heading: 'open', cell: ({ breakersOpen }) => shortNumber(breakersOpen) },
];

const edgeColumns: ReadonlyArray<Column<EdgeTotal>> = [
  ...callColumns,
  { heading: 'ejections', cell: ({ ejections }) => String(ejections) },
  { heading: 'at once', cell: ({ mostEjected }) => String(mostEjected) },
  { heading: 'opened', cell: ({ breakerOpenings }) => String(breakerOpenings) },
  {
    heading: 'failed',
    cell: ({ failures }) =>
      failures
        .slice(0, 4)
        .map(({ what, count }) => `${what}: ${count}`)
        .join(', '),
  },
];

const serviceColumns: ReadonlyArray<Column<ServiceTotal>> = [
  { heading: 'service', cell: ({ service }) => service },
  { heading: 'endpoints', cell: ({ endpoints }) => String(endpoints) },
  { heading: 'received', cell: ({ received }) => String(received) },
  { heading: 'a second', cell: ({ receivedPerSecond }) => receivedPerSecond.toFixed(1) },
  { heading: 'succeeded', cell: ({ succeeded }) => String(succeeded) },
  { heading: 'refused', cell: ({ refused }) => String(refused) },
  { heading: 'turned away', cell: ({ turnedAway }) => String(turnedAway) },
  { heading: 'in vain', cell: ({ inVain }) => String(inVain) },
  { heading: 'most at work', cell: ({ mostServing }) => String(mostServing) },
  { heading: 'most waiting', cell: ({ mostWaiting }) => String(mostWaiting) },
];

function eventsText({ name, events, moreEvents }: VariantResult): string {
  const more = events.length - shownEvents + moreEvents;
  const lines = events
    .slice(0, shownEvents)
    .map(({ atMs, sidecar, message }) => `${seconds(atMs).padStart(8)}  ${sidecar}: ${message}\n`);
  return `What sidecars logged${name === '' ? '' : `, ${name}`}\n${lines.join('')}${more > 0 ? `          and ${more} more lines\n` : ''}`;
}

/** `outrigger stats`: a sidecar's figures from its admin port, once, or again and again with rates per second. */
import { stringify } from 'yaml';
import { formatHostPort, parseHostPort, parseWhole } from '../host-port.ts';
import { parseDuration } from '../parse-duration.ts';
import { type Column, dataText, type OutputFormat, printData } from '../print-data.ts';
import { CounterRates, type RateRow } from '../stats/counter-rates.ts';
import { fetchStats, type StatRow, type StatsWanted } from '../stats/stat-rows.ts';
import { UserError } from '../user-error.ts';

export interface StatsOptions {
  readonly sidecarAdmin: string;
  readonly filter?: string;
  readonly all?: boolean;
  /** A duration; undefined: once. */
  readonly watch?: string;
  readonly count?: string;
  readonly output: OutputFormat;
}

export interface WatchClock {
  /** Never goes back. */
  nowMs(): number;
  wait(ms: number): Promise<void>;
}

const realClock: WatchClock = {
  nowMs: () => performance.now(),
  wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

const columns: ReadonlyArray<Column<StatRow>> = [
  { heading: 'name', cell: (row) => row.name },
  { heading: 'value', cell: valueText },
];

const rateColumns: ReadonlyArray<Column<RateRow>> = [
  { heading: 'name', cell: (row) => row.name },
  { heading: 'value', cell: valueText },
  { heading: 'per second', cell: (row) => (row.per_second === null ? '' : String(row.per_second)) },
];

const shownQuantiles: ReadonlyArray<readonly [string, string]> = [
  ['50', 'p50'],
  ['95', 'p95'],
  ['99', 'p99'],
  ['100', 'max'],
];

function valueText(row: StatRow): string {
  if (row.kind !== 'histogram') return String(row.value);
  const unit = /(?:_ms|_time|_seconds)(?:\{|$)/.test(row.name) ? ' ms' : '';
  const parts = shownQuantiles.flatMap(([quantile, name]) => {
    const value = row.quantiles[quantile];
    return value === undefined || value === null ? [] : [`${name} ${Math.round(value * 100) / 100}${unit}`];
  });
  return parts.length === 0 ? 'nothing recorded' : parts.join('  ');
}

export async function stats(options: StatsOptions, clock: WatchClock = realClock): Promise<void> {
  const address = parseHostPort('--admin', options.sidecarAdmin);
  const wanted: StatsWanted = { filter: options.filter ?? '', all: options.all === true };
  if (options.watch === undefined) {
    if (options.count !== undefined) throw new UserError('--count needs --watch', 2);
    const rows = await fetchStats(address, wanted);
    printData(rows, columns, options.output);
    if (rows.length === 0) process.stderr.write(`outrigger: ${nothingFound(wanted)}\n`);
    return;
  }
  const everyMs = parseDuration('--watch', options.watch, 1_000, 3_600_000);
  const count = options.count === undefined ? Infinity : parseWhole('--count', options.count, 1, 1_000_000);
  const rates = new CounterRates();
  rates.look(await fetchStats(address, wanted), clock.nowMs(), true);
  for (let i = 0; i < count; i++) {
    await clock.wait(everyMs);
    const rows = rates.look(await fetchStats(address, wanted), clock.nowMs(), !wanted.all);
    process.stdout.write(lookText(rows, options.output, formatHostPort(address), i));
  }
}

function nothingFound({ filter, all }: StatsWanted): string {
  const what = filter === '' ? 'it has no figures' : `no figure matches ${filter}`;
  return all ? what : `${what}, of those that were ever counted; --all shows the others too`;
}

/** JSON: a line for each look; YAML: a document. */
function lookText(rows: readonly RateRow[], format: OutputFormat, at: string, look: number): string {
  if (format === 'json') return `${JSON.stringify(rows)}\n`;
  if (format === 'yaml') return `---\n${stringify(rows)}`;
  const clear = process.stdout.isTTY ? '\x1b[H\x1b[2J' : look === 0 ? '' : '\n';
  return `${clear}${rows.length === 0 ? `nothing has moved at ${at}\n` : dataText(rows, rateColumns, 'table')}`;
}

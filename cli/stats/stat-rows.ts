/** A sidecar's statistics (or Envoy's) as rows, from `/stats` of its admin port: counters, gauges, and histograms as quantiles. */
import type { HostPort } from '../host-port.ts';
import { formatHostPort } from '../host-port.ts';
import { noSidecar, sidecarAnswer } from '../sidecar-admin.ts';
import { UserError } from '../user-error.ts';

export interface CounterOrGauge {
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  readonly value: number;
}

export interface HistogramRow {
  readonly name: string;
  readonly kind: 'histogram';
  /** By percentage: `50`, `99.9`. Null: nothing was recorded. */
  readonly quantiles: Readonly<Record<string, number | null>>;
}

export type StatRow = CounterOrGauge | HistogramRow;

/** As `/stats?format=json` has them. */
interface StatsJson {
  readonly stats: ReadonlyArray<{
    readonly name?: string;
    readonly value?: number;
    readonly histograms?: {
      readonly supported_quantiles: readonly number[];
      readonly computed_quantiles?: ReadonlyArray<{
        readonly name: string;
        readonly values: ReadonlyArray<{ readonly cumulative: number | null }>;
      }>;
    };
  }>;
}

export interface StatsWanted {
  /** A regular expression (RE2); '': everything. */
  readonly filter: string;
  /** Also what was never counted. */
  readonly all: boolean;
}

/** By name. Rejects with a UserError. */
export async function fetchStats(address: HostPort, wanted: StatsWanted): Promise<StatRow[]> {
  const [counters, gauges, histograms] = await Promise.all(
    (['Counters', 'Gauges', 'Histograms'] as const).map((kind) => ofKind(address, wanted, kind)),
  );
  return [...plain(counters!, 'counter'), ...plain(gauges!, 'gauge'), ...histogramRows(histograms!)].sort((a, b) =>
    a.name < b.name ? -1 : a.name > b.name ? 1 : 0,
  );
}

async function ofKind(address: HostPort, { filter, all }: StatsWanted, kind: string): Promise<StatsJson> {
  const query = new URLSearchParams({ format: 'json', type: kind });
  if (filter !== '') query.set('filter', filter);
  if (!all) query.set('usedonly', '');
  const { status, body } = await sidecarAnswer(address, `/stats?${query}`);
  const at = formatHostPort(address);
  if (status === 400 && filter !== '') throw new UserError(`--filter: ${body.trim().replace(/^filter: /, '')}`, 2);
  if (status !== 200) throw noSidecar(at, `it answers ${status}`);
  try {
    const found = JSON.parse(body) as StatsJson;
    if (Array.isArray(found.stats)) return found;
  } catch {}
  throw noSidecar(at, 'what answers there sends no statistics');
}

function plain({ stats }: StatsJson, kind: CounterOrGauge['kind']): CounterOrGauge[] {
  return stats.flatMap(({ name, value }) => (name === undefined || value === undefined ? [] : [{ name, kind, value }]));
}

function histogramRows({ stats }: StatsJson): HistogramRow[] {
  return stats.flatMap(({ histograms }) =>
    (histograms?.computed_quantiles ?? []).map(({ name, values }) => ({
      name,
      kind: 'histogram' as const,
      quantiles: Object.fromEntries(
        histograms!.supported_quantiles.map((quantile, i) => [String(quantile), values[i]?.cumulative ?? null]),
      ),
    })),
  );
}

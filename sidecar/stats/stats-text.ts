/** Statistics as Envoy's `/stats` shows them: `name: value` lines or JSON, histograms as quantiles. */
import { bucketBoundsMs, type Histogram, type StatStore } from './stat-store.ts';

const quantiles = [0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1] as const;

export interface StatsQuery {
  readonly filter: RegExp | null;
  /** Only what was ever counted (`?usedonly`). */
  readonly usedOnly: boolean;
  /** Of one kind alone (`?type=`). */
  readonly kind: StatKind;
}

/** As Envoy names them. It has text readouts too; here there is none. */
export const statKinds = ['All', 'Counters', 'Gauges', 'Histograms', 'TextReadouts'] as const;
export type StatKind = (typeof statKinds)[number];

function wants({ kind }: StatsQuery, one: StatKind): boolean {
  return kind === 'All' || kind === one;
}

/** Plain values by name. A name that several label sets share (our families) is shown once per set. */
function plainValues(store: StatStore, query: StatsQuery): Array<{ name: string; value: number }> {
  const found: Array<{ name: string; value: number }> = [];
  const maps = [
    ...(wants(query, 'Counters') ? [store.counters] : []),
    ...(wants(query, 'Gauges') ? [store.gauges] : []),
  ];
  for (const map of maps) {
    for (const stat of map.values()) {
      if (query.usedOnly && stat.value === 0) continue;
      const name = stat.name + labelSuffix(stat.labels);
      if (query.filter === null || query.filter.test(name)) found.push({ name, value: stat.value });
    }
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function labelSuffix(labels: Readonly<Record<string, string>>): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  return parts.length === 0 ? '' : `{${parts.join(',')}}`;
}

export function statsText(store: StatStore, query: StatsQuery): string {
  let text = '';
  for (const { name, value } of plainValues(store, query)) text += `${name}: ${value}\n`;
  for (const histogram of matching(store, query)) {
    const summary = quantiles.map((q) => `P${q * 100}(nan,${format(quantile(histogram, q))})`).join(' ');
    text += `${histogram.name}${labelSuffix(histogram.labels)}: ${histogram.count === 0 ? 'No recorded values' : summary}\n`;
  }
  return text;
}

export function statsJson(store: StatStore, query: StatsQuery): unknown {
  const histograms = matching(store, query);
  return {
    stats: [
      ...plainValues(store, query),
      {
        histograms: {
          supported_quantiles: quantiles.map((q) => q * 100),
          computed_quantiles: histograms.map((histogram) => ({
            name: histogram.name + labelSuffix(histogram.labels),
            values: quantiles.map((q) => ({
              interval: null,
              cumulative: histogram.count === 0 ? null : quantile(histogram, q),
            })),
          })),
        },
      },
    ],
  };
}

function matching(store: StatStore, query: StatsQuery): Histogram[] {
  if (!wants(query, 'Histograms')) return [];
  return [...store.histograms.values()].filter(
    (histogram) =>
      (!query.usedOnly || histogram.count > 0) && (query.filter === null || query.filter.test(histogram.name)),
  );
}

/** A quantile in milliseconds, interpolated inside its bucket; the open last bucket gives its lower bound. */
export function quantile(histogram: Histogram, q: number): number {
  const rank = q * histogram.count;
  let below = 0;
  for (let i = 0; i < histogram.counts.length; i++) {
    const inBucket = histogram.counts[i]!;
    if (inBucket > 0 && below + inBucket >= rank) {
      const low = i === 0 ? 0 : bucketBoundsMs[i - 1]!;
      const high = bucketBoundsMs[i] ?? low;
      return low + (high - low) * Math.max(0, (rank - below) / inBucket);
    }
    below += inBucket;
  }
  return 0;
}

function format(value: number): string {
  return String(Math.round(value * 1000) / 1000);
}

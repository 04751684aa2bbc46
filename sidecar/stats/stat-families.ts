/**
 * Statistics of the process as families of Prometheus, looked at when somebody scrapes. Ours stand under their own family (`outrigger_…`); Envoy's names become `envoy_…` as Envoy writes them, with the cluster,
 * listener or prefix as a label.
 */
import type { MetricDescriptor, MetricFamily, MetricLabels } from '../../metrics/metric-family.ts';
import { sidecarMetrics } from './metric-catalog.ts';
import { bucketBoundsMs, type Counter, type Gauge, type Histogram, type StatStore } from './stat-store.ts';

const known: ReadonlyMap<string, MetricDescriptor> = new Map(sidecarMetrics.map((each) => [each.name, each]));

export interface StatsWanted {
  /** Only whose Envoy-style name or family matches; null: all. */
  readonly filter: RegExp | null;
  /** Only what was ever counted (Envoy's `?usedonly`). */
  readonly usedOnly: boolean;
}

/** Statistics that are looked at in one turn of the event loop: about a third of a millisecond, as most of it is taking names of Envoy's apart. */
const statsPerTurn = 256;

/** Sorted by name. What is in them is read when they are. Yields where others may have their turn: there may be tens of thousands. */
export function* statFamilies(
  store: StatStore,
  { filter, usedOnly }: StatsWanted,
): Generator<undefined, MetricFamily[], undefined> {
  let looked = 0;
  const families = new Map<string, MetricFamily & { readonly samples: unknown[] }>();
  const add = (type: MetricFamily['type'], stat: Counter | Gauge | Histogram): void => {
    if (filter !== null && !filter.test(stat.name) && !(stat.family !== null && filter.test(stat.family))) return;
    if (usedOnly && (stat as Gauge).value === 0) return;
    if (usedOnly && (stat as Histogram).count === 0) return;
    const { name, labels } = stat.family === null ? envoyFamily(stat.name) : { name: stat.family, labels: stat.labels };
    let family = families.get(name);
    if (family === undefined) {
      const { unit = '', help = '' } = known.get(name) ?? {};
      const head = { name, unit, help, samples: [] };
      family =
        type === 'histogram'
          ? { ...head, type, bounds: bucketBoundsMs, scale: (stat as Histogram).scale }
          : { ...head, type };
      families.set(name, family);
    }
    // Names of Envoy's that come to one and mean two things would make a family of no type.
    if (family.type === type) family.samples.push(stat.family === null ? new Labelled(stat, labels) : stat);
  };
  for (const [type, stats] of [
    ['counter', store.counters],
    ['gauge', store.gauges],
    ['histogram', store.histograms],
  ] as const)
    for (const stat of stats.values()) {
      add(type, stat);
      if (++looked % statsPerTurn === 0) yield;
    }
  return [...families.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** One of Envoy's, with what its name says as labels. */
class Labelled {
  readonly #stat: Counter | Gauge | Histogram;
  readonly labels: MetricLabels;

  constructor(stat: Counter | Gauge | Histogram, labels: MetricLabels) {
    this.#stat = stat;
    this.labels = labels;
  }

  get value(): number {
    return (this.#stat as Counter).value;
  }

  get counts(): Float64Array {
    return (this.#stat as Histogram).counts;
  }

  get sum(): number {
    return (this.#stat as Histogram).sum;
  }

  get count(): number {
    return (this.#stat as Histogram).count;
  }

  get exemplars(): null {
    return null;
  }

  get native(): null {
    return null;
  }
}

const scoped: ReadonlyArray<readonly [string, string, string]> = [
  ['cluster.', 'envoy_cluster_', 'envoy_cluster_name'],
  ['http.', 'envoy_http_', 'envoy_http_conn_manager_prefix'],
  ['listener.', 'envoy_listener_', 'envoy_listener_address'],
];

/** Splits an Envoy-style name into family and label: `cluster.a|b.upstream_rq_200` → `envoy_cluster_upstream_rq{envoy_cluster_name="a|b",envoy_response_code="200"}`. */
function envoyFamily(name: string): { name: string; labels: MetricLabels } {
  for (const [prefix, family, label] of scoped) {
    if (!name.startsWith(prefix)) continue;
    const rest = name.slice(prefix.length);
    const at = scopeEnd(rest);
    const labels: Record<string, string> = { [label]: rest.slice(0, at) };
    let metric = rest.slice(at + 1);
    const byClass = /^(.*)_([1-5])xx$/.exec(metric);
    const byCode = /^(.*)_([1-5]\d\d)$/.exec(metric);
    // Of an RBAC filter with statistics of its own name.
    const byFilter = /^rbac\.(.+)\.([a-z_]+)$/.exec(metric);
    if (byClass !== null) {
      metric = `${byClass[1]!}_xx`;
      labels['envoy_response_code_class'] = byClass[2]!;
    } else if (byCode !== null) {
      metric = byCode[1]!;
      labels['envoy_response_code'] = byCode[2]!;
    } else if (byFilter !== null) {
      metric = `rbac_${byFilter[2]!}`;
      labels['envoy_rbac_http_prefix'] = byFilter[1]!;
    }
    return { name: `${family}${clean(metric)}`, labels };
  }
  return { name: `envoy_${clean(name)}`, labels: {} };
}

/** Scope names may hold dots (`outbound|80||payments.shop`); metrics below a scope begin after its last dot, but for the known two-part ones. */
function scopeEnd(rest: string): number {
  const nested =
    /\.(?:rbac(?:\.[^.]+)?|ssl|circuit_breakers\.[a-z]+|outlier_detection|health_check|http[12]|lb|worker_\d+)\.[a-z_0-9]+$/.exec(
      rest,
    );
  return nested === null ? rest.lastIndexOf('.') : nested.index;
}

function clean(metric: string): string {
  return metric.replace(/[^a-zA-Z0-9_]/g, '_');
}

/**
 * Statistics as Prometheus text (exposition format 0.0.4), made only when scraped. Ours stand under their own family (`outrigger_…`);
 * Envoy's names become `envoy_…` as Envoy writes them, with the cluster, listener or prefix as a label.
 */
import {
  bucketBoundsMs,
  type Counter,
  type Gauge,
  type Histogram,
  type StatLabels,
  type StatStore,
} from './stat-store.ts';

interface Family {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly lines: string[];
}

/** All statistics, or those whose Envoy-style name or family matches `filter`. */
export function prometheusText(store: StatStore, filter: RegExp | null = null): string {
  const families = new Map<string, Family>();
  const add = (
    type: Family['type'],
    stat: Counter | Gauge | Histogram,
  ): { lines: string[]; name: string; labels: StatLabels } | null => {
    if (filter !== null && !filter.test(stat.name) && !(stat.family !== null && filter.test(stat.family))) return null;
    const { name, labels } = stat.family === null ? envoyFamily(stat.name) : { name: stat.family, labels: stat.labels };
    let family = families.get(name);
    if (family === undefined) {
      family = { type, lines: [] };
      families.set(name, family);
    }
    return { lines: family.lines, name, labels };
  };
  for (const counter of store.counters.values()) {
    const to = add('counter', counter);
    if (to !== null) to.lines.push(`${to.name}${labelText(to.labels)} ${counter.value}`);
  }
  for (const gauge of store.gauges.values()) {
    const to = add('gauge', gauge);
    if (to !== null) to.lines.push(`${to.name}${labelText(to.labels)} ${gauge.value}`);
  }
  for (const histogram of store.histograms.values()) {
    const to = add('histogram', histogram);
    if (to !== null) histogramLines(to, histogram);
  }
  let text = '';
  for (const name of [...families.keys()].sort()) {
    const family = families.get(name)!;
    text += `# TYPE ${name} ${family.type}\n${family.lines.join('\n')}\n`;
  }
  return text;
}

function histogramLines(to: { lines: string[]; name: string; labels: StatLabels }, histogram: Histogram): void {
  // Families that say seconds are given in seconds; Envoy's own stay in milliseconds.
  const scale = to.name.endsWith('_seconds') ? 1 / 1000 : 1;
  let cumulative = 0;
  for (let i = 0; i < bucketBoundsMs.length; i++) {
    cumulative += histogram.counts[i]!;
    to.lines.push(
      `${to.name}_bucket${labelText({ ...to.labels, le: String(bucketBoundsMs[i]! * scale) })} ${cumulative}`,
    );
  }
  to.lines.push(`${to.name}_bucket${labelText({ ...to.labels, le: '+Inf' })} ${histogram.count}`);
  to.lines.push(
    `${to.name}_sum${labelText(to.labels)} ${histogram.sum * scale}`,
    `${to.name}_count${labelText(to.labels)} ${histogram.count}`,
  );
}

const scoped: ReadonlyArray<readonly [string, string, string]> = [
  ['cluster.', 'envoy_cluster_', 'envoy_cluster_name'],
  ['http.', 'envoy_http_', 'envoy_http_conn_manager_prefix'],
  ['listener.', 'envoy_listener_', 'envoy_listener_address'],
];

/** Splits an Envoy-style name into family and label: `cluster.a|b.upstream_rq_200` → `envoy_cluster_upstream_rq{envoy_cluster_name="a|b",envoy_response_code="200"}`. */
function envoyFamily(name: string): { name: string; labels: StatLabels } {
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

function labelText(labels: StatLabels): string {
  let text = '';
  for (const name in labels) {
    const value = labels[name]!.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
    text += `${text === '' ? '' : ','}${name}="${value}"`;
  }
  return text === '' ? '' : `{${text}}`;
}

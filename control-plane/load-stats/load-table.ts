/**
 * The newest load report of each proxy, and what they say together: who calls whom, in which zone, how often, and how it goes. Reports are deltas over a time; nothing is kept of them but the last, for as long as it is fresh.
 * Bounded by the mesh: only Services that there are get a row, whatever a proxy names.
 */
import type { ClusterStats } from '../../proto/generated/envoy/config/endpoint/v3/load_report_pb.js';

/** One row of `GET /api/v1/loads`. */
export interface LoadRow {
  /** `namespace/service` of the callers; of a gRPC application that does not say it, its namespace. */
  readonly source: string;
  /** `namespace/service` */
  readonly destination: string;
  readonly port: number;
  /** Of the instances that were called; '' : they have none, and of what was dropped, which went to none. */
  readonly zone: string;
  readonly requestsPerSecond: number;
  /** Of the requests that were answered or failed, 0 to 1; null: there were none. */
  readonly errorShare: number | null;
  readonly inProgress: number;
  /** Turned away by the caller's own proxy: limits, circuit breaker. */
  readonly droppedPerSecond: number;
  /** Proxies that say so. */
  readonly proxies: number;
}

interface ProxyLoad {
  readonly destination: string;
  readonly port: number;
  readonly zone: string;
  readonly issued: number;
  readonly errors: number;
  readonly finished: number;
  readonly inProgress: number;
  readonly dropped: number;
  readonly seconds: number;
}

interface Report {
  readonly source: string;
  readonly atMs: number;
  readonly loads: readonly ProxyLoad[];
}

/** Beyond these, zones of one cluster are `other`. */
const mostZones = 50;
const mostZoneLength = 63;
/** More in one report are not looked at. */
const mostClusters = 10_000;
const mostLocalities = 1_000;
/** Beyond, a number is none that was counted. */
const mostCount = 1e12;
const leastSeconds = 0.1;

export class LoadTable {
  readonly #reports = new Map<object, Report>();
  readonly #knows: (namespace: string, service: string) => boolean;

  /** `knows`: whether there is such a Service. */
  constructor(knows: (namespace: string, service: string) => boolean) {
    this.#knows = knows;
  }

  /** `reporter`: whose report this is, in the place of the one before. */
  set(reporter: object, source: string, clusters: readonly ClusterStats[], intervalMs: number, nowMs: number): void {
    const loads = clusters.slice(0, mostClusters).flatMap((stats) => this.#loadsOf(stats, intervalMs));
    this.#reports.set(reporter, { source, atMs: nowMs, loads });
  }

  delete(reporter: object): void {
    this.#reports.delete(reporter);
  }

  get reporters(): number {
    return this.#reports.size;
  }

  /** Reports older than `freshMs` are left out. Busiest first. */
  rows(nowMs: number, freshMs: number): LoadRow[] {
    const sums = new Map<string, { first: ProxyLoad; source: string; sum: Sum }>();
    for (const { source, atMs, loads } of this.#reports.values()) {
      if (nowMs - atMs > freshMs) continue;
      const seen = new Set<string>();
      for (const load of loads) {
        const key = JSON.stringify([source, load.destination, load.port, load.zone]);
        let entry = sums.get(key);
        if (entry === undefined)
          sums.set(
            key,
            (entry = {
              first: load,
              source,
              sum: { rate: 0, errors: 0, finished: 0, inProgress: 0, dropped: 0, proxies: 0 },
            }),
          );
        add(entry.sum, load);
        if (!seen.has(key)) entry.sum.proxies++;
        seen.add(key);
      }
    }
    return [...sums.values()]
      .map(({ first: { destination, port, zone }, source, sum }) => ({
        ...{ source, destination, port, zone },
        requestsPerSecond: rounded(sum.rate),
        errorShare: sum.finished === 0 ? null : rounded(sum.errors / sum.finished),
        inProgress: sum.inProgress,
        droppedPerSecond: rounded(sum.dropped),
        proxies: sum.proxies,
      }))
      .toSorted((a, b) => b.requestsPerSecond - a.requestsPerSecond || text(a).localeCompare(text(b)));
  }

  #loadsOf(stats: ClusterStats, intervalMs: number): ProxyLoad[] {
    const to = serviceOf(stats.clusterName);
    if (to === null || !this.#knows(to.namespace, to.service)) return [];
    const { seconds: whole = 0n, nanos = 0 } = stats.loadReportInterval ?? {};
    const told = Number(whole) + nanos / 1e9;
    const seconds = Math.max(leastSeconds, told > 0 ? told : intervalMs / 1_000);
    const destination = `${to.namespace}/${to.service}`;
    const { port } = to;
    const byZone = new Map<string, ProxyLoad>();
    const put = (zone: string, part: Pick<ProxyLoad, 'issued' | 'errors' | 'finished' | 'inProgress' | 'dropped'>) => {
      const known = byZone.get(zone) ?? { issued: 0, errors: 0, finished: 0, inProgress: 0, dropped: 0 };
      byZone.set(zone, {
        ...{ destination, port, zone, seconds },
        issued: known.issued + part.issued,
        errors: known.errors + part.errors,
        finished: known.finished + part.finished,
        inProgress: known.inProgress + part.inProgress,
        dropped: known.dropped + part.dropped,
      });
    };
    for (const locality of stats.upstreamLocalityStats.slice(0, mostLocalities)) {
      const name = (locality.locality?.zone ?? '').slice(0, mostZoneLength);
      const errors = count(locality.totalErrorRequests);
      put(byZone.has(name) || byZone.size < mostZones ? name : 'other', {
        // Clients of before that field tell finished ones only.
        issued: count(locality.totalIssuedRequests) || errors + count(locality.totalSuccessfulRequests),
        errors,
        finished: errors + count(locality.totalSuccessfulRequests),
        inProgress: count(locality.totalRequestsInProgress),
        dropped: 0,
      });
    }
    const dropped = count(stats.totalDroppedRequests);
    if (dropped > 0) put('', { issued: 0, errors: 0, finished: 0, inProgress: 0, dropped });
    return [...byZone.values()];
  }
}

interface Sum {
  rate: number;
  errors: number;
  finished: number;
  inProgress: number;
  dropped: number;
  proxies: number;
}

function add(sum: Sum, { issued, errors, finished, inProgress, dropped, seconds }: ProxyLoad): void {
  sum.rate += issued / seconds;
  sum.errors += errors;
  sum.finished += finished;
  sum.inProgress += inProgress;
  sum.dropped += dropped / seconds;
}

function count(value: bigint): number {
  return Math.min(mostCount, Number(value));
}

function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}

function text({ source, destination, port, zone }: LoadRow): string {
  return `${source} ${destination} ${port} ${zone}`;
}

/** Of `outbound|80|v1|payments.shop`; null for what leads to no Service. */
function serviceOf(
  clusterName: string,
): { readonly namespace: string; readonly service: string; readonly port: number } | null {
  const parts = /^outbound\|(\d{1,5})\|[^|]*\|([^.|]+)\.([^.|]+)$/.exec(clusterName);
  return parts === null ? null : { port: Number(parts[1]), service: parts[2]!, namespace: parts[3]! };
}

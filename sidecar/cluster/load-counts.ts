/**
 * What load reports are made of: what went to each locality of each cluster since it was last asked. It reads numbers that hosts keep anyhow, so that nothing of it is on the data path. Knows no protocol; what is made of it: xds/lrs/.
 * What a host had carried when it went away, and a cluster when it was replaced, since the last report, is not told any more (as in Envoy).
 */
import type { RunningCluster } from './running-cluster.ts';
import type { RunningHost } from './running-host.ts';

export interface HostLoad {
  readonly host: string;
  readonly port: number;
  /** '': it is no Unix socket. */
  readonly pipePath: string;
  readonly successes: number;
  readonly errors: number;
  readonly issued: number;
  readonly inProgress: number;
}

export interface LocalityLoad {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
  readonly priority: number;
  /** Of all its hosts together. */
  readonly successes: number;
  readonly errors: number;
  readonly issued: number;
  readonly inProgress: number;
  /** Those that carried something. */
  readonly hosts: readonly HostLoad[];
}

export interface ClusterLoad {
  readonly name: string;
  /** What EDS is asked for; '': it is not by EDS. */
  readonly serviceName: string;
  /** Those that carried something. */
  readonly localities: readonly LocalityLoad[];
  /** Requests that were refused without being sent: `overflow`, beyond the cluster's limits; `circuit_breaker`, open. Those above 0. */
  readonly dropped: ReadonlyArray<{ readonly category: string; readonly count: number }>;
  /** That it was counted over. */
  readonly intervalMs: number;
}

/** Where the numbers are. */
export interface RunningClusters {
  readonly running: ReadonlyMap<string, RunningCluster>;
}

interface Told {
  sinceMs: number;
  overflow: number;
  refused: number;
}

interface HostTold {
  successes: number;
  errors: number;
  issued: number;
}

const nothingTold: HostTold = { successes: 0, errors: 0, issued: 0 };

export class LoadCounts {
  readonly #clusters: RunningClusters;
  #told = new Map<string, Told>();
  readonly #hosts = new WeakMap<RunningHost, HostTold>();

  constructor(clusters: RunningClusters) {
    this.#clusters = clusters;
  }

  /** Begins to count for clusters that were not counted for. `names` null: all. */
  begin(names: ReadonlySet<string> | null, nowMs: number): void {
    for (const [name, cluster] of this.#clusters.running) {
      if ((names !== null && !names.has(name)) || this.#told.has(name)) continue;
      this.#told.set(name, { sinceMs: nowMs, ...refusals(cluster) });
      for (const host of cluster.hosts.byAddress.values()) this.#hosts.set(host, countsOf(host));
    }
  }

  /** What came since, of clusters that had anything; from here on it is counted anew. A cluster that is new since then counts from `sinceMs`. */
  take(names: ReadonlySet<string> | null, sinceMs: number, nowMs: number): ClusterLoad[] {
    const told = new Map<string, Told>();
    const loads: ClusterLoad[] = [];
    for (const [name, cluster] of this.#clusters.running) {
      if (names !== null && !names.has(name)) continue;
      const before = this.#told.get(name);
      const now = refusals(cluster);
      told.set(name, { sinceMs: nowMs, ...now });
      const localities = this.#localities(cluster);
      const dropped = [
        { category: 'overflow', count: since(now.overflow, before?.overflow ?? 0) },
        { category: 'circuit_breaker', count: since(now.refused, before?.refused ?? 0) },
      ].filter(({ count }) => count > 0);
      if (localities.length === 0 && dropped.length === 0) continue;
      const { discovery } = cluster.config;
      const serviceName = discovery.kind === 'eds' ? discovery.serviceName : '';
      loads.push({ name, serviceName, localities, dropped, intervalMs: nowMs - (before?.sinceMs ?? sinceMs) });
    }
    this.#told = told;
    return loads;
  }

  #localities(cluster: RunningCluster): LocalityLoad[] {
    const byLocality = new Map<string, HostLoad[]>();
    const localities = new Map<string, RunningHost['locality']>();
    for (const host of cluster.hosts.byAddress.values()) {
      const before = this.#hosts.get(host) ?? nothingTold;
      const now = countsOf(host);
      this.#hosts.set(host, now);
      const load = {
        host: host.host,
        port: host.port,
        pipePath: host.pipePath,
        successes: now.successes - before.successes,
        errors: now.errors - before.errors,
        issued: now.issued - before.issued,
        inProgress: host.activeRequests,
      };
      if (load.successes + load.errors + load.issued + load.inProgress === 0) continue;
      const { region, zone, subZone, priority } = host.locality;
      const key = JSON.stringify([region, zone, subZone, priority]);
      const others = byLocality.get(key);
      if (others === undefined) {
        byLocality.set(key, [load]);
        localities.set(key, host.locality);
      } else others.push(load);
    }
    return [...byLocality].map(([key, hosts]) => {
      const { region, zone, subZone, priority } = localities.get(key)!;
      const sum = (count: (load: HostLoad) => number): number => hosts.reduce((all, load) => all + count(load), 0);
      return {
        ...{ region, zone, subZone, priority, hosts },
        successes: sum((load) => load.successes),
        errors: sum((load) => load.errors),
        issued: sum((load) => load.issued),
        inProgress: sum((load) => load.inProgress),
      };
    });
  }
}

function countsOf({ successes, errors, totalRequests }: RunningHost): HostTold {
  return { successes, errors, issued: totalRequests };
}

function refusals({ stats, breaker }: RunningCluster): { readonly overflow: number; readonly refused: number } {
  return { overflow: stats.pendingOverflow.value, refused: breaker?.refused ?? 0 };
}

/** Statistics may have been reset, or be those of another one of the same name. */
function since(now: number, before: number): number {
  return now >= before ? now - before : now;
}

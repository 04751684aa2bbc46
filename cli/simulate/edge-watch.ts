/** Looks at one caller's way to a service now and then: what its calls came to, and what its sidecars count of retries, limits and hosts. */
import type { RunningCluster } from '../../sidecar/cluster/running-cluster.ts';
import type { CallCounts, CallRecord } from './call-record.ts';
import type { Way } from './mesh-configuration.ts';
import type { OutboundSidecar } from './outbound-sidecar.ts';
import type { EdgeMoment, EdgeTotal } from './simulation-result.ts';

interface Watched {
  readonly cluster: RunningCluster;
  readonly sidecar: OutboundSidecar;
}

/** What only grows. */
interface Counts {
  readonly retriesRefused: number;
  readonly overflows: number;
  readonly ejections: number;
  readonly breakerOpenings: number;
}

const nothing: Counts = { retriesRefused: 0, overflows: 0, ejections: 0, breakerOpenings: 0 };

export class EdgeWatch {
  readonly #record: CallRecord;
  readonly #sidecars: readonly OutboundSidecar[];
  readonly #way: Way;
  readonly #watched: readonly Watched[];
  #before = nothing;
  #mostEjected = 0;

  constructor(record: CallRecord, sidecars: readonly OutboundSidecar[], way: Way) {
    this.#record = record;
    this.#sidecars = sidecars;
    this.#way = way;
    this.#watched = sidecars.flatMap((sidecar) =>
      way.clusters.flatMap((name) => {
        const cluster = sidecar.runningCluster(name);
        return cluster === undefined ? [] : [{ sidecar, cluster }];
      }),
    );
  }

  look(overMs: number): EdgeMoment {
    const before = this.#before;
    const now = this.#counts();
    this.#before = now;
    let ejected = 0;
    let unhealthy = 0;
    let breakersOpen = 0;
    for (const sidecar of this.#sidecars) {
      for (const { scope, name, state } of sidecar.breakers.dump())
        if (state !== 'closed' && this.#isMine(scope, name)) breakersOpen++;
      let mine = 0;
      for (const watched of this.#watched) {
        if (watched.sidecar !== sidecar) continue;
        mine += ejectedBy(watched);
        const { hosts } = watched.cluster;
        hosts.refresh();
        unhealthy += hosts.byAddress.size - hosts.healthyCount;
      }
      ejected += mine;
      this.#mostEjected = Math.max(this.#mostEjected, mine);
    }
    return {
      ...this.#figures(this.#record.take(), overMs),
      retriesRefused: now.retriesRefused - before.retriesRefused,
      overflows: now.overflows - before.overflows,
      ejected: rounded(ejected / this.#sidecars.length, 2),
      unhealthy: rounded(unhealthy / this.#sidecars.length, 2),
      breakersOpen: rounded(breakersOpen / this.#sidecars.length, 2),
    };
  }

  /** Behind the last look. */
  total(overMs: number): EdgeTotal {
    return {
      ...this.#figures(this.#record.total, overMs),
      ...this.#counts(),
      mostEjected: this.#mostEjected,
      failures: this.#record.failures,
    };
  }

  /** A circuit breaker of a cluster or a route on this way. */
  #isMine(scope: string, name: string): boolean {
    const { clusters, virtualHosts } = this.#way;
    return scope === 'cluster' ? clusters.includes(name) : virtualHosts.some((host) => name.startsWith(`${host}/`));
  }

  #figures({ ended, succeeded, attempts, p50Ms, p99Ms }: CallCounts, overMs: number) {
    const { from, to } = this.#record;
    return {
      from,
      to,
      calls: ended,
      callsPerSecond: rounded((ended * 1000) / overMs, 2),
      successPercent: ended === 0 ? 100 : rounded((succeeded / ended) * 100, 3),
      p50Ms: rounded(p50Ms, 2),
      p99Ms: rounded(p99Ms, 2),
      attemptsPerCall: ended === 0 ? 1 : rounded(attempts / ended, 3),
    };
  }

  #counts(): Counts {
    let { retriesRefused, overflows, ejections, breakerOpenings } = nothing;
    for (const { cluster, sidecar } of this.#watched) {
      const { stats, config } = cluster;
      retriesRefused += stats.retryOverflow.value;
      overflows += stats.pendingOverflow.value;
      ejections +=
        sidecar.stats.counters.get(`cluster.${config.statName}.outlier_detection.ejections_enforced_total`)?.value ?? 0;
    }
    for (const { stats } of this.#sidecars)
      for (const { name, labels, value } of stats.counters.values())
        if (name === transitions && labels['to'] === 'open' && this.#isMine(labels['scope']!, labels['name']!))
          breakerOpenings += value;
    return { retriesRefused, overflows, ejections, breakerOpenings };
  }
}

const transitions = 'outrigger.circuit_breaker.transitions';

function ejectedBy({ cluster, sidecar }: Watched): number {
  return sidecar.stats.gauges.get(`cluster.${cluster.config.statName}.outlier_detection.ejections_active`)?.value ?? 0;
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

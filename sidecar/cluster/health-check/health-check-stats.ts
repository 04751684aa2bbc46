/** Statistics of active health checks under Envoy's names: `cluster.<name>.health_check.…`. */
import type { Counter, Gauge, StatStore } from '../../stats/stat-store.ts';

export class HealthCheckStats {
  readonly attempts: Counter;
  readonly successes: Counter;
  readonly failures: Counter;
  /** Failures with why they failed: no connection, a reset, or nothing in time. */
  readonly networkFailures: Counter;
  readonly passiveFailures: Counter;
  readonly verifyCluster: Counter;
  readonly healthy: Gauge;
  readonly degraded: Gauge;

  constructor(store: StatStore, statName: string) {
    const prefix = `cluster.${statName}.health_check.`;
    this.attempts = store.counter(`${prefix}attempt`);
    this.successes = store.counter(`${prefix}success`);
    this.failures = store.counter(`${prefix}failure`);
    this.networkFailures = store.counter(`${prefix}network_failure`);
    this.passiveFailures = store.counter(`${prefix}passive_failure`);
    this.verifyCluster = store.counter(`${prefix}verify_cluster`);
    this.healthy = store.gauge(`${prefix}healthy`);
    this.degraded = store.gauge(`${prefix}degraded`);
  }
}

/** What Prometheus is told of the stream to the control plane: `outrigger_xds_…`, beside Envoy's statistics of the same. */
import type { Counter, Gauge, StatStore } from '../../stats/stat-store.ts';
import type { TypeState } from './type-state.ts';

export class XdsMetrics {
  readonly connected: Gauge;
  readonly connectAttempts: Counter;
  readonly #stats: StatStore;

  constructor(stats: StatStore) {
    this.#stats = stats;
    this.connected = this.#gauge('outrigger_xds_connected', {});
    this.connectAttempts = this.#counter('outrigger_xds_connect_attempts_total', {});
  }

  accepted({ type, resources }: TypeState, wallMs: number): void {
    this.#update(type.label, 'accepted');
    this.#gauge('outrigger_xds_resources', { type: type.label }).value = resources.size;
    this.#gauge('outrigger_xds_last_update_timestamp_seconds', { type: type.label }).value = wallMs / 1000;
  }

  rejected({ type }: TypeState): void {
    this.#update(type.label, 'rejected');
  }

  #update(type: string, result: string): void {
    this.#counter('outrigger_xds_updates_total', { type, result }).value++;
  }

  #counter(family: string, labels: Readonly<Record<string, string>>): Counter {
    return this.#stats.counter(family, family, labels);
  }

  #gauge(family: string, labels: Readonly<Record<string, string>>): Gauge {
    return this.#stats.gauge(family, family, labels);
  }
}

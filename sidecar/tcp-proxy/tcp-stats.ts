/** What a TCP proxy counts: Envoy's statistics under its `stat_prefix`, and ours for Prometheus, with bounded labels: nothing that a caller sends becomes a label value. */
import type { Counter, Gauge, StatLabels, StatStore } from '../stats/stat-store.ts';

export class TcpStats {
  readonly connections: Counter;
  readonly noRoute: Counter;
  readonly receivedBytes: Counter;
  readonly sentBytes: Counter;
  readonly pausedReading: Counter;
  readonly resumedReading: Counter;
  readonly idleTimeouts: Counter;
  readonly maxDurations: Counter;
  readonly upstreamFlushes: Counter;
  readonly upstreamFlushesActive: Gauge;

  constructor(store: StatStore, statPrefix: string) {
    const prefix = `tcp.${statPrefix}.`;
    this.connections = store.counter(`${prefix}downstream_cx_total`);
    this.noRoute = store.counter(`${prefix}downstream_cx_no_route`);
    this.receivedBytes = store.counter(`${prefix}downstream_cx_rx_bytes_total`);
    this.sentBytes = store.counter(`${prefix}downstream_cx_tx_bytes_total`);
    this.pausedReading = store.counter(`${prefix}downstream_flow_control_paused_reading_total`);
    this.resumedReading = store.counter(`${prefix}downstream_flow_control_resumed_reading_total`);
    this.idleTimeouts = store.counter(`${prefix}idle_timeout`);
    this.maxDurations = store.counter(`${prefix}max_downstream_connection_duration`);
    this.upstreamFlushes = store.counter(`${prefix}upstream_flush_total`);
    this.upstreamFlushesActive = store.gauge(`${prefix}upstream_flush_active`);
  }
}

export const openedFamily = 'outrigger_tcp_connections_opened_total';

/** All families that have a destination of TCP; see ../connection-manager/stale-request-metrics.ts. */
export interface TcpMetricScope {
  readonly direction: string;
  readonly source: string;
  readonly destination: string;
  /** The SNI of the client as the configuration names it: a name or wildcard of the filter chain, `other`, or ''. */
  readonly server_name: string;
}

/** Of the connections of one scope. */
export class TcpMetrics {
  readonly opened: Counter;
  readonly receivedBytes: Counter;
  readonly sentBytes: Counter;
  readonly #store: StatStore;
  readonly #labels: StatLabels;

  constructor(store: StatStore, scope: TcpMetricScope) {
    this.#store = store;
    this.#labels = { ...scope };
    this.opened = this.#counter(openedFamily, {});
    this.receivedBytes = this.#counter('outrigger_tcp_received_bytes_total', {});
    this.sentBytes = this.#counter('outrigger_tcp_sent_bytes_total', {});
  }

  /** `flags`: Envoy's; '' where it went well. */
  closed(flags: string): void {
    this.#counter('outrigger_tcp_connections_closed_total', { flags }).value++;
  }

  #counter(family: string, more: StatLabels): Counter {
    return this.#store.counter(family, family, { ...this.#labels, ...more });
  }
}

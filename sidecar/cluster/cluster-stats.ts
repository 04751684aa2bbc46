/** A cluster's statistics under Envoy's names, looked up once when the cluster is made. */
import type { Counter, Gauge, Histogram, StatStore } from '../stats/stat-store.ts';

export class ClusterStats {
  readonly connections: Counter;
  readonly http1Connections: Counter;
  readonly http2Connections: Counter;
  readonly connectionsActive: Gauge;
  readonly connectFailures: Counter;
  readonly connectTimeouts: Counter;
  readonly connectionOverflow: Counter;
  readonly connectionsDestroyed: Counter;
  readonly idleTimeouts: Counter;
  readonly maxRequestsReached: Counter;
  readonly requests: Counter;
  readonly requestsActive: Gauge;
  readonly pending: Counter;
  readonly pendingActive: Gauge;
  readonly pendingOverflow: Counter;
  readonly retries: Counter;
  readonly retryOverflow: Counter;
  readonly timeouts: Counter;
  readonly resets: Counter;
  readonly completed: Counter;
  readonly noHealthyHost: Counter;
  readonly membership: Gauge;
  readonly membershipHealthy: Gauge;
  readonly membershipChanges: Counter;
  readonly tlsHandshakes: Counter;
  readonly tlsErrors: Counter;
  readonly requestTime: Histogram;
  readonly #store: StatStore;
  readonly #prefix: string;
  readonly #byStatus: Array<Counter | undefined> = [];
  readonly #byClass: Array<Counter | undefined> = [];

  constructor(store: StatStore, statName: string) {
    const prefix = `cluster.${statName}.`;
    this.#store = store;
    this.#prefix = prefix;
    this.connections = store.counter(`${prefix}upstream_cx_total`);
    this.http1Connections = store.counter(`${prefix}upstream_cx_http1_total`);
    this.http2Connections = store.counter(`${prefix}upstream_cx_http2_total`);
    this.connectionsActive = store.gauge(`${prefix}upstream_cx_active`);
    this.connectFailures = store.counter(`${prefix}upstream_cx_connect_fail`);
    this.connectTimeouts = store.counter(`${prefix}upstream_cx_connect_timeout`);
    this.connectionOverflow = store.counter(`${prefix}upstream_cx_overflow`);
    this.connectionsDestroyed = store.counter(`${prefix}upstream_cx_destroy`);
    this.idleTimeouts = store.counter(`${prefix}upstream_cx_idle_timeout`);
    this.maxRequestsReached = store.counter(`${prefix}upstream_cx_max_requests`);
    this.requests = store.counter(`${prefix}upstream_rq_total`);
    this.requestsActive = store.gauge(`${prefix}upstream_rq_active`);
    this.pending = store.counter(`${prefix}upstream_rq_pending_total`);
    this.pendingActive = store.gauge(`${prefix}upstream_rq_pending_active`);
    this.pendingOverflow = store.counter(`${prefix}upstream_rq_pending_overflow`);
    this.retries = store.counter(`${prefix}upstream_rq_retry`);
    this.retryOverflow = store.counter(`${prefix}upstream_rq_retry_overflow`);
    this.timeouts = store.counter(`${prefix}upstream_rq_timeout`);
    this.resets = store.counter(`${prefix}upstream_rq_rx_reset`);
    this.completed = store.counter(`${prefix}upstream_rq_completed`);
    this.noHealthyHost = store.counter(`${prefix}upstream_cx_none_healthy`);
    this.membership = store.gauge(`${prefix}membership_total`);
    this.membershipHealthy = store.gauge(`${prefix}membership_healthy`);
    this.membershipChanges = store.counter(`${prefix}membership_change`);
    this.tlsHandshakes = store.counter(`${prefix}ssl.handshake`);
    this.tlsErrors = store.counter(`${prefix}ssl.connection_error`);
    this.requestTime = store.histogram(`${prefix}upstream_rq_time`);
  }

  /** Counts an answer under its code and class. */
  countStatus(status: number): void {
    this.completed.value++;
    let byStatus = this.#byStatus[status];
    if (byStatus === undefined) {
      byStatus = this.#store.counter(`${this.#prefix}upstream_rq_${status}`);
      this.#byStatus[status] = byStatus;
    }
    byStatus.value++;
    const statusClass = Math.floor(status / 100);
    let byClass = this.#byClass[statusClass];
    if (byClass === undefined) {
      byClass = this.#store.counter(`${this.#prefix}upstream_rq_${statusClass}xx`);
      this.#byClass[statusClass] = byClass;
    }
    byClass.value++;
  }
}

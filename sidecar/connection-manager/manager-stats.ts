/** Statistics of one HTTP connection manager under Envoy's names (`http.<stat_prefix>.…`). */
import type { Counter, Gauge, Histogram, StatStore } from '../stats/stat-store.ts';

export class ManagerStats {
  readonly connections: Counter;
  readonly connectionsActive: Gauge;
  readonly http1Connections: Counter;
  readonly http2Connections: Counter;
  readonly connectionsDestroyed: Counter;
  readonly protocolErrors: Counter;
  readonly connectionIdleTimeouts: Counter;
  readonly connectionMaxDurations: Counter;
  readonly connectionMaxRequests: Counter;
  /** Connections whose client was asked for a new one because certificates end. */
  readonly connectionsRemade: Counter;
  readonly requests: Counter;
  readonly requestsActive: Gauge;
  readonly completed: Counter;
  readonly resets: Counter;
  readonly resetsSent: Counter;
  readonly requestTimeouts: Counter;
  readonly idleTimeouts: Counter;
  readonly maxDurations: Counter;
  /** No route took the request. */
  readonly noRoute: Counter;
  readonly noCluster: Counter;
  readonly requestTime: Histogram;
  readonly #byClass: readonly Counter[];

  constructor(store: StatStore, prefix: string) {
    const name = (metric: string): string => `http.${prefix}.${metric}`;
    this.connections = store.counter(name('downstream_cx_total'));
    this.connectionsActive = store.gauge(name('downstream_cx_active'));
    this.http1Connections = store.counter(name('downstream_cx_http1_total'));
    this.http2Connections = store.counter(name('downstream_cx_http2_total'));
    this.connectionsDestroyed = store.counter(name('downstream_cx_destroy'));
    this.protocolErrors = store.counter(name('downstream_cx_protocol_error'));
    this.connectionIdleTimeouts = store.counter(name('downstream_cx_idle_timeout'));
    this.connectionMaxDurations = store.counter(name('downstream_cx_max_duration_reached'));
    this.connectionMaxRequests = store.counter(name('downstream_cx_max_requests_reached'));
    this.connectionsRemade = store.counter(name('outrigger_cx_certificate_ending'));
    this.requests = store.counter(name('downstream_rq_total'));
    this.requestsActive = store.gauge(name('downstream_rq_active'));
    this.completed = store.counter(name('downstream_rq_completed'));
    this.resets = store.counter(name('downstream_rq_rx_reset'));
    this.resetsSent = store.counter(name('downstream_rq_tx_reset'));
    this.requestTimeouts = store.counter(name('downstream_rq_timeout'));
    this.idleTimeouts = store.counter(name('downstream_rq_idle_timeout'));
    this.maxDurations = store.counter(name('downstream_rq_max_duration_reached'));
    this.noRoute = store.counter(name('no_route'));
    this.noCluster = store.counter(name('no_cluster'));
    this.requestTime = store.histogram(name('downstream_rq_time'));
    this.#byClass = [1, 2, 3, 4, 5].map((digit) => store.counter(name(`downstream_rq_${digit}xx`)));
  }

  /** A request began. */
  begin(): void {
    this.requests.value++;
    this.requestsActive.value++;
  }

  /** It ended, answered with this status; 0: the caller was gone before an answer began. */
  count(status: number, durationMs: number): void {
    this.requestsActive.value--;
    if (status !== 0) {
      this.completed.value++;
      const byClass = this.#byClass[((status / 100) | 0) - 1];
      if (byClass !== undefined) byClass.value++;
    }
    this.requestTime.record(durationMs);
  }
}

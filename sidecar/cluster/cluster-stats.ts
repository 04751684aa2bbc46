/** A cluster's statistics under Envoy's names, looked up once when the cluster is made. */
import type { Counter, Gauge, Histogram, StatLabels, StatStore } from '../stats/stat-store.ts';
import type { PeerFaultReason } from '../transport/peer-certificate.ts';
import type { BulkheadStats } from './bulkhead.ts';
import type { FallbackAnswer, RetryEvent, UpstreamTimeLimit } from './upstream.ts';

export class ClusterStats implements BulkheadStats {
  readonly connections: Counter;
  readonly http1Connections: Counter;
  readonly http2Connections: Counter;
  readonly connectionsActive: Gauge;
  readonly connectFailures: Counter;
  readonly connectTimeouts: Counter;
  readonly connectionOverflow: Counter;
  readonly connectionsDestroyed: Counter;
  readonly destroyedLocally: Counter;
  readonly destroyedRemotely: Counter;
  readonly destroyedWithRequests: Counter;
  readonly idleTimeouts: Counter;
  readonly maxRequestsReached: Counter;
  readonly maxDurationReached: Counter;
  readonly receivedBytes: Counter;
  readonly sentBytes: Counter;
  readonly requests: Counter;
  readonly requestsActive: Gauge;
  readonly completed: Counter;
  readonly pending: Counter;
  readonly pendingActive: Gauge;
  readonly pendingOverflow: Counter;
  readonly pendingFailures: Counter;
  readonly cancelled: Counter;
  readonly retries: Counter;
  readonly retryOverflow: Counter;
  readonly timeLimits: Readonly<Record<UpstreamTimeLimit, Counter>>;
  readonly retryEvents: Readonly<Record<RetryEvent, Counter>>;
  readonly resetsReceived: Counter;
  readonly resetsSent: Counter;
  readonly noHealthyHost: Counter;
  readonly healthyPanic: Counter;
  readonly membership: Gauge;
  readonly membershipHealthy: Gauge;
  readonly membershipDegraded: Gauge;
  readonly membershipExcluded: Gauge;
  readonly membershipChanges: Counter;
  readonly connectionsOpen: Gauge;
  readonly pendingOpen: Gauge;
  readonly requestsOpen: Gauge;
  readonly retriesOpen: Gauge;
  readonly tlsHandshakes: Counter;
  readonly tlsResumed: Counter;
  readonly tlsErrors: Counter;
  readonly requestTime: Histogram;
  readonly #store: StatStore;
  readonly #prefix: string;
  readonly #labels: StatLabels;
  readonly #byStatus: Array<Counter | undefined> = [];
  readonly #byClass: Array<Counter | undefined> = [];

  constructor(store: StatStore, statName: string) {
    const prefix = `cluster.${statName}.`;
    const counter = (name: string): Counter => store.counter(prefix + name);
    const gauge = (name: string): Gauge => store.gauge(prefix + name);
    this.#store = store;
    this.#prefix = prefix;
    this.#labels = { cluster: statName };
    this.connections = counter('upstream_cx_total');
    this.http1Connections = counter('upstream_cx_http1_total');
    this.http2Connections = counter('upstream_cx_http2_total');
    this.connectionsActive = gauge('upstream_cx_active');
    this.connectFailures = counter('upstream_cx_connect_fail');
    this.connectTimeouts = counter('upstream_cx_connect_timeout');
    this.connectionOverflow = counter('upstream_cx_overflow');
    this.connectionsDestroyed = counter('upstream_cx_destroy');
    this.destroyedLocally = counter('upstream_cx_destroy_local');
    this.destroyedRemotely = counter('upstream_cx_destroy_remote');
    this.destroyedWithRequests = counter('upstream_cx_destroy_with_active_rq');
    this.idleTimeouts = counter('upstream_cx_idle_timeout');
    this.maxRequestsReached = counter('upstream_cx_max_requests');
    this.maxDurationReached = counter('upstream_cx_max_duration_reached');
    this.receivedBytes = counter('upstream_cx_rx_bytes_total');
    this.sentBytes = counter('upstream_cx_tx_bytes_total');
    this.requests = counter('upstream_rq_total');
    this.requestsActive = gauge('upstream_rq_active');
    this.completed = counter('upstream_rq_completed');
    this.pending = counter('upstream_rq_pending_total');
    this.pendingActive = gauge('upstream_rq_pending_active');
    this.pendingOverflow = counter('upstream_rq_pending_overflow');
    this.pendingFailures = counter('upstream_rq_pending_failure_eject');
    this.cancelled = counter('upstream_rq_cancelled');
    this.retries = counter('upstream_rq_retry');
    this.retryOverflow = counter('upstream_rq_retry_overflow');
    this.timeLimits = {
      route: counter('upstream_rq_timeout'),
      try: counter('upstream_rq_per_try_timeout'),
      'try-idle': counter('upstream_rq_per_try_idle_timeout'),
      'try-duration': counter('upstream_rq_max_duration_reached'),
    };
    this.retryEvents = {
      success: counter('upstream_rq_retry_success'),
      limit: counter('upstream_rq_retry_limit_exceeded'),
      abandoned: counter('retry_or_shadow_abandoned'),
      backoff: counter('upstream_rq_retry_backoff_exponential'),
      'backoff-told': counter('upstream_rq_retry_backoff_ratelimited'),
      hedge: counter('upstream_rq_hedge'),
      'hedge-overflow': counter('upstream_rq_hedge_overflow'),
      'hedge-won': counter('upstream_rq_hedge_won'),
    };
    this.resetsReceived = counter('upstream_rq_rx_reset');
    this.resetsSent = counter('upstream_rq_tx_reset');
    this.noHealthyHost = counter('upstream_cx_none_healthy');
    this.membership = gauge('membership_total');
    this.membershipHealthy = gauge('membership_healthy');
    this.membershipDegraded = gauge('membership_degraded');
    this.membershipExcluded = gauge('membership_excluded');
    this.healthyPanic = counter('lb_healthy_panic');
    this.membershipChanges = counter('membership_change');
    this.connectionsOpen = gauge('circuit_breakers.default.cx_open');
    this.pendingOpen = gauge('circuit_breakers.default.rq_pending_open');
    this.requestsOpen = gauge('circuit_breakers.default.rq_open');
    this.retriesOpen = gauge('circuit_breakers.default.rq_retry_open');
    this.tlsHandshakes = counter('ssl.handshake');
    this.tlsResumed = counter('ssl.session_reused');
    this.tlsErrors = counter('ssl.connection_error');
    this.requestTime = store.histogram(`${prefix}upstream_rq_time`);
  }

  /** Counts an answer under its code and class. */
  countStatus(status: number): void {
    this.completed.value++;
    const byStatus = this.#byStatus[status] ?? this.#statusCounter(status);
    byStatus.value++;
    const statusClass = (status / 100) | 0;
    const byClass = this.#byClass[statusClass] ?? this.#classCounter(statusClass);
    byClass.value++;
  }

  /** Counts an answer that nobody got, because it was retried. Rare: looked up by name. */
  countRetried(status: number): void {
    const prefix = `${this.#prefix}retry.upstream_rq_`;
    this.#store.counter(`${prefix}completed`).value++;
    this.#store.counter(`${prefix}${status}`).value++;
    this.#store.counter(`${prefix}${(status / 100) | 0}xx`).value++;
  }

  /** Counts what was answered instead of a failure. Rare: looked up by name. */
  countFallback(kind: FallbackAnswer): void {
    this.#store.counter(`${this.#prefix}upstream_rq_fallback_${kind}`, 'outrigger_fallbacks_total', {
      ...this.#labels,
      kind,
    }).value++;
  }

  /** For the limits of priority HIGH: gauges of its own, counters shared. Made when such a request comes. */
  highBulkhead(): BulkheadStats {
    const gauge = (name: string): Gauge => this.#store.gauge(`${this.#prefix}circuit_breakers.high.${name}_open`);
    return {
      connectionsOpen: gauge('cx'),
      pendingOpen: gauge('rq_pending'),
      requestsOpen: gauge('rq'),
      retriesOpen: gauge('rq_retry'),
      connectionOverflow: this.connectionOverflow,
      pendingOverflow: this.pendingOverflow,
      retryOverflow: this.retryOverflow,
    };
  }

  /** A gauge of our own family for Prometheus, beside Envoy's names: `outrigger_bulkhead_in_use{cluster,limit}` and so on. */
  ownGauge(family: string, limit: string): Gauge {
    return this.#store.gauge(
      `${this.#prefix}outrigger.${family}${limit === '' ? '' : `.${limit}`}`,
      family,
      limit === '' ? this.#labels : { ...this.#labels, limit },
    );
  }

  /** Ours that say what Envoy's say, under names of ours. Before statistics are shown. */
  showOwn(connectionsTaken: number): void {
    const show = (family: string, count: number, more: StatLabels = {}): void => {
      const labels = { ...this.#labels, ...more };
      this.#store.counter(`${this.#prefix}outrigger.${family}`, family, labels).value = count;
    };
    const timeouts = this.connectTimeouts.value;
    const failed = 'outrigger_upstream_connections_failed_total';
    this.ownGauge('outrigger_upstream_connections', '').value = connectionsTaken;
    show('outrigger_upstream_connections_opened_total', this.connections.value);
    show('outrigger_upstream_connections_closed_total', this.connectionsDestroyed.value);
    show(failed, this.connectFailures.value - timeouts, { reason: 'connect' });
    show(failed, timeouts, { reason: 'timeout' });
    show('outrigger_retry_budget_exhausted_total', this.retryOverflow.value);
  }

  /** A host showed a certificate that is not wanted: by reason, beside Envoy's `ssl.fail_verify_…`. */
  countPeerFault(reason: PeerFaultReason): void {
    const own =
      reason === 'wrong-name' || reason === 'wrong-trust-domain'
        ? 'san'
        : reason === 'no-certificate'
          ? 'no_cert'
          : 'error';
    this.#store.counter(`${this.#prefix}ssl.fail_verify_${own}`).value++;
    this.#store.counter(`${this.#prefix}ssl.outrigger_peers_refused`, 'outrigger_tls_peers_refused_total', {
      side: 'upstream',
      ...this.#labels,
      reason,
    }).value++;
  }

  /** Takes every statistic of the cluster out of the store. Not by prefix alone: `cluster.a.` begins those of a cluster `a.b` too. */
  remove(otherStatNames: ReadonlySet<string>): void {
    const prefixes = [...otherStatNames]
      .map((name) => `cluster.${name}.`)
      .filter((prefix) => prefix.startsWith(this.#prefix));
    for (const map of [this.#store.counters, this.#store.gauges, this.#store.histograms]) {
      for (const [key, { name }] of map)
        if (name.startsWith(this.#prefix) && !prefixes.some((prefix) => name.startsWith(prefix))) map.delete(key);
    }
  }

  #statusCounter(status: number): Counter {
    return (this.#byStatus[status] = this.#store.counter(`${this.#prefix}upstream_rq_${status}`));
  }

  #classCounter(statusClass: number): Counter {
    return (this.#byClass[statusClass] = this.#store.counter(`${this.#prefix}upstream_rq_${statusClass}xx`));
  }
}

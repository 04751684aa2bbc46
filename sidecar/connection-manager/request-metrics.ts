/**
 * Our Prometheus metrics of requests, with bounded labels: nothing that a caller sends becomes a label value. A label set is resolved to its counters once and found
 * again by comparing a few numbers and short strings.
 */
import type { RetryReason } from '../router/stream-filter.ts';
import type { Counter, Histogram, StatLabels, StatStore } from '../stats/stat-store.ts';

/** All families that have a route and a destination; see stale-request-metrics.ts. */
export const requestMetricFamilies: ReadonlySet<string> = new Set([
  'outrigger_requests_total',
  'outrigger_request_duration_seconds',
  'outrigger_request_bytes_total',
  'outrigger_response_bytes_total',
  'outrigger_retries_total',
]);

export class RequestMetricSet {
  readonly protocol: 'http1' | 'http2';
  readonly status: number;
  readonly grpcStatus: string;
  readonly flag: string;
  readonly requests: Counter;
  readonly duration: Histogram;
  readonly requestBytes: Counter;
  readonly responseBytes: Counter;

  constructor(
    store: StatStore,
    scope: RequestMetricScope,
    protocol: 'http1' | 'http2',
    status: number,
    grpcStatus: string,
    flag: string,
  ) {
    this.protocol = protocol;
    this.status = status;
    this.grpcStatus = grpcStatus;
    this.flag = flag;
    const labels: StatLabels = { ...scope, protocol, code: String(status), grpc_status: grpcStatus, flags: flag };
    this.requests = store.counter('outrigger_requests_total', 'outrigger_requests_total', labels);
    this.duration = store.histogram('outrigger_request_duration_seconds', 'outrigger_request_duration_seconds', labels);
    this.requestBytes = store.counter('outrigger_request_bytes_total', 'outrigger_request_bytes_total', labels);
    this.responseBytes = store.counter('outrigger_response_bytes_total', 'outrigger_response_bytes_total', labels);
  }
}

export type RequestMetricScope = Readonly<Record<'direction' | 'source' | 'destination' | 'route', string>>;

/** All label sets of one route and destination. */
export class RequestMetrics {
  readonly #store: StatStore;
  readonly #scope: RequestMetricScope;
  /** The one asked for last stands first. */
  readonly #sets: RequestMetricSet[] = [];
  /** `removals` of the store when the sets were found: what was dropped from it since must not be counted in. */
  #removals: number;
  /** The same for callers that proved who they are. */
  readonly #bySource = new Map<string, RequestMetrics>();

  constructor(store: StatStore, scope: RequestMetricScope) {
    this.#store = store;
    this.#scope = scope;
    this.#removals = store.removals;
  }

  /** Those of one caller. `source`: one of a bounded number of labels. */
  from(source: string): RequestMetrics {
    let metrics = this.#bySource.get(source);
    if (metrics === undefined) {
      metrics = new RequestMetrics(this.#store, { ...this.#scope, source });
      this.#bySource.set(source, metrics);
    }
    return metrics;
  }

  /** `status`: 0 for a connection that said nothing; `grpcStatus`: 0–16 as text, or ''. */
  set(protocol: 'http1' | 'http2', status: number, grpcStatus: string, flag: string): RequestMetricSet {
    const sets = this.#sets;
    if (this.#removals !== this.#store.removals) {
      this.#removals = this.#store.removals;
      sets.length = 0;
    }
    for (let i = 0; i < sets.length; i++) {
      const set = sets[i]!;
      if (set.status !== status || set.protocol !== protocol || set.grpcStatus !== grpcStatus || set.flag !== flag)
        continue;
      if (i > 0) {
        sets[i] = sets[0]!;
        sets[0] = set;
      }
      return set;
    }
    const made = new RequestMetricSet(this.#store, this.#scope, protocol, status, grpcStatus, flag);
    sets.push(made);
    return made;
  }

  /** A request is sent again; see RetryReason. */
  countRetry(reason: RetryReason): void {
    this.#store.counter('outrigger_retries_total', 'outrigger_retries_total', { ...this.#scope, reason }).value++;
  }
}

/** `outbound|80|v1|payments.shop` → `payments.shop`; other names as they are. */
export function destinationOf(clusterName: string): string {
  const last = clusterName.lastIndexOf('|');
  return last < 0 || last === clusterName.length - 1 ? clusterName : clusterName.slice(last + 1);
}

/** `outbound|80|v1|payments.shop` → `shop/payments`, as services are written everywhere: both ends of an edge have the same text. Other names as {@link destinationOf}. */
export function destinationLabel(clusterName: string): string {
  const service = /^outbound\|\d+\|[^|]*\|([^.|]+)\.([^.|]+)$/.exec(clusterName);
  return service === null ? destinationOf(clusterName) : `${service[2]}/${service[1]}`;
}

/** A gRPC status from a peer as a label: only the 17 that exist; others are UNKNOWN. */
export function grpcStatusLabel(value: string | undefined): string {
  if (value === undefined) return '';
  if (value === '0') return value;
  return /^(?:\d|1[0-6])$/.test(value) ? value : '2';
}

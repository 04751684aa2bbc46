/**
 * Our Prometheus metrics of requests, with bounded labels: nothing that a caller sends becomes a label value. Label sets are resolved to counters once and
 * found again by status alone on the common path.
 */
import type { Counter, Histogram, StatLabels, StatStore } from '../stats/stat-store.ts';

export class RequestMetricSet {
  readonly requests: Counter;
  readonly duration: Histogram;
  readonly requestBytes: Counter;
  readonly responseBytes: Counter;

  constructor(store: StatStore, labels: StatLabels) {
    this.requests = store.counter('outrigger_requests_total', 'outrigger_requests_total', labels);
    this.duration = store.histogram('outrigger_request_duration_seconds', 'outrigger_request_duration_seconds', labels);
    this.requestBytes = store.counter('outrigger_request_bytes_total', 'outrigger_request_bytes_total', labels);
    this.responseBytes = store.counter('outrigger_response_bytes_total', 'outrigger_response_bytes_total', labels);
  }
}

export interface RequestMetricScope {
  readonly direction: string;
  readonly source: string;
  readonly destination: string;
  readonly route: string;
}

/** All label sets of one route and destination. */
export class RequestMetrics {
  readonly #store: StatStore;
  readonly #scope: RequestMetricScope;
  /** By protocol, then status: plain answers without flags or gRPC status. */
  readonly #plainHttp1: Array<RequestMetricSet | undefined> = [];
  readonly #plainHttp2: Array<RequestMetricSet | undefined> = [];
  readonly #others = new Map<string, RequestMetricSet>();

  constructor(store: StatStore, scope: RequestMetricScope) {
    this.#store = store;
    this.#scope = scope;
  }

  /** `grpcStatus`: 0–16 as text, or ''. */
  set(protocol: 'http1' | 'http2', status: number, grpcStatus: string, flag: string): RequestMetricSet {
    if (grpcStatus === '' && flag === '') {
      const plain = protocol === 'http1' ? this.#plainHttp1 : this.#plainHttp2;
      let found = plain[status];
      if (found === undefined) {
        found = this.#create(protocol, status, '', '');
        plain[status] = found;
      }
      return found;
    }
    const key = `${protocol} ${status} ${grpcStatus} ${flag}`;
    let found = this.#others.get(key);
    if (found === undefined) {
      found = this.#create(protocol, status, grpcStatus, flag);
      this.#others.set(key, found);
    }
    return found;
  }

  #create(protocol: string, status: number, grpcStatus: string, flags: string): RequestMetricSet {
    return new RequestMetricSet(this.#store, { ...this.#scope, protocol, code: String(status), grpc_status: grpcStatus, flags });
  }
}

/** `outbound|80|v1|payments.shop` → `payments.shop`; other names as they are. */
export function destinationOf(clusterName: string): string {
  const last = clusterName.lastIndexOf('|');
  return last < 0 || last === clusterName.length - 1 ? clusterName : clusterName.slice(last + 1);
}

/** A gRPC status from a peer as a label: only the 17 that exist. */
export function grpcStatusLabel(value: string | undefined): string {
  if (value === undefined) return '';
  return /^(?:\d|1[0-6])$/.test(value) ? value : '2';
}

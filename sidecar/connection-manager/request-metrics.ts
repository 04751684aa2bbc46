/**
 * Our Prometheus metrics of requests, with bounded labels: nothing that a caller sends becomes a label value. A label set is resolved to its counters once and found
 * again by comparing a few numbers and short strings.
 */
import type { RetryReason } from '../router/stream-filter.ts';
import type { Counter, Histogram, StatLabels, StatStore } from '../stats/stat-store.ts';
import { overflowLabel, RequestMetricBounds } from './request-metric-bounds.ts';

const requestsFamily = 'outrigger_requests_total';
const durationFamily = 'outrigger_request_duration_seconds';
const retriesFamily = 'outrigger_retries_total';

/** All families that have a route and a destination; see stale-request-metrics.ts. */
export const requestMetricFamilies: ReadonlySet<string> = new Set([
  requestsFamily,
  durationFamily,
  'outrigger_request_bytes_total',
  'outrigger_response_bytes_total',
  retriesFamily,
]);

/** How a request came, as a label. */
export type RequestProtocol = 'http1' | 'http2' | 'grpc';

/** What of them there is; of a connection manager. `names`: of further labels, whose values come with each request. */
export interface MetricShape {
  readonly names: readonly string[];
  readonly route: boolean;
  readonly protocol: boolean;
  readonly grpcStatus: boolean;
  readonly flags: boolean;
  readonly duration: boolean;
  readonly requestBytes: boolean;
  readonly responseBytes: boolean;
}

export const wholeShape: MetricShape = Object.freeze({
  ...{ names: [], route: true, protocol: true, grpcStatus: true, flags: true },
  ...{ duration: true, requestBytes: true, responseBytes: true },
});

const noValues: readonly string[] = Object.freeze([]);

export class RequestMetricSet {
  readonly protocol: string;
  readonly status: number;
  readonly grpcStatus: string;
  readonly flag: string;
  /** Of the shape's further labels. */
  readonly values: readonly string[];
  readonly requests: Counter;
  /** Null here and below: it was left out. */
  readonly duration: Histogram | null;
  readonly requestBytes: Counter | null;
  readonly responseBytes: Counter | null;

  /** `status` -1: they overflow. */
  constructor(
    store: StatStore,
    scope: RequestMetricScope,
    protocol: string,
    status: number,
    grpcStatus: string,
    flag: string,
    shape: MetricShape,
    values: readonly string[],
  ) {
    this.protocol = protocol;
    this.status = status;
    this.grpcStatus = grpcStatus;
    this.flag = flag;
    this.values = values;
    const labels = setLabels(scope, protocol, status, grpcStatus, flag, shape, values);
    this.requests = store.counter(requestsFamily, requestsFamily, labels);
    const counter = (family: string): Counter => store.counter(family, family, labels);
    this.duration = shape.duration ? store.histogram(durationFamily, durationFamily, labels) : null;
    this.requestBytes = shape.requestBytes ? counter('outrigger_request_bytes_total') : null;
    this.responseBytes = shape.responseBytes ? counter('outrigger_response_bytes_total') : null;
  }
}

function setLabels(
  scope: RequestMetricScope,
  protocol: string,
  status: number,
  grpcStatus: string,
  flags: string,
  { names }: MetricShape,
  values: readonly string[],
): StatLabels {
  const code = status < 0 ? overflowLabel : String(status);
  const labels: Record<string, string> = { ...scope, protocol, code, grpc_status: grpcStatus, flags };
  for (const [i, name] of names.entries()) labels[name] = values[i]!;
  return labels;
}

export type RequestMetricScope = Readonly<Record<'direction' | 'source' | 'destination' | 'route', string>>;

/** All label sets of one route and destination. */
export class RequestMetrics {
  readonly #store: StatStore;
  readonly #scope: RequestMetricScope;
  readonly #bounds: RequestMetricBounds;
  readonly #shape: MetricShape;
  /** The one asked for last stands first. */
  readonly #sets: RequestMetricSet[] = [];
  /** For what answers there are beyond so many. */
  #overflow: RequestMetricSet | null = null;
  /** For those that there is no room for in all. */
  #noRoom: RequestMetricSet | null = null;
  /** `removals` of the store when the sets were found: what was dropped from it since must not be counted in. */
  #removals: number;
  /** The same for callers that proved who they are. */
  readonly #bySource = new Map<string, RequestMetrics>();

  constructor(
    store: StatStore,
    scope: RequestMetricScope,
    bounds: RequestMetricBounds = new RequestMetricBounds(store),
    shape: MetricShape = wholeShape,
  ) {
    this.#store = store;
    this.#scope = shape.route || scope.route === '' ? scope : { ...scope, route: '' };
    this.#shape = shape;
    this.#bounds = bounds;
    this.#removals = store.removals;
  }

  /** Those of one caller. `source`: one of a bounded number of labels. */
  from(source: string): RequestMetrics {
    let metrics = this.#bySource.get(source);
    if (metrics === undefined) {
      metrics = new RequestMetrics(this.#store, { ...this.#scope, source }, this.#bounds, this.#shape);
      this.#bySource.set(source, metrics);
    }
    return metrics;
  }

  /** `status`: 0 for a connection that said nothing; `grpcStatus`: 0–16 as text, or ''. `values`: of the shape's further labels; looked at during the call only. */
  set(
    protocol: RequestProtocol,
    status: number,
    grpcStatus: string,
    flag: string,
    values: readonly string[] = noValues,
  ): RequestMetricSet {
    const shape = this.#shape;
    return shape === wholeShape
      ? this.#set(protocol, status, grpcStatus, flag, noValues)
      : this.#set(
          shape.protocol ? protocol : '',
          status,
          shape.grpcStatus ? grpcStatus : '',
          shape.flags ? flag : '',
          values,
        );
  }

  #set(
    protocol: string,
    status: number,
    grpcStatus: string,
    flag: string,
    values: readonly string[],
  ): RequestMetricSet {
    const sets = this.#sets;
    if (this.#removals !== this.#store.removals) {
      this.#removals = this.#store.removals;
      sets.length = 0;
      this.#overflow = null;
      this.#noRoom = null;
    }
    for (let i = 0; i < sets.length; i++) {
      const set = sets[i]!;
      if (set.status !== status || set.protocol !== protocol || set.grpcStatus !== grpcStatus || set.flag !== flag)
        continue;
      if (values.length > 0 && !sameValues(set.values, values)) continue;
      if (i > 0) {
        sets[i] = sets[0]!;
        sets[0] = set;
      }
      return set;
    }
    return this.#newSet(protocol, status, grpcStatus, flag, values);
  }

  /** A request is sent again; see RetryReason. */
  countRetry(reason: RetryReason): void {
    const labels = { ...this.#scope, reason };
    const room = this.#bounds.roomFor(retriesFamily, labels);
    this.#store.counter(retriesFamily, retriesFamily, room ? labels : { ...overflowScope(this.#scope), reason })
      .value++;
  }

  #newSet(
    protocol: string,
    status: number,
    grpcStatus: string,
    flag: string,
    values: readonly string[],
  ): RequestMetricSet {
    const bounds = this.#bounds;
    const ofScope = this.#sets.length >= (values.length > 0 ? mostLabelledAnswers : mostAnswers);
    if (ofScope) {
      bounds.codeOverflows.value++;
      if (this.#overflow !== null) return this.#overflow;
    }
    const labels = ofScope
      ? setLabels(this.#scope, overflowLabel, -1, overflowLabel, overflowLabel, this.#shape, values.map(overflowed))
      : setLabels(this.#scope, protocol, status, grpcStatus, flag, this.#shape, values);
    if (!bounds.roomFor(requestsFamily, labels)) {
      bounds.routeOverflows.value++;
      return (this.#noRoom ??= this.#overflowSet(overflowScope(this.#scope), values));
    }
    if (ofScope) return (this.#overflow = this.#overflowSet(this.#scope, values));
    const made = new RequestMetricSet(
      this.#store,
      this.#scope,
      protocol,
      status,
      grpcStatus,
      flag,
      this.#shape,
      values.length === 0 ? noValues : [...values],
    );
    this.#sets.push(made);
    return made;
  }

  #overflowSet(scope: RequestMetricScope, values: readonly string[]): RequestMetricSet {
    const all = overflowLabel;
    return new RequestMetricSet(this.#store, scope, all, -1, all, all, this.#shape, values.map(overflowed));
  }
}

/** Of one route, destination and caller: services that answer with more kinds of protocol, code, gRPC status and flags make figures nobody reads. */
const mostAnswers = 64;
/** The same where there are further labels. */
const mostLabelledAnswers = 256;

function overflowed(): string {
  return overflowLabel;
}

function sameValues(a: readonly string[], b: readonly string[]): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function overflowScope({ direction }: RequestMetricScope): RequestMetricScope {
  return { direction, source: overflowLabel, destination: overflowLabel, route: overflowLabel };
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

/** A gRPC status as a label: only the 17 that exist; others are UNKNOWN. '' as it is. */
export function grpcStatusLabel(status: string): string {
  return status.length < 2 || /^1[0-6]$/.test(status) ? status : '2';
}

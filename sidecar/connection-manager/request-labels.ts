/**
 * Labels that a connection manager's configuration adds to metrics of requests: their values for one request that has ended. Every value is one of few: of the configuration, or of words of ours; what a caller
 * sends chooses among them.
 */
import type { HeaderFields } from '../codec/header-fields.ts';
import type { RequestAttribute, RequestLabelConfig, RequestMetricsConfig } from '../config/request-metrics-config.ts';
import type { WeightedTarget } from '../router/weighted-target.ts';
import type { MetricShape } from './request-metrics.ts';

/** What is looked at of it. */
export interface LabelledRequest {
  /** Null: it could not be read. */
  readonly head: { readonly method: string; readonly fields: HeaderFields } | null;
  readonly status: number;
  readonly target: WeightedTarget | null;
  readonly lastAttempt: { readonly chosenHost: { readonly zone?: string } | null } | null;
}

const otherValue = 'other';
const methods: ReadonlySet<string> = new Set([
  ...['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE'],
]);
const classes: readonly string[] = ['', '1xx', '2xx', '3xx', '4xx', '5xx'];

interface KnownHeader {
  readonly header: string;
  readonly values: ReadonlySet<string>;
}

export class RequestLabels {
  /** What metrics of these requests are like. */
  readonly shape: MetricShape;
  readonly #from: ReadonlyArray<RequestAttribute | KnownHeader>;
  /** Of the request that was asked for last. */
  readonly #values: string[];
  readonly #subsets = new WeakMap<WeightedTarget, string>();

  constructor({ labels, omittedLabels, omittedMetrics }: RequestMetricsConfig) {
    this.shape = Object.freeze({
      names: labels.map(({ name }) => name),
      route: !omittedLabels.includes('route'),
      protocol: !omittedLabels.includes('protocol'),
      grpcStatus: !omittedLabels.includes('grpc_status'),
      flags: !omittedLabels.includes('flags'),
      duration: !omittedMetrics.includes('outrigger_request_duration_seconds'),
      requestBytes: !omittedMetrics.includes('outrigger_request_bytes_total'),
      responseBytes: !omittedMetrics.includes('outrigger_response_bytes_total'),
    });
    this.#from = labels.map(sourceOf);
    this.#values = labels.map(() => '');
  }

  /** In the order of `shape.names`; '': the request has none. Good until it is called again. */
  valuesOf(request: LabelledRequest): readonly string[] {
    const from = this.#from;
    for (let i = 0; i < from.length; i++) this.#values[i] = this.#value(from[i]!, request);
    return this.#values;
  }

  /** The same of a request that the codec refused. */
  valuesOfRefusal(status: number): readonly string[] {
    return this.valuesOf({ head: null, status, target: null, lastAttempt: null });
  }

  #value(from: RequestAttribute | KnownHeader, request: LabelledRequest): string {
    switch (from) {
      case 'method': {
        if (request.head === null) return '';
        const { method } = request.head;
        return methods.has(method) ? method : otherValue;
      }
      case 'response-class':
        return classes[Math.trunc(request.status / 100)] ?? otherValue;
      case 'destination-subset':
        return request.target === null ? '' : this.#subset(request.target);
      case 'destination-zone':
        return request.lastAttempt?.chosenHost?.zone ?? '';
      default: {
        const value = request.head?.fields.get(from.header);
        if (value === undefined) return '';
        return from.values.has(value) ? value : otherValue;
      }
    }
  }

  #subset(target: WeightedTarget): string {
    let subset = this.#subsets.get(target);
    if (subset === undefined) {
      subset = /^outbound\|\d+\|([^|]*)\|/.exec(target.name)?.[1] ?? '';
      this.#subsets.set(target, subset);
    }
    return subset;
  }
}

function sourceOf({ from }: RequestLabelConfig): RequestAttribute | KnownHeader {
  return from.kind === 'attribute' ? from.attribute : { header: from.header, values: new Set(from.values) };
}

/** Our frozen form of `outrigger.observe.v1.RequestMetrics`: labels that metrics of requests have beside their usual ones, and what is left out of them. Made and validated only in sidecar/xds. */

/** `method`: of the usual ones, else `other`. `response-class`: `2xx`. `destination-subset`: of the cluster. `destination-zone`: of the host that was asked last. */
export type RequestAttribute = 'method' | 'response-class' | 'destination-subset' | 'destination-zone';

export type OmittedLabel = 'route' | 'protocol' | 'grpc_status' | 'flags';

export type OmittedMetric =
  | 'outrigger_request_duration_seconds'
  | 'outrigger_request_bytes_total'
  | 'outrigger_response_bytes_total';

export interface RequestLabelConfig {
  readonly name: string;
  readonly from:
    | { readonly kind: 'attribute'; readonly attribute: RequestAttribute }
    /** `header` in lower case. A value that is none of `values` is `other`. */
    | { readonly kind: 'header'; readonly header: string; readonly values: readonly string[] };
}

export interface RequestMetricsConfig {
  readonly labels: readonly RequestLabelConfig[];
  readonly omittedLabels: readonly OmittedLabel[];
  readonly omittedMetrics: readonly OmittedMetric[];
}

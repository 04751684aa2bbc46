/** Our frozen form of Envoy's HTTP fault filter: which requests are held up, failed or answered slowly on purpose. A route says the same kind of thing instead. */
import type { HeaderMatchConfig } from './route-config.ts';

/** A share of requests: `numerator` of `denominator` (100, 10,000 or 1,000,000). */
export interface FractionConfig {
  readonly numerator: number;
  readonly denominator: number;
}

export interface FaultConfig {
  readonly kind: 'fault';
  /** As configured in `http_filters`; '' where a route says it. */
  readonly filterName: string;
  readonly delay: FaultDelayConfig | null;
  readonly abort: FaultAbortConfig | null;
  readonly responseLimit: FaultResponseLimitConfig | null;
  /** Only requests for this cluster; '': for all. */
  readonly upstreamCluster: string;
  /** All must hold. */
  readonly headers: readonly HeaderMatchConfig[];
  /** Only callers that name themselves so in `x-envoy-downstream-service-node`; empty: all. */
  readonly downstreamNodes: readonly string[];
  /** Of the filter, at one time; Infinity: no limit. */
  readonly maxActiveFaults: number;
  /** Put with the request's metadata when it is delayed or failed; null: nothing. */
  readonly metadata: Readonly<Record<string, unknown>> | null;
}

export interface FaultDelayConfig {
  /** null: `x-envoy-fault-delay-request` of the request says it. */
  readonly fixedMs: number | null;
  readonly share: FractionConfig;
}

export interface FaultAbortConfig {
  readonly by:
    | { readonly kind: 'http'; readonly status: number }
    | { readonly kind: 'grpc'; readonly status: number }
    /** `x-envoy-fault-abort-request` or `-grpc-request` says it. */
    | { readonly kind: 'header' };
  readonly share: FractionConfig;
}

export interface FaultResponseLimitConfig {
  /** KiB a second; null: `x-envoy-fault-throughput-response` says it. */
  readonly kibPerSecond: number | null;
  readonly share: FractionConfig;
}

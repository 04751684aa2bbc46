/** Our frozen form of Envoy's OutlierDetection: when a host that answers badly is left alone for a time. */

/** How a host is found to be an outlier; the names are those of Envoy's `outlier_detection.ejections_…_<kind>` counters. */
export type EjectionKind =
  | 'consecutive_5xx'
  | 'consecutive_gateway_failure'
  | 'consecutive_local_origin_failure'
  | 'success_rate'
  | 'local_origin_success_rate'
  | 'failure_percentage'
  | 'local_origin_failure_percentage';

export interface OutlierDetectionConfig {
  /** Bad answers in a row that eject; 0: none do. Each default is 5. */
  readonly consecutive5xx: number;
  readonly consecutiveGatewayFailure: number;
  /** Only with `splitLocalOrigin`. */
  readonly consecutiveLocalOriginFailure: number;
  /** `split_external_local_origin_errors`: failures to connect, resets and timeouts are counted apart from what hosts answer. */
  readonly splitLocalOrigin: boolean;
  /** How often success rates are looked at and ejected hosts may return; default 10 s. */
  readonly intervalMs: number;
  /** Multiplied by how often the host was ejected of late; default 30 s. */
  readonly baseEjectionTimeMs: number;
  /** Default 300 s, or `baseEjectionTimeMs` where that is more. */
  readonly maxEjectionTimeMs: number;
  /** At most this much is added at random to an ejection's time; default 0. */
  readonly maxEjectionTimeJitterMs: number;
  /** Most hosts that may be ejected at a time, in per cent; default 10. */
  readonly maxEjectionPercent: number;
  /** One host may be ejected whatever `maxEjectionPercent` says, and the last one too. */
  readonly alwaysEjectOneHost: boolean;
  /** Chance in per cent that what was detected is acted upon. Envoy's defaults: 100, but 0 for gateway failures and both failure percentages. */
  readonly enforcingPercent: Readonly<Record<EjectionKind, number>>;
  readonly successRateMinimumHosts: number;
  readonly successRateRequestVolume: number;
  /** Standard deviations below the mean; Envoy's field is in thousandths. Default 1.9. */
  readonly successRateStdevFactor: number;
  readonly failurePercentageThreshold: number;
  readonly failurePercentageMinimumHosts: number;
  readonly failurePercentageRequestVolume: number;
  /** A health check that passes ends an ejection; default true. */
  readonly healthCheckEndsEjection: boolean;
}

/** Our frozen form of Envoy's admission control filter: requests are refused by chance when too many of the last ones failed. */

export interface AdmissionControlConfig {
  readonly kind: 'admission-control';
  readonly filterName: string;
  readonly enabled: boolean;
  readonly windowMs: number;
  /** 1: the chance grows evenly with failures; above: faster. */
  readonly aggression: number;
  /** Below this share of successes requests are refused; above 0 to 1. */
  readonly successThreshold: number;
  /** Below this many requests a second, none is. */
  readonly requestsPerSecondThreshold: number;
  readonly maxRejection: number;
  /** Statuses that are successes, from `start`, before `end`. */
  readonly httpSuccess: ReadonlyArray<{ readonly start: number; readonly end: number }>;
  readonly grpcSuccess: readonly number[];
}

/** Our frozen form of Envoy's adaptive concurrency filter, whose gradient controller is the only one. */

export interface AdaptiveConcurrencyConfig {
  readonly kind: 'adaptive-concurrency';
  readonly filterName: string;
  readonly enabled: boolean;
  /** 400 to 599; default 503. */
  readonly exceededStatus: number;
  readonly gradient: GradientConfig;
}

export interface GradientConfig {
  /** Of the latencies of a window; 0 to 1, default 0.5. */
  readonly percentile: number;
  /** Default 1000. */
  readonly maxConcurrency: number;
  readonly updateIntervalMs: number;
  /** Between two measurements of the least latency. */
  readonly minRttIntervalMs: number;
  /** Requests of one measurement; default 50. */
  readonly minRttRequests: number;
  /** Up to this share of the interval is added by chance, so that sidecars do not measure in step; default 0.15. */
  readonly jitter: number;
  /** While it is measured, and never less; default 3. */
  readonly minConcurrency: number;
  /** What latency may be above the least, as a share of it; default 0.25. */
  readonly buffer: number;
}

/** What a route says for the filter: `outrigger.resilience.v1.SheddingPriority`. */
export interface SheddingPriorityConfig {
  readonly kind: 'shedding-priority';
  readonly priority: 'critical' | 'default' | 'sheddable';
}

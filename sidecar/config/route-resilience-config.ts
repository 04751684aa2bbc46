/** What a route says, by our own extensions (`outrigger.resilience.v1`), of requests that take long and of those that fail. Made and validated only in sidecar/xds. */

export interface HedgingConfig {
  /** `TrafficPolicy shop/payments`, or ''. */
  readonly policy: string;
  readonly when:
    | { readonly kind: 'delay'; readonly delayMs: number }
    | {
        readonly kind: 'percentile';
        /** 50 to 99.9. */
        readonly percentile: number;
        readonly minSamples: number;
        readonly minDelayMs: number;
      };
  /** Attempts beside the first; at least 1. */
  readonly maxHedges: number;
  /** Upper case. */
  readonly methods: readonly string[];
}

/** At least one of `service`, `stale` and `answer` is there; they are tried in this order. */
export interface FallbackConfig {
  /** `TrafficPolicy shop/payments`, or ''. */
  readonly policy: string;
  readonly service: FallbackServiceConfig | null;
  readonly stale: StaleAnswerConfig | null;
  readonly answer: FixedAnswerConfig | null;
  /** Of requests that `service` may be asked after the first one may have acted on them. Upper case. */
  readonly methods: readonly string[];
  /** Answers that are failures. */
  readonly statusCodes: readonly number[];
}

interface FallbackServiceConfig {
  readonly cluster: string;
  /** From when it is asked; 0: none; null: what the route has. */
  readonly timeoutMs: number | null;
}

export interface StaleAnswerConfig {
  readonly maxAgeMs: number;
  readonly maxEntryBytes: number;
  /** Header fields, lower case, beside those that `Vary` names. */
  readonly varyBy: readonly string[];
}

export interface FixedAnswerConfig {
  /** 0: HTTP callers get none. */
  readonly status: number;
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
  readonly body: string;
  /** Null: what `status` stands for. */
  readonly grpcStatus: number | null;
  /** '' : the body. */
  readonly grpcMessage: string;
}

/** Our frozen form of `outrigger.resilience.v1.CircuitBreaker`, with its defaults filled in. */

export interface CircuitBreakerConfig {
  /** Who asked for it, as refused callers and the log are told: `TrafficPolicy shop/payments`; '': nobody said. */
  readonly rule: string;
  readonly windowMs: number;
  /** With fewer calls in the window, shares say nothing. */
  readonly minCalls: number;
  /** 0: shares of failures do not count. */
  readonly failurePercent: number;
  /** 0: failures in a row do not count. */
  readonly consecutiveFailures: number;
  /** From here on a call is slow; 0: no call is. */
  readonly slowCallMs: number;
  readonly slowPercent: number;
  /** At first, and at most; it doubles with each opening that follows upon another. */
  readonly openMs: number;
  readonly maxOpenMs: number;
  /** At most so much longer, at random. */
  readonly jitterPercent: number;
  /** Calls at a time while it is half open. */
  readonly probes: number;
  /** Probes that must succeed until it closes. */
  readonly successesToClose: number;
  readonly failureStatuses: readonly number[];
  readonly failureGrpcStatuses: readonly number[];
}

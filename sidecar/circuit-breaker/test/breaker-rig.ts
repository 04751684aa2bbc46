/** A circuit breaker's state machine on a clock that a test moves, with calls that need no proxy. */
import type { CircuitBreakerConfig } from '../../config/circuit-breaker-config.ts';
import { type BreakerCall, type BreakerChange, type CallOutcome, CircuitBreaker } from '../circuit-breaker.ts';

export function breakerConfig(overrides: Partial<CircuitBreakerConfig> = {}): CircuitBreakerConfig {
  return {
    rule: 'TrafficPolicy shop/orders',
    windowMs: 10_000,
    minCalls: 20,
    failurePercent: 50,
    consecutiveFailures: 0,
    slowCallMs: 0,
    slowPercent: 50,
    openMs: 5_000,
    maxOpenMs: 60_000,
    jitterPercent: 20,
    probes: 3,
    successesToClose: 3,
    failureStatuses: [502, 503, 504],
    failureGrpcStatuses: [4, 14],
    ...overrides,
  };
}

export class BreakerRig {
  nowMs = 1_000;
  random = 0;
  readonly changes: BreakerChange[] = [];
  readonly counts = { calls: { value: 0 }, failures: { value: 0 }, slow: { value: 0 }, refused: { value: 0 } };
  readonly breaker: CircuitBreaker;

  constructor(overrides: Partial<CircuitBreakerConfig> = {}) {
    this.breaker = new CircuitBreaker(
      breakerConfig(overrides),
      this.counts,
      () => this.random,
      this.nowMs,
      (change) => this.changes.push(change),
    );
  }

  /** Null: refused. */
  begin(): BreakerCall | null {
    const call = { breakerPermit: 0, breakerSentMs: 0 };
    if (!this.breaker.enter(call, this.nowMs)) return null;
    this.breaker.sent(call, this.nowMs);
    return call;
  }

  end(call: BreakerCall, outcome: CallOutcome): void {
    this.breaker.end(call, outcome, this.nowMs);
  }

  /** So many calls that take no time. How many were let in. */
  calls(count: number, outcome: CallOutcome): number {
    let entered = 0;
    for (let i = 0; i < count; i++) {
      const call = this.begin();
      if (call === null) continue;
      entered++;
      this.end(call, outcome);
    }
    return entered;
  }
}

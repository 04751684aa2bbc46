/** A bucket of tokens that fills evenly with time (Envoy's, since 1.32: not all at once at the end of an interval). A plain state machine: the time is given. */
import type { TokenBucketConfig } from '../../config/rate-limit-config.ts';

export class TokenBucket {
  readonly maxTokens: number;
  readonly tokensPerMs: number;
  /** Whose limit it is, as answers name it; ''. */
  readonly policy: string;
  #tokens: number;
  #filledMs: number;

  /** Full, at first. */
  constructor({ maxTokens, tokensPerFill, fillIntervalMs }: TokenBucketConfig, nowMs: number, policy = '') {
    this.policy = policy;
    this.maxTokens = maxTokens;
    this.tokensPerMs = tokensPerFill / fillIntervalMs;
    this.#tokens = maxTokens;
    this.#filledMs = nowMs;
  }

  /** Takes one token; false: there is none, and nothing is taken. */
  take(nowMs: number): boolean {
    this.#fill(nowMs);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Whole tokens. */
  remaining(nowMs: number): number {
    this.#fill(nowMs);
    return Math.floor(this.#tokens);
  }

  /** Milliseconds until there is a token; 0: there is one. */
  msUntilToken(nowMs: number): number {
    this.#fill(nowMs);
    return this.#tokens >= 1 ? 0 : (1 - this.#tokens) / this.tokensPerMs;
  }

  #fill(nowMs: number): void {
    if (nowMs <= this.#filledMs) return;
    this.#tokens = Math.min(this.maxTokens, this.#tokens + (nowMs - this.#filledMs) * this.tokensPerMs);
    this.#filledMs = nowMs;
  }
}

/** What a route says of the attempts that one request may take, compiled once; a caller that asks for something by header has rules of its own. */
import type { ForwardActionConfig } from '../config/route-config.ts';
import type { CallerRetry } from './caller-retry.ts';
import { maxReplayBytes } from './request-body.ts';
import { noRetryPolicy, RetryPolicy } from './retry-policy.ts';

export class AttemptRules {
  /** What answers and failures are judged by; null: only free repeats. */
  readonly policy: RetryPolicy | null;
  /** A try that takes long goes on beside another. */
  readonly hedges: boolean;
  /** Of an answer in place of one that did not come in time; 0: the usual one. */
  readonly timeoutStatus: number;
  readonly #configuredBytes: number | null;

  private constructor(policy: RetryPolicy | null, hedges: boolean, timeoutStatus: number, replayBytes: number | null) {
    this.policy = policy;
    this.hedges = hedges;
    this.timeoutStatus = timeoutStatus;
    this.#configuredBytes = replayBytes;
  }

  static compile({ retry, hedgeOnPerTryTimeout, replayLimitBytes }: ForwardActionConfig): AttemptRules {
    const policy = retry === null ? null : RetryPolicy.compile(retry);
    return new AttemptRules(policy, hedgeOnPerTryTimeout, 0, replayLimitBytes);
  }

  /** Nothing but free repeats, where another service is asked instead. */
  withoutPolicy(): AttemptRules {
    return new AttemptRules(null, false, this.timeoutStatus, this.#configuredBytes);
  }

  withCaller(caller: CallerRetry): AttemptRules {
    return new AttemptRules(
      (this.policy ?? noRetryPolicy).withCaller(caller),
      caller.hedge ?? this.hedges,
      caller.emptyOnTimeout ? 204 : 0,
      this.#configuredBytes,
    );
  }

  /** Milliseconds; 0: none. */
  get perTryIdleTimeoutMs(): number {
    return this.policy === null ? 0 : this.policy.perTryIdleTimeoutMs;
  }

  /** The policy retries something. */
  get retries(): boolean {
    return this.policy !== null && this.policy.retries;
  }

  /** Bytes of a body that are kept so that it can be sent again. `bufferLimitBytes`: of the listener. */
  replayLimitBytes(bufferLimitBytes: number): number {
    if (this.#configuredBytes !== null) return Math.min(this.#configuredBytes, bufferLimitBytes);
    return this.retries ? bufferLimitBytes : maxReplayBytes;
  }
}

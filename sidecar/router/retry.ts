/**
 * Whether a request that failed without an answer may be sent again. Never a second POST: what may have reached a service is repeated only when its method allows it.
 *
 * Free repeats, which cost nothing of a policy and are not limited by it:
 * - `unsent` (the error proves that no service saw the request: connect failure, REFUSED_STREAM, GOAWAY below the stream, a stale connection that closed with the
 *   request in our buffer): any method, twice at most;
 * - `idempotent` (no byte of an answer, but the service may have acted): only on a connection that had been used before, which may have been stale, and only methods
 *   that are idempotent (RFC 9110 9.2.2), once.
 *
 * Of `RetryPolicy.retry_on` these are honoured, with `num_retries` and Envoy's default back-off, within the cluster's `max_retries`; the configuration layer refuses all others:
 * - `connect-failure`: no connection could be had (flag UF);
 * - `refused-stream`: the upstream refused the stream (`unsent`, after a connection was had);
 * - `reset-before-request`: the request was not sent whole before the reset (`unsent`).
 * `per_try_timeout` is not honoured.
 */
import type { ProxyError } from '../codec/proxy-error.ts';
import type { RetryPolicyConfig } from '../config/route-config.ts';
import type { Random } from '../runtime/clock.ts';

/** Conditions of `retry_on` that are honoured. */
export const honouredRetryConditions: readonly string[] = ['connect-failure', 'refused-stream', 'reset-before-request'];

const maxFreeUnsent = 2;
const maxFreeIdempotent = 1;

const idempotentMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

export interface FailedAttempt {
  readonly method: string;
  /** Its connection had carried a request before. */
  readonly reused: boolean;
  /** A stream was had. */
  readonly connected: boolean;
  readonly freeRetries: number;
}

/** A repeat at no charge. Flags that say "there is nobody" or "it is too much" (UH, UO, NC) are answers, not accidents. */
export function mayRepeatFreely(error: ProxyError, attempt: FailedAttempt): boolean {
  if (error.flag === 'UH' || error.flag === 'UO' || error.flag === 'NC' || error.flag === 'OM') return false;
  if (error.retry === 'unsent') return attempt.freeRetries < maxFreeUnsent;
  return (
    error.retry === 'idempotent' &&
    attempt.reused &&
    attempt.freeRetries < maxFreeIdempotent &&
    idempotentMethods.has(attempt.method)
  );
}

/** A repeat that the route's policy asks for. */
export function policyAsks(policy: RetryPolicyConfig, error: ProxyError, connected: boolean): boolean {
  if (
    error.retry !== 'unsent' ||
    error.flag === 'UH' ||
    error.flag === 'UO' ||
    error.flag === 'NC' ||
    error.flag === 'OM'
  )
    return false;
  return connected
    ? policy.retryOn.includes('refused-stream') || policy.retryOn.includes('reset-before-request')
    : policy.retryOn.includes('connect-failure') || policy.retryOn.includes('reset-before-request');
}

const baseBackoffMs = 25;
const maxBackoffMs = 250;

/** Full jitter over an interval that doubles: Envoy's default back-off (25 ms base, 250 ms at most). */
export function backoffMs(retry: number, random: Random): number {
  return random() * Math.min(maxBackoffMs, baseBackoffMs * 2 ** retry);
}

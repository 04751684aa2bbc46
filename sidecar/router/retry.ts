/**
 * Whether a request that failed without an answer may be sent again. Never a second POST: what may have reached a service is repeated only when its method allows it.
 *
 * Free repeats, which cost nothing of a policy and are not limited by it:
 * - `unsent` (the error proves that no service saw the request: connect failure, REFUSED_STREAM, GOAWAY below the stream, a stale connection that closed with the
 *   request in our buffer): any method, twice at most;
 * - `idempotent` (no byte of an answer, but the service may have acted): only on a connection that had been used before, which may have been stale, and only methods
 *   that are idempotent (RFC 9110 9.2.2), once, and for at most a fifth of the cluster's active requests at a time (ten are always allowed): many at once are no
 *   stale connections but a service that fails.
 *
 * Of `RetryPolicy.retry_on` these are honoured, with `num_retries` and Envoy's default back-off, within the cluster's `max_retries`; the configuration layer refuses all others:
 * - `connect-failure`: no connection could be had (flag UF);
 * - `refused-stream`: the upstream refused the stream (`unsent`, after a connection was had);
 * - `reset-before-request`: the request was not sent whole before the reset (`unsent`).
 * `per_try_timeout` is not honoured.
 */
import type { Cluster, Host } from '../cluster/upstream.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { RetryPolicyConfig } from '../config/route-config.ts';
import type { Random } from '../runtime/clock.ts';
import type { UpstreamRequest } from './upstream-request.ts';

/** Conditions of `retry_on` that are honoured. */
export const honouredRetryConditions: readonly string[] = ['connect-failure', 'refused-stream', 'reset-before-request'];

const maxFreeUnsent = 2;
const maxFreeIdempotent = 1;

const idempotentMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** What is done about a failed attempt: sent again at once, sent again after a pause, the policy is used up, or nothing. */
export type RetryDecision = 'now' | 'later' | 'exhausted' | 'no';

/** The repeats of one request. Made when its first attempt fails, so that others pay nothing. */
export class RetryState {
  readonly #policy: RetryPolicyConfig | null;
  /** Hosts that were tried, for the balancer to avoid. */
  readonly tried: Host[] = [];
  #freeRetries = 0;
  #policyRetries = 0;
  /** Where a place among the retries is taken. */
  #placeAt: Cluster | null = null;
  #freePlaceAt: Cluster | null = null;

  constructor(policy: RetryPolicyConfig | null) {
    this.#policy = policy;
  }

  decide(attempt: UpstreamRequest, method: string, error: ProxyError): RetryDecision {
    // "There is nobody" and "it is too much" are answers, not accidents.
    if (error.flag === 'UH' || error.flag === 'UO' || error.flag === 'NC' || error.flag === 'OM') return 'no';
    const { host } = attempt;
    if (host !== null && !this.tried.includes(host)) this.tried.push(host);
    this.#endFree();
    if (this.#mayRepeatFreely(attempt, method, error)) {
      this.#freeRetries++;
      return 'now';
    }
    const policy = this.#policy;
    if (policy === null || !policyAsks(policy, error, attempt.stream !== null)) return 'no';
    if (this.#policyRetries >= policy.maxRetries) return 'exhausted';
    if (this.#placeAt === null) {
      if (!attempt.cluster.tryBeginRetry()) return 'exhausted';
      this.#placeAt = attempt.cluster;
    }
    this.#policyRetries++;
    return 'later';
  }

  #mayRepeatFreely(attempt: UpstreamRequest, method: string, error: ProxyError): boolean {
    if (error.retry === 'unsent') return this.#freeRetries < maxFreeUnsent;
    if (error.retry !== 'idempotent' || !attempt.reused || !idempotentMethods.has(method)) return false;
    if (this.#freeRetries >= maxFreeIdempotent || !attempt.cluster.tryBeginRepeat()) return false;
    this.#freePlaceAt = attempt.cluster;
    return true;
  }

  #endFree(): void {
    this.#freePlaceAt?.endRepeat();
    this.#freePlaceAt = null;
  }

  /** How long to wait after 'later': full jitter over an interval that doubles, as Envoy's default back-off (25 ms base, 250 ms at most). */
  backoffMs(random: Random): number {
    return random() * Math.min(maxBackoffMs, baseBackoffMs * 2 ** (this.#policyRetries - 1));
  }

  /** An answer came, or the stream is over. */
  end(): void {
    this.#endFree();
    this.#placeAt?.endRetry();
    this.#placeAt = null;
  }
}

function policyAsks({ retryOn }: RetryPolicyConfig, error: ProxyError, connected: boolean): boolean {
  if (error.retry !== 'unsent') return false;
  return retryOn.includes('reset-before-request') || retryOn.includes(connected ? 'refused-stream' : 'connect-failure');
}

const baseBackoffMs = 25;
const maxBackoffMs = 250;

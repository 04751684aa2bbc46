/**
 * Whether a request is sent again, and when: the decisions of one request, without any I/O. Told of each attempt that ended, it answers
 *
 *   now      at once: a free repeat
 *   later    after `delayMs`: a retry of the policy
 *   limit    the policy asks, and its retries are used up: what came goes to the caller (URX)
 *   overflow the policy asks, and the cluster has no place for another retry (max_retries, or the retry budget)
 *   no       nothing asks
 *
 * Never a second POST that nobody asked for: what may have reached a service is repeated only when its method allows it, or when the policy says so.
 *
 * Free repeats cost nothing of a policy and are not limited by it:
 * - `unsent` (the error proves that no service saw the request: connect failure, REFUSED_STREAM, GOAWAY below the stream, a stale connection that closed with the
 *   request in our buffer): any method, twice at most;
 * - `idempotent` (no byte of an answer, but the service may have acted): only on a connection that had been used before, which may have been stale, and only methods
 *   that are idempotent (RFC 9110 9.2.2), once, and for at most a fifth of the cluster's active requests at a time (ten are always allowed): many at once are no
 *   stale connections but a service that fails.
 *
 * A retry holds a place of its cluster from the decision until its own attempt is decided on (Envoy): while it waits too.
 */
import type { Host, RetryEvent } from '../cluster/upstream.ts';
import type { RequestHead, ResponseHead } from '../codec/message-head.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { Random } from '../runtime/clock.ts';
import { noRetryPolicy, type RetryPolicy } from './retry-policy.ts';
import { retryPushbackMs } from './retry-pushback.ts';
import type { NotRetried } from './stream-filter.ts';

export type RetryDecision = 'now' | 'later' | 'limit' | 'overflow' | 'no';

/** Where places are taken: the cluster of an attempt. */
export interface RetryPlaces {
  /** True takes a place (give it back with endRetry); false counts the overflow. */
  tryBeginRetry(): boolean;
  endRetry(): void;
  /** The same for free repeats on connections that may have been stale. */
  tryBeginRepeat(): boolean;
  endRepeat(): void;
  /** Optional for fakes. */
  onRetryEvent?(event: RetryEvent): void;
}

/** An attempt that ended, or that is given up waiting for. */
export interface TriedAttempt {
  readonly cluster: RetryPlaces;
  readonly host: Host | null;
  /** A stream was had. */
  readonly connected: boolean;
  /** Its connection had carried a request before. */
  readonly reused: boolean;
}

const maxFreeUnsent = 2;
const maxFreeIdempotent = 1;

const idempotentMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** Made when the first attempt of a request ends badly, so that others pay nothing. */
export class RetryState {
  readonly #policy: RetryPolicy;
  readonly #random: Random;
  /** Hosts that were tried, the last one last, for the balancer to avoid. */
  readonly tried: Host[] = [];
  /** After 'later': milliseconds until the attempt. */
  delayMs = 0;
  /** After 'no': what the policy asked for all the same. */
  whyNot: NotRetried = '';
  #freeRetries = 0;
  #policyRetries = 0;
  /** Where a place among the retries is taken. */
  #placeAt: RetryPlaces | null = null;
  #freePlaceAt: RetryPlaces | null = null;
  /** The service said how long the pause is. */
  #told = false;
  /** A retry of the policy was sent. */
  #begun = false;

  constructor(policy: RetryPolicy | null, random: Random) {
    this.#policy = policy ?? noRetryPolicy;
    this.#random = random;
  }

  /** An attempt failed without an answer, or was given up because of its own time limit. */
  onFailure(attempt: TriedAttempt, request: RequestHead, error: ProxyError): RetryDecision {
    this.#endFree();
    this.noteHost(attempt.host);
    // "There is nobody" and "it is too much" are answers, not accidents.
    const final = error.flag === 'UH' || error.flag === 'UO' || error.flag === 'NC';
    if (!final && this.#mayRepeatFreely(attempt, request.method, error)) {
      this.#freeRetries++;
      return 'now';
    }
    const policy = this.#policy;
    if (final || !policy.asksForFailure(error, attempt.connected) || !policy.appliesTo(request)) {
      this.#settle(attempt.cluster);
      return 'no';
    }
    return this.#retry(attempt.cluster, -1);
  }

  /** Another attempt would follow this failure, places and numbers apart, could the request be sent again. Decides and takes nothing. */
  asksForFailure(attempt: TriedAttempt, request: RequestHead, error: ProxyError): boolean {
    const policy = this.#policy;
    return error.retry === 'unsent' || (policy.asksForFailure(error, attempt.connected) && policy.appliesTo(request));
  }

  /**
   * An answer came that the policy asks to retry. `leftMs`: of the request's time; Infinity: no limit. A service that says by gRPC's pushback when it wants to be asked again is heeded: in no case earlier, not at all when
   * it says so (gRFC A6). When nobody would wait as long as it asks, by that or by a header that the policy names, this answer is better than none (Envoy heeds the header, and answers 504 when the time is over).
   */
  onAnswer(
    attempt: TriedAttempt,
    request: RequestHead,
    head: ResponseHead,
    wallMs: number,
    leftMs: number,
  ): RetryDecision {
    this.#endFree();
    this.noteHost(attempt.host);
    const policy = this.#policy;
    if (!policy.appliesTo(request)) {
      this.#endPlace();
      return 'no';
    }
    const pushbackMs = retryPushbackMs(head.fields);
    const toldMs = pushbackMs ?? policy.resetMs(head, wallMs, this.#random, leftMs);
    const unwanted = pushbackMs !== null && pushbackMs < 0;
    // Where no retry is left, that is why there is none, and not the pause.
    if (unwanted || (toldMs >= leftMs && this.#policyRetries < policy.maxRetries)) {
      this.whyNot = unwanted ? 'asked_not_to' : 'wait_too_long';
      this.#endPlace();
      return 'no';
    }
    return this.#retry(attempt.cluster, toldMs);
  }

  /** An attempt takes long, and another is to be sent beside it (hedging). */
  onSlow(attempt: TriedAttempt, request: RequestHead): RetryDecision {
    this.#endFree();
    this.noteHost(attempt.host);
    if (!this.#policy.retries || !this.#policy.appliesTo(request)) return 'no';
    return this.#retry(attempt.cluster, -1);
  }

  /** The pause is over: the attempt is sent now. Counted here, as in Envoy, and not where it was decided: the request's time may end in between. */
  onBegun(): void {
    this.#begun = true;
    this.#placeAt?.onRetryEvent?.(this.#told ? 'backoff-told' : 'backoff');
  }

  /** An answer came that goes to the caller. */
  onSettled(attempt: TriedAttempt): void {
    this.#endFree();
    this.#settle(attempt.cluster);
  }

  /** The request is over, whatever came of it. */
  end(): void {
    this.#endFree();
    this.#endPlace();
  }

  /** `toldMs` -1: the policy's own back-off. */
  #retry(cluster: RetryPlaces, toldMs: number): RetryDecision {
    const policy = this.#policy;
    this.#endPlace();
    if (this.#policyRetries >= policy.maxRetries) {
      cluster.onRetryEvent?.('limit');
      return 'limit';
    }
    const retry = this.#policyRetries++;
    if (!cluster.tryBeginRetry()) return 'overflow';
    this.#placeAt = cluster;
    this.#told = toldMs >= 0;
    this.delayMs = toldMs < 0 ? policy.backoffMs(retry, this.#random) : toldMs;
    return 'later';
  }

  #mayRepeatFreely(attempt: TriedAttempt, method: string, error: ProxyError): boolean {
    if (error.retry === 'unsent') return this.#freeRetries < maxFreeUnsent;
    if (error.retry !== 'idempotent' || !attempt.reused || !idempotentMethods.has(method)) return false;
    if (this.#freeRetries >= maxFreeIdempotent || !attempt.cluster.tryBeginRepeat()) return false;
    this.#freePlaceAt = attempt.cluster;
    return true;
  }

  /** It was sent there: another host is taken next, if there is one. */
  noteHost(host: Host | null): void {
    if (host === null) return;
    const at = this.tried.indexOf(host);
    if (at >= 0) this.tried.splice(at, 1);
    this.tried.push(host);
  }

  /** Retries have come to an end that asks for no other: a success, as Envoy counts it. */
  #settle(cluster: RetryPlaces): void {
    if (this.#begun) cluster.onRetryEvent?.('success');
    this.#begun = false;
    this.#endPlace();
  }

  #endFree(): void {
    this.#freePlaceAt?.endRepeat();
    this.#freePlaceAt = null;
  }

  #endPlace(): void {
    this.#placeAt?.endRetry();
    this.#placeAt = null;
  }
}

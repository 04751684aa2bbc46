/**
 * A route's RetryPolicy, compiled: which answers and which failures ask for another attempt, and how long to wait before it. It decides nothing: what was tried before, places and budgets are
 * retry-state.ts's. Meanings are Envoy's (`x-envoy-retry-on` and `x-envoy-retry-grpc-on` in its router's documentation).
 */
import type { RequestHead, ResponseHead } from '../codec/message-head.ts';
import { overloadMark, shedsLoad } from '../codec/overload-mark.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { ResetHeaderConfig, RetryPolicyConfig } from '../config/route-config.ts';
import type { Random } from '../runtime/clock.ts';
import type { CallerRetry } from './caller-retry.ts';
import { compileHeaderTest, compileResponseTest, type HeadTest, type ResponseTest } from './header-test.ts';
import { anyGrpcBit, bitByGrpcStatus, retryBit, retryBits } from './retry-conditions.ts';

interface PolicyParts {
  readonly bits: number;
  readonly maxRetries: number;
  readonly perTryTimeoutMs: number;
  readonly perTryIdleTimeoutMs: number;
  readonly statusCodes: readonly number[];
  readonly responseTests: readonly ResponseTest[];
  /** Among them is one of `x-envoy-overloaded`. */
  readonly namesOverload: boolean;
  readonly requestTests: readonly HeadTest[];
  readonly baseBackoffMs: number;
  readonly maxBackoffMs: number;
  readonly resetHeaders: readonly ResetHeaderConfig[];
  readonly maxResetMs: number;
  readonly omitCanaryHosts: boolean;
}

/** Bits that an answer can meet. */
const answerBits =
  retryBit.serverError |
  retryBit.gatewayError |
  retryBit.rateLimited |
  retryBit.conflict |
  retryBit.statusCodes |
  retryBit.headers |
  anyGrpcBit;

export class RetryPolicy {
  readonly #parts: PolicyParts;
  readonly #bits: number;
  readonly maxRetries: number;
  /** Milliseconds; 0: none. */
  readonly perTryTimeoutMs: number;
  readonly perTryIdleTimeoutMs: number;
  readonly omitCanaryHosts: boolean;
  /** An answer may ask for a retry. */
  readonly looksAtAnswers: boolean;

  private constructor(parts: PolicyParts) {
    this.#parts = parts;
    this.#bits = parts.bits;
    this.maxRetries = parts.maxRetries;
    this.perTryTimeoutMs = parts.perTryTimeoutMs;
    this.perTryIdleTimeoutMs = parts.perTryIdleTimeoutMs;
    this.omitCanaryHosts = parts.omitCanaryHosts;
    this.looksAtAnswers = (parts.bits & answerBits) !== 0;
  }

  static compile(config: RetryPolicyConfig): RetryPolicy {
    return new RetryPolicy({
      bits: retryBits(config.retryOn, 'both'),
      maxRetries: config.maxRetries,
      perTryTimeoutMs: config.perTryTimeoutMs,
      perTryIdleTimeoutMs: config.perTryIdleTimeoutMs,
      statusCodes: config.retriableStatusCodes,
      responseTests: config.retriableHeaders.map(compileResponseTest),
      namesOverload: config.retriableHeaders.some(({ name }) => name === overloadMark.lower),
      requestTests: config.retriableRequestHeaders.map(compileHeaderTest),
      baseBackoffMs: config.baseBackoffMs,
      maxBackoffMs: config.maxBackoffMs,
      resetHeaders: config.resetHeaders,
      maxResetMs: config.maxResetMs,
      omitCanaryHosts: config.omitCanaryHosts,
    });
  }

  /** The same with what a caller asks for. */
  withCaller(caller: CallerRetry): RetryPolicy {
    const parts = this.#parts;
    return new RetryPolicy({
      ...parts,
      bits: parts.bits | caller.bits,
      maxRetries: caller.maxRetries < 0 ? parts.maxRetries : caller.maxRetries,
      perTryTimeoutMs: caller.perTryTimeoutMs < 0 ? parts.perTryTimeoutMs : caller.perTryTimeoutMs,
      statusCodes: [...parts.statusCodes, ...caller.statusCodes],
      namesOverload: parts.namesOverload || caller.headerNames.includes(overloadMark.lower),
      responseTests: [
        ...parts.responseTests,
        ...caller.headerNames.map(
          (name): ResponseTest =>
            ({ fields }) =>
              fields.has(name),
        ),
      ],
    });
  }

  /** There is a condition under which it would retry. */
  get retries(): boolean {
    return this.#bits !== 0;
  }

  get #retriesOverload(): boolean {
    return this.#parts.namesOverload && (this.#bits & retryBit.headers) !== 0;
  }

  /** `retriable_request_headers`: one of them must match, where there are any. */
  appliesTo(request: RequestHead): boolean {
    const { requestTests } = this.#parts;
    return requestTests.length === 0 || requestTests.some((test) => test(request));
  }

  /** The answer asks for another attempt. */
  asksForAnswer(head: ResponseHead): boolean {
    return this.#asks(head) && !this.#passesOnOverload(head);
  }

  /** The answer would ask for another attempt, did it not say that there were too many requests already. */
  asksButForOverload(head: ResponseHead): boolean {
    return shedsLoad(head) && isFailure(head) && !this.#retriesOverload && this.#asks(head);
  }

  /** More requests are no help for who has too many, unless the policy says that they are; never where the request was served all the same (Envoy before 1.15 never retried such answers, and does as any other since). */
  #passesOnOverload(head: ResponseHead): boolean {
    return shedsLoad(head) && !(this.#retriesOverload && isFailure(head));
  }

  #asks(head: ResponseHead): boolean {
    const bits = this.#bits;
    const asks = this.#asksByFields(head, bits);
    // An Envoy says that it refused the request: only who asks for that retries, and then whatever the status.
    if (!asks && (bits & retryBit.rateLimited) === 0) return false;
    return head.fields.has('x-envoy-ratelimited') ? (bits & retryBit.rateLimited) !== 0 : asks;
  }

  #asksByFields(head: ResponseHead, bits: number): boolean {
    const { status, fields } = head;
    if (status >= 500) {
      if ((bits & retryBit.serverError) !== 0) return true;
      if ((bits & retryBit.gatewayError) !== 0 && status >= 502 && status <= 504) return true;
    }
    if (status === 409 && (bits & retryBit.conflict) !== 0) return true;
    if ((bits & retryBit.statusCodes) !== 0 && this.#parts.statusCodes.includes(status)) return true;
    if ((bits & retryBit.headers) !== 0 && this.#parts.responseTests.some((test) => test(head))) return true;
    if ((bits & anyGrpcBit) === 0) return false;
    const grpcStatus = fields.get('grpc-status');
    return grpcStatus !== undefined && (bits & (bitByGrpcStatus[grpcStatus] ?? 0)) !== 0;
  }

  /** The failure asks for another attempt. `connected`: a connection was had. What is overload, or nobody there, never does (Envoy). */
  asksForFailure(error: ProxyError, connected: boolean): boolean {
    const { flag, retry, source } = error;
    if (flag === 'UO' || flag === 'UH' || flag === 'NC') return false;
    // Our own doing, or the caller's: another attempt would end like this one.
    if (source !== 'upstream' && retry !== 'unsent') return false;
    const bits = this.#bits;
    if ((bits & (retryBit.serverError | retryBit.gatewayError | retryBit.reset)) !== 0) return true;
    if (retry !== 'unsent') return false;
    return (
      (bits & (retryBit.resetBeforeRequest | (connected ? retryBit.refusedStream : retryBit.connectFailure))) !== 0
    );
  }

  /** Milliseconds to wait before the retry of that number (0 the first): full jitter over an interval that doubles up to its bound (Envoy). */
  backoffMs(retry: number, random: Random): number {
    const { baseBackoffMs, maxBackoffMs } = this.#parts;
    return random() * Math.min(maxBackoffMs, baseBackoffMs * 2 ** Math.min(retry, 30));
  }

  /**
   * `rate_limited_retry_back_off`: milliseconds that the answer asks to wait, with half as much jitter on top (Envoy); -1: it says nothing that counts. Headers are tried in order; one that asks for more
   * than `max_interval` is passed over, as in Envoy, but where it asks for more than the request has left (`leftMs`): a longer wait is not obeyed less than a shorter one.
   */
  resetMs(head: ResponseHead, wallMs: number, random: Random, leftMs: number): number {
    const { resetHeaders, maxResetMs } = this.#parts;
    let beyondMs = -1;
    for (let i = 0; i < resetHeaders.length; i++) {
      const { name, format } = resetHeaders[i]!;
      const value = head.fields.get(name);
      if (value === undefined || !/^\d{1,12}$/.test(value)) continue;
      const askedMs = format === 'seconds' ? Number(value) * 1000 : Number(value) * 1000 - wallMs;
      if (askedMs > 1 && askedMs <= maxResetMs) return askedMs * (1 + random() / 2);
      if (askedMs > maxResetMs && askedMs >= leftMs) beyondMs = askedMs;
    }
    return beyondMs;
  }
}

/** The request was not served. */
function isFailure({ status, fields }: ResponseHead): boolean {
  if (status >= 500 || status === 429) return true;
  const grpcStatus = fields.get('grpc-status');
  return grpcStatus !== undefined && grpcStatus !== '0';
}

/** What a route without a policy has: no condition, and Envoy's numbers for callers that bring conditions of their own. */
export const noRetryPolicy: RetryPolicy = RetryPolicy.compile({
  retryOn: [],
  maxRetries: 1,
  perTryTimeoutMs: 0,
  perTryIdleTimeoutMs: 0,
  retriableStatusCodes: [],
  retriableHeaders: [],
  retriableRequestHeaders: [],
  baseBackoffMs: 25,
  maxBackoffMs: 250,
  resetHeaders: [],
  maxResetMs: 300_000,
  omitCanaryHosts: false,
});

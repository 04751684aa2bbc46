/**
 * The seam between a stream and the filters that its request passes. A filter hears the request and may answer it, through the stream that it was made with; it
 * waits by not calling on, and goes on whenever it likes. The router is the last filter; before it stand only those that decide (filters/gate-chain.ts), which leave when
 * they have decided. A further filter takes the stream's place towards the next one and the next one's place towards the stream.
 */
import type { ConnectionOrigin } from '../cluster/upstream.ts';
import type { HeaderFields } from '../codec/header-fields.ts';
import type { HttpVersion, RequestHead, ResponseHead } from '../codec/message-head.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { RequestTrace } from '../tracing/request-trace.ts';
import type { CallerRetry } from './caller-retry.ts';
import type { ReadyAnswer, TakenFallback } from './fallback/request-fallback.ts';
import type { RouterTimeLimit, StreamLimits } from './stream-limits.ts';
import type { UpstreamRequest } from './upstream-request.ts';
import type { WeightedTarget } from './weighted-target.ts';

/** What a filter hears. After onStreamEnd nothing comes any more. */
export interface StreamFilter {
  /** `nowMs`: on the clock. */
  onRequestHead(head: RequestHead, endStream: boolean, nowMs: number): void;
  onRequestData(chunk: Buffer, endStream: boolean): void;
  onRequestTrailers(trailers: HeaderFields): void;
  /** The caller cannot take more of the response for now / again. Calls alternate. */
  onResponseBlocked(): void;
  onResponseReady(): void;
  /** A deadline of {@link StreamLimits} that belongs to the filter has come. */
  onTimeLimit(kind: RouterTimeLimit, nowMs: number): void;
  /** The stream would be answered with a failure; nothing has gone to the caller. Null: the filter sees to another answer. Else the failure that is told. Absent: it is told as it is. */
  insteadOf?(error: ProxyError, nowMs: number): ProxyError | null;
  /** The stream is over, however it ended: whatever still runs for it is given up with `error`. */
  onStreamEnd(error: ProxyError, nowMs: number): void;
}

/** `connection`: a free repeat; `policy`: a retry after a failure or an answer; `hedge`: beside a try that takes long. */
export type RetryReason = 'connection' | 'policy' | 'hedge';

/** `body_too_long`: it is not kept any more; `wait_too_long`: the service asks for a pause beyond the request's time; `asked_not_to`: it asks for no retry (gRFC A6); `overloaded`: it has too many requests already; '': nothing to say. */
export type NotRetried = '' | 'body_too_long' | 'wait_too_long' | 'asked_not_to' | 'overloaded';

/** What a filter may do with its stream. Once the stream is over none of these does anything. */
export interface FilteredStream {
  readonly startMs: number;
  readonly version: HttpVersion;
  readonly limits: StreamLimits;
  /** The call is gRPC, by its content type. */
  readonly grpc: boolean;
  /** `x-envoy-expected-rq-timeout-ms` or `x-envoy-upstream-rq-timeout-ms` of a trusted caller in milliseconds; -1: none. */
  readonly callerTimeoutMs: number;
  /** `grpc-timeout` as received, or ''. */
  readonly grpcTimeout: string;
  /** It may be given answers of others when it fails, and others its own. */
  readonly sharesAnswers: boolean;
  /** Which those are, made when it is asked for. Only where it shares answers. */
  readonly sharedAnswersKey: string;
  /** What a trusted caller asks of retries; null: nothing. */
  readonly callerRetry: CallerRetry | null;
  /** Envoy's second flag: retries were used up (URX), or the cluster had no place for another (UO). Written by the router; '': none. */
  retryFlag: '' | 'URX' | 'UO';
  /** Why a retry that the policy asks for did not come, where no flag says it. Written by the router. */
  notRetried: NotRetried;
  /** What is answered instead of a failure; null: nothing is. Written by the router. */
  fallback: TakenFallback | null;
  /** Of the upstream that serves it, for logs and metrics. Written by the router. */
  target: WeightedTarget | null;
  /** The one of the route's targets that a gate had chosen; null: the router chooses. */
  readonly chosenTarget: WeightedTarget | null;
  /** Where its connection was going; absent or null: it was not redirected. */
  readonly origin?: ConnectionOrigin | null;
  upstreamHost: string;
  attempts: number;
  /** The attempt begun last, which knows the one before it; null: there was none. Written by the router. */
  lastAttempt: UpstreamRequest | null;
  /** How the trace of the request goes on in its attempts; null: it is not traced here, and what it carries passes as it came. */
  readonly trace: RequestTrace | null;
  /** Moments on the clock; -1: not yet. When the request was whole, and when what goes to the caller began to come. Written by the router, which asks for the time anyway. */
  requestWholeMs: number;
  firstByteMs: number;
  upstreamServiceTimeMs: number;
  /** When the response was whole, on the clock; -1: not yet. Written by the router, which asks for the time anyway. */
  endMs: number;
  sendInformational(head: ResponseHead): void;
  sendResponseHead(head: ResponseHead, endStream: boolean): void;
  sendResponseData(chunk: Buffer, endStream: boolean): void;
  sendResponseTrailers(trailers: HeaderFields): void;
  /** An answer of our own that is no failure: a redirect, a fixed answer. `body` null: none. */
  sendOwnResponse(head: ResponseHead, body: Buffer | null, details: string): void;
  /** Ends the stream with what `fallback` says. `error`: the failure in whose place it stands; null: that was an answer. */
  sendFallback(answer: ReadyAnswer, error: ProxyError | null): void;
  /** Ends the stream for a fault: by an answer of our own, or by a reset when an answer has begun. */
  fail(error: ProxyError): void;
  /** Counted: the caller's request is not read meanwhile. */
  pauseRequest(): void;
  resumeRequest(): void;
  /** Both directions of a tunnel have ended. */
  onTunnelEnd(): void;
  /** A request is sent again. */
  onRetry(reason: RetryReason): void;
}

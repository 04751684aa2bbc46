/**
 * The last filter: sends the request where its route says and brings the answer back. Owns the route's timeout, that of each try, repeats and hedges; does not know which connection or
 * host is taken (the cluster does), whether a failure is worth another attempt (retry-state.ts does), nor what ends and counts the stream (the stream does).
 *
 *   head ─▶ mutations ─▶ attempt ─▶ stream ready: head, body so far ─▶ body as it comes ─▶ answer ─▶ caller
 *                           ▲            │ failed, took too long        │ asks for a retry
 *                           └── again ◀──┴── another is waited for ◀────┴──▶ fail: local reply or reset
 *
 * There is one attempt at a time, the newest; with hedging those before it go on (`#slow`), until one is answered: then the others are cancelled at once.
 */
import type { BreakerCall } from '../circuit-breaker/circuit-breaker.ts';
import type { ClusterLookup, LoadBalancerContext } from '../cluster/upstream.ts';
import type { ClientStream } from '../codec/codec.ts';
import type { HeaderFields } from '../codec/header-fields.ts';
import { headerName } from '../codec/header-name.ts';
import type { RequestHead, ResponseHead } from '../codec/message-head.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { ForwardActionConfig } from '../config/route-config.ts';
import type { Clock, Random } from '../runtime/clock.ts';
import type { AttemptRules } from './attempt-rules.ts';
import { KeptBody } from './kept-body.ts';
import { formatGrpcTimeout, requestTimeoutMs, streamDurationMs, tryTimeoutMs, wholeMsLeft } from './request-timeout.ts';
import { type RetryDecision, RetryState } from './retry-state.ts';
import { changeRequest, changeResponse } from './route-changes.ts';
import type { RouteEntry } from './route-entry.ts';
import {
  afterStart,
  cutShort,
  noCluster,
  notRetried,
  notWanted,
  timedOut,
  tooLongToRetry,
  tryTimedOut,
  tryTooLong,
} from './router-faults.ts';
import { SlowAttempts } from './slow-attempts.ts';
import type { FilteredStream, StreamFilter } from './stream-filter.ts';
import type { RouterTimeLimit } from './stream-limits.ts';
import { type TryLimit, UpstreamRequest, type UpstreamRequestOwner } from './upstream-request.ts';

/** What all routers of a connection manager share. */
export interface RouterContext {
  readonly clusters: ClusterLookup;
  readonly clock: Clock;
  readonly random: Random;
  /** Bytes of a request's body that may wait for a connection before the caller is not read any more. */
  readonly bufferLimitBytes: number;
}

const names = {
  expectedTimeout: headerName('x-envoy-expected-rq-timeout-ms'),
  attemptCount: headerName('x-envoy-attempt-count'),
  grpcTimeout: headerName('grpc-timeout'),
  upstreamServiceTime: headerName('x-envoy-upstream-service-time'),
};

const stateRequesting = 0;
const stateResponding = 1;
const stateTunnel = 2;
const stateOver = 3;

export class Router implements StreamFilter, UpstreamRequestOwner, BreakerCall {
  readonly #stream: FilteredStream;
  readonly #route: RouteEntry;
  readonly #action: ForwardActionConfig;
  readonly #context: RouterContext;
  #head: RequestHead | null = null;
  #state = stateRequesting;
  /** The route's, with the caller's wishes. */
  readonly #rules: AttemptRules;
  /** Bytes of a body that are kept so that it can be sent again. */
  readonly #replayLimitBytes: number;
  /** The newest; null while another is waited for. */
  #attempt: UpstreamRequest | null = null;
  /** Attempts before it that take long and may be answered yet; null: there was none. */
  #slow: SlowAttempts | null = null;
  /** Why another attempt is waited for. */
  #waitsFor: 'policy' | 'hedge' | null = null;
  /** The caller has been told something (1xx): another attempt must not tell it again. */
  #informed = false;
  /** Null while there is none. */
  #body: KeptBody | null = null;
  #requestEnded = false;
  #requestEndedMs = -1;
  /** A tunnel's other direction. */
  #responseEnded = false;
  #timeoutMs = 0;
  #perTryTimeoutMs = 0;
  /** From when the time runs: the request's end; -1: not yet. */
  #timeoutFromMs = -1;
  /** Null until an attempt has failed. */
  #retries: RetryState | null = null;
  /** Reasons why the caller's request is not read: the body waits for a connection, or the upstream is slow. */
  #bodyPaused = false;
  #upstreamPaused = false;
  #responseBlocked = false;
  /** Written by the route's circuit breaker, for which the whole request is one call. */
  breakerPermit = 0;
  breakerSentMs = 0;

  /** `route` is a forwarding one. */
  constructor(stream: FilteredStream, route: RouteEntry, context: RouterContext) {
    this.#stream = stream;
    this.#route = route;
    this.#action = route.forward!;
    this.#context = context;
    const caller = stream.callerRetry;
    this.#rules = caller === null ? route.rules! : route.rules!.withCaller(caller);
    this.#replayLimitBytes = this.#rules.replayLimitBytes(context.bufferLimitBytes);
  }

  // -- the request --

  onRequestHead(head: RequestHead, endStream: boolean, nowMs: number): void {
    const stream = this.#stream;
    const route = this.#route;
    const action = this.#action;
    this.#head = head;
    const { targets } = route;
    const target =
      stream.chosenTarget ?? (targets.length === 1 ? targets[0]! : route.chooseTarget(this.#context.random()));
    stream.target = target;
    changeRequest(head, route, target);
    if (route.breaker !== null && !route.breaker.enter(this, nowMs)) {
      stream.fail(route.breaker.refusal(nowMs));
      return;
    }
    const { limits } = stream;
    if (action.idleTimeoutMs !== null) limits.idleMs = action.idleTimeoutMs;
    const durationMs = streamDurationMs(action, stream.grpcTimeout);
    if (durationMs >= 0) limits.durationDueMs = durationMs > 0 ? stream.startMs + durationMs : Infinity;
    this.#timeoutMs = requestTimeoutMs(action.timeoutMs, stream.callerTimeoutMs);
    const { policy } = this.#rules;
    if (policy !== null) this.#perTryTimeoutMs = tryTimeoutMs(policy.perTryTimeoutMs, this.#timeoutMs);
    this.#tellDeadline(head.fields, this.#timeoutMs, nowMs);
    if (action.attemptCountInRequest) head.fields.set(names.attemptCount, '1');
    if (endStream) this.#onRequestEnd(nowMs);
    this.#begin(nowMs);
    // Once, with what the attempt has set too. Nothing happens when the stream is over already.
    limits.arm(nowMs);
  }

  onRequestData(chunk: Buffer, endStream: boolean): void {
    if (this.#state === stateOver) return;
    const attempt = this.#attempt;
    const stream = attempt === null || attempt.done ? null : attempt.stream;
    if (endStream) this.#onRequestEnd(-1);
    this.#keep(chunk, endStream, stream === null);
    if (stream !== null) stream.sendData(chunk, endStream);
    if (endStream) this.#endTunnelIfBothEnded();
  }

  onRequestTrailers(trailers: HeaderFields): void {
    if (this.#state === stateOver) return;
    this.#onRequestEnd(-1);
    if (this.#state === stateRequesting) (this.#body ??= new KeptBody(this.#replayLimitBytes)).addTrailers(trailers);
    const attempt = this.#attempt;
    if (attempt !== null && !attempt.done && attempt.stream !== null) attempt.stream.sendTrailers(trailers);
    this.#endTunnelIfBothEnded();
  }

  /** Keeps a piece of the body: while it may have to be sent again, or because nobody takes it yet. */
  #keep(chunk: Buffer, endStream: boolean, waits: boolean): void {
    if (this.#state !== stateRequesting) return;
    const body = (this.#body ??= new KeptBody(this.#replayLimitBytes));
    if (body.gone) return;
    body.add(chunk, endStream, waits);
    if (body.gone) this.#abandonRetries();
    if (waits && !this.#bodyPaused && !endStream && body.bytes > this.#context.bufferLimitBytes) {
      this.#bodyPaused = true;
      this.#stream.pauseRequest();
    }
  }

  /** The body is too long to be kept: the request cannot be sent again. */
  #abandonRetries(): void {
    if (this.#rules.retries) this.#attempt?.cluster.onRetryEvent?.('abandoned');
    this.#retries?.end();
  }

  /** The request is whole: from now on the route's time runs (Envoy). `endMs` -1: now. */
  #onRequestEnd(endMs: number): void {
    this.#requestEnded = true;
    this.#requestEndedMs = endMs < 0 ? this.#context.clock.nowMs() : endMs;
    this.#route.breaker?.sent(this, this.#requestEndedMs);
    this.#attempt?.onRequestEnd(this.#requestEndedMs);
    if (this.#timeoutFromMs >= 0 || this.#state === stateTunnel) return;
    this.#startTimeout(this.#requestEndedMs);
    const attempt = this.#attempt;
    if (attempt !== null && attempt.stream !== null) this.#startTry();
    // With the head, everything is armed at once.
    if (endMs < 0 && this.#timeoutMs > 0) this.#stream.limits.arm(this.#requestEndedMs);
  }

  #startTimeout(fromMs: number): void {
    this.#timeoutFromMs = fromMs;
    if (this.#timeoutMs > 0) this.#stream.limits.routeDueMs = fromMs + this.#timeoutMs;
  }

  /** A try's own time runs from when it has a connection and the whole request (Envoy). */
  #startTry(): void {
    const { perTryIdleTimeoutMs } = this.#rules;
    if (this.#perTryTimeoutMs === 0 && perTryIdleTimeoutMs === 0) return;
    const { limits } = this.#stream;
    const now = this.#context.clock.nowMs();
    limits.startTry(now, this.#perTryTimeoutMs, perTryIdleTimeoutMs);
    limits.arm(now);
  }

  /** What is left of the time goes with the request, so that nobody works longer than somebody waits: of the whole request's, or of this try's. `leftMs` 0: there is no limit. */
  #tellDeadline(fields: HeaderFields, leftMs: number, nowMs: number): void {
    let ms = leftMs;
    if (this.#perTryTimeoutMs > 0 && !this.#rules.hedges)
      ms = ms > 0 ? Math.min(ms, this.#perTryTimeoutMs) : this.#perTryTimeoutMs;
    if (ms > 0) fields.set(names.expectedTimeout, String(wholeMsLeft(ms)));
    const { grpcTimeout, limits } = this.#stream;
    if (this.#action.grpcTimeoutHeaderMaxMs !== null && grpcTimeout !== '' && limits.durationDueMs !== Infinity)
      fields.set(names.grpcTimeout, formatGrpcTimeout(limits.durationDueMs - nowMs));
  }

  // -- attempts --

  #begin(nowMs: number): void {
    const stream = this.#stream;
    const { name } = stream.target!;
    const cluster = this.#context.clusters.cluster(name);
    if (cluster === undefined) {
      stream.fail(noCluster(name, this.#action.clusterNotFoundStatus));
      return;
    }
    stream.attempts++;
    const shared = this.#action.highPriority ? (cluster.highPriority?.() ?? cluster) : cluster;
    const attempt = new UpstreamRequest(shared, this, nowMs);
    this.#attempt = attempt;
    attempt.start(
      this.#retries === null ? nothingTried : this.#whatWasTried(this.#retries),
      stream.version,
      this.#requestEnded,
    );
  }

  #whatWasTried({ tried }: RetryState): LoadBalancerContext {
    const { policy } = this.#rules;
    return { triedHosts: tried, avoidCanaries: policy !== null && policy.omitCanaryHosts };
  }

  onUpstreamStream(attempt: UpstreamRequest, stream: ClientStream): void {
    // The first attempt may have its stream before start() has returned.
    this.#attempt = attempt;
    this.#stream.upstreamHost = attempt.host!.address;
    if (this.#responseBlocked) attempt.pauseReading();
    const body = this.#body;
    if (body === null) stream.sendHead(this.#head!, this.#requestEnded);
    else {
      stream.sendHead(this.#head!, false);
      body.sendTo(stream);
      if (body.gone) this.#abandonRetries();
      if (this.#bodyPaused) {
        this.#bodyPaused = false;
        this.#stream.resumeRequest();
      }
    }
    const { maxStreamDurationMs = 0 } = attempt.cluster.config;
    if (maxStreamDurationMs > 0) this.#endTryIn(maxStreamDurationMs);
    if (this.#requestEnded) this.#startTry();
  }

  #endTryIn(durationMs: number): void {
    const { limits } = this.#stream;
    const now = this.#context.clock.nowMs();
    limits.endTryIn(now, durationMs);
    limits.arm(now);
  }

  onUpstreamFailed(attempt: UpstreamRequest, error: ProxyError): void {
    if (this.#state === stateOver) return;
    const stream = this.#stream;
    if (attempt.host !== null) stream.upstreamHost = attempt.host.address;
    this.#releaseUpstreamPause();
    if (this.#state !== stateRequesting) {
      stream.fail(afterStart(error));
      return;
    }
    this.#forget(attempt);
    this.#follow(this.#judge(attempt, error), attempt, error);
  }

  #judge(attempt: UpstreamRequest, error: ProxyError): RetryDecision {
    // One that was hedged has its successor already.
    if (attempt.hedged || !this.#mayRetry) return 'no';
    return this.#retryState().onFailure(attempt, this.#head!, error);
  }

  get #mayRetry(): boolean {
    return this.#state === stateRequesting && !this.#informed && !this.#tooLong;
  }

  /** The body was longer than is kept. */
  get #tooLong(): boolean {
    return this.#body !== null && this.#body.gone;
  }

  #retryState(): RetryState {
    return (this.#retries ??= new RetryState(this.#rules.policy, this.#context.random));
  }

  /** An attempt has failed: another follows, or is under way, or the request fails. */
  #follow(decision: RetryDecision, attempt: UpstreamRequest, error: ProxyError): void {
    const stream = this.#stream;
    let told = error;
    switch (decision) {
      case 'now':
        stream.onRetry('connection');
        this.#again(this.#context.clock.nowMs());
        return;
      case 'later':
        this.#await('policy', this.#context.clock.nowMs());
        return;
      case 'limit':
      case 'overflow':
        stream.retryFlag = decision === 'limit' ? 'URX' : 'UO';
        told = notRetried(error, stream.retryFlag, stream.attempts);
        break;
      case 'no':
        if (this.#tooLong && this.#rules.policy?.asksForFailure(error, attempt.connected) === true)
          told = tooLongToRetry(error, this.#replayLimitBytes);
    }
    if (this.#othersThan(attempt)) return;
    // Timeouts are counted with the attempt that met them, if at all.
    if (error.flag !== 'UT' && error.flag !== 'UMSDR')
      attempt.cluster.onOwnAnswer?.(error.status === 0 ? 503 : error.status);
    stream.fail(told);
  }

  #await(why: 'policy' | 'hedge', nowMs: number): void {
    this.#waitsFor = why;
    const { limits } = this.#stream;
    limits.backoffDueMs = nowMs + this.#retries!.delayMs;
    limits.arm(nowMs);
  }

  #again(nowMs: number): void {
    const { fields } = this.#head!;
    fields.set(names.attemptCount, String(this.#stream.attempts + 1));
    const leftMs =
      this.#timeoutMs > 0 && this.#timeoutFromMs >= 0 ? this.#timeoutFromMs + this.#timeoutMs - nowMs : this.#timeoutMs;
    // 0 would be no deadline.
    this.#tellDeadline(fields, this.#timeoutMs > 0 ? Math.max(1, leftMs) : 0, nowMs);
    this.#begin(nowMs);
  }

  /** It is over, or nobody waits for it alone any more. */
  #forget(attempt: UpstreamRequest): void {
    if (this.#attempt === attempt) {
      this.#attempt = null;
      this.#stream.limits.endTry();
    } else this.#slow?.forget(attempt);
  }

  /** Something else than this attempt may bring an answer yet. */
  #othersThan(attempt: UpstreamRequest): boolean {
    if (this.#waitsFor !== null || (this.#attempt !== null && this.#attempt !== attempt)) return true;
    return this.#slow !== null && this.#slow.hasOther(attempt);
  }

  /** The attempt is the one that is answered: there will be no other, and those that run are cancelled now. `success`: retries led to it. */
  #settle(attempt: UpstreamRequest, success: boolean): void {
    this.#waitsFor = null;
    const { limits } = this.#stream;
    limits.backoffDueMs = Infinity;
    const newest = this.#attempt;
    const slow = this.#slow;
    this.#attempt = attempt;
    this.#slow = null;
    if (success) this.#retries?.onSettled(attempt);
    else this.#retries?.end();
    if (slow === null) return;
    const now = this.#context.clock.nowMs();
    if (newest !== null && newest !== attempt) newest.lose(notWanted, now);
    slow.loseTo(attempt, now);
    this.#stream.upstreamHost = attempt.host!.address;
    if (this.#responseBlocked) attempt.pauseReading();
  }

  // -- the response --

  onUpstreamInformational(attempt: UpstreamRequest, head: ResponseHead): void {
    if (this.#state !== stateRequesting) return;
    if (!this.#informed) {
      this.#informed = true;
      this.#settle(attempt, false);
    }
    this.#stream.limits.touch();
    this.#stream.sendInformational(head);
  }

  onUpstreamHead(attempt: UpstreamRequest, head: ResponseHead, endStream: boolean): void {
    const { policy } = this.#rules;
    const asks = policy !== null && policy.looksAtAnswers && this.#mayRetry && policy.asksForAnswer(head);
    if (asks && this.#retryAnswer(attempt, head, endStream)) return;
    const stream = this.#stream;
    if (this.#retries !== null) this.#settle(attempt, !asks && !attempt.hedged);
    this.#route.breaker?.onHead(this, head, endStream);
    this.#body?.drop();
    const { status, fields } = head;
    const request = this.#head!;
    const now = this.#context.clock.nowMs();
    stream.limits.touch(now);
    stream.limits.onTryAnswered();
    const tunnel = request.method === 'CONNECT' ? status >= 200 && status < 300 : status === 101;
    if (tunnel) {
      // A tunnel has no request timeout; idleness still ends it.
      this.#state = stateTunnel;
      stream.limits.routeDueMs = Infinity;
    } else this.#state = stateResponding;
    if (this.#requestEnded || tunnel) {
      stream.upstreamServiceTimeMs = Math.max(
        0,
        Math.round(now - (this.#requestEndedMs < 0 ? stream.startMs : this.#requestEndedMs)),
      );
      fields.set(names.upstreamServiceTime, String(stream.upstreamServiceTimeMs));
    }
    changeResponse(fields, this.#route, stream.target!);
    if (this.#action.attemptCountInResponse) fields.set(names.attemptCount, String(stream.attempts));
    if (endStream && !tunnel) {
      this.#over(attempt, now);
      stream.sendResponseHead(head, true);
    } else {
      stream.sendResponseHead(head, endStream);
      if (endStream) this.#endResponse();
    }
  }

  /** The policy asks to retry this answer. True: nothing of it goes to the caller. */
  #retryAnswer(attempt: UpstreamRequest, head: ResponseHead, endStream: boolean): boolean {
    const { clock } = this.#context;
    const now = clock.nowMs();
    const stream = this.#stream;
    const leftMs = stream.limits.deadlineMs - now;
    const decision = attempt.hedged
      ? 'limit'
      : this.#retryState().onAnswer(attempt, this.#head!, head, clock.wallMs(), leftMs);
    const later = decision === 'later';
    if (!later) {
      if (decision === 'no') return false;
      if (!attempt.hedged) stream.retryFlag = decision === 'limit' ? 'URX' : 'UO';
      if (!this.#othersThan(attempt)) return false;
    }
    attempt.discard(notWanted, now, endStream, this.#requestEnded, later ? 'retry' : 'nothing');
    this.#releaseUpstreamPause();
    this.#forget(attempt);
    if (later) this.#await('policy', now);
    return true;
  }

  onUpstreamData(attempt: UpstreamRequest, chunk: Buffer, endStream: boolean): void {
    if (endStream && this.#state !== stateTunnel) this.#over(attempt, this.#context.clock.nowMs());
    this.#stream.sendResponseData(chunk, endStream);
    if (endStream && this.#state === stateTunnel) this.#endResponse();
  }

  onUpstreamTrailers(attempt: UpstreamRequest, trailers: HeaderFields): void {
    this.#route.breaker?.onTrailers(this, trailers);
    this.#over(attempt, this.#context.clock.nowMs());
    this.#stream.sendResponseTrailers(trailers);
  }

  /** The response is whole; the request may not be, and is given up then. Told to the cluster before the caller hears the end, so that a connection is free for the next request. */
  #over(attempt: UpstreamRequest, nowMs: number): void {
    this.#state = stateOver;
    this.#stream.endMs = nowMs;
    attempt.finish(nowMs, this.#requestEnded, cutShort);
    this.#releasePauses();
  }

  #endResponse(): void {
    this.#responseEnded = true;
    this.#endTunnelIfBothEnded();
  }

  /** The directions of a tunnel end by themselves; the tunnel ends with the second. */
  #endTunnelIfBothEnded(): void {
    if (this.#state !== stateTunnel || !this.#responseEnded || !this.#requestEnded) return;
    this.#over(this.#attempt!, this.#context.clock.nowMs());
    this.#stream.onTunnelEnd();
  }

  // -- flow control --

  onUpstreamBlocked(): void {
    if (this.#upstreamPaused || this.#requestEnded) return;
    this.#upstreamPaused = true;
    this.#stream.pauseRequest();
  }

  onUpstreamReady(): void {
    this.#releaseUpstreamPause();
  }

  #releaseUpstreamPause(): void {
    if (!this.#upstreamPaused) return;
    this.#upstreamPaused = false;
    this.#stream.resumeRequest();
  }

  #releasePauses(): void {
    this.#releaseUpstreamPause();
    if (!this.#bodyPaused) return;
    this.#bodyPaused = false;
    this.#stream.resumeRequest();
  }

  onResponseBlocked(): void {
    this.#responseBlocked = true;
    this.#attempt?.pauseReading();
  }

  onResponseReady(): void {
    this.#responseBlocked = false;
    this.#attempt?.resumeReading();
  }

  // -- ends --

  onTimeLimit(kind: RouterTimeLimit, nowMs: number): void {
    if (this.#state === stateOver) return;
    switch (kind) {
      case 'backoff':
        this.#stream.onRetry(this.#waitsFor!);
        this.#retries!.onBegun();
        this.#waitsFor = null;
        this.#again(nowMs);
        return;
      case 'route':
        this.#stream.fail(timedOut(this.#timeoutMs, this.#rules.timeoutStatus));
        return;
      default:
        this.#onTryOverdue(kind, nowMs);
    }
  }

  #onTryOverdue(kind: TryLimit, nowMs: number): void {
    const attempt = this.#attempt;
    if (attempt === null || attempt.done) return;
    const requesting = this.#state === stateRequesting && !this.#informed;
    // Who has begun to answer may go on until the whole request's time is over (Envoy).
    if (kind === 'try' && !requesting) return;
    if (kind !== 'try-duration' && this.#rules.hedges && requesting) {
      if (this.#mayRetry) this.#hedge(attempt, nowMs);
      return;
    }
    const error = this.#tryOverdue(kind);
    const decision = requesting ? this.#judge(attempt, error) : 'no';
    attempt.timeOut(error, nowMs, kind, decision === 'later');
    this.#releaseUpstreamPause();
    this.#forget(attempt);
    if (requesting) this.#follow(decision, attempt, error);
    else this.#stream.fail(error);
  }

  #tryOverdue(kind: TryLimit): ProxyError {
    if (kind === 'try-duration') return tryTooLong(this.#requestEnded);
    const limitMs = kind === 'try' ? this.#perTryTimeoutMs : this.#rules.perTryIdleTimeoutMs;
    return tryTimedOut(kind, limitMs, this.#rules.timeoutStatus);
  }

  /** Another attempt beside this one, which goes on. */
  #hedge(attempt: UpstreamRequest, nowMs: number): void {
    const decision = this.#retryState().onSlow(attempt, this.#head!);
    if (decision === 'limit' || decision === 'overflow') this.#stream.retryFlag = decision === 'limit' ? 'URX' : 'UO';
    if (decision !== 'later') return;
    this.#forget(attempt);
    (this.#slow ??= new SlowAttempts()).add(attempt);
    this.#await('hedge', nowMs);
  }

  onStreamEnd(error: ProxyError, nowMs: number): void {
    // An answer that is whole said how it went, or is good.
    if (this.#state === stateOver) this.#route.breaker?.onOver(this);
    else this.#route.breaker?.onFailed(this, error);
    this.#state = stateOver;
    this.#body?.drop();
    this.#attempt?.cancel(error, nowMs);
    this.#slow?.cancel(error, nowMs);
    this.#retries?.end();
    this.#releasePauses();
  }
}

const nothingTried = Object.freeze({ triedHosts: null, avoidCanaries: false });

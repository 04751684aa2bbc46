/**
 * The last filter: sends the request where its route says and brings the answer back. Owns the request as it goes to attempts, the answer as it goes to the caller, tunnels, and what is answered instead of a failure; does not
 * know which connection or host is taken (the cluster does), when there is another attempt (attempts.ts does), nor what ends and counts the stream (the stream does).
 *
 *   head ─▶ mutations ─▶ attempt ─▶ stream ready: head, body so far ─▶ body as it comes ─▶ answer ─▶ caller
 *                           ▲            │ failed, took too long        │ asks for a retry
 *                           └── again ◀──┴── another is waited for ◀────┴──▶ fail: fallback, local reply or reset
 */
import type { BreakerCall } from '../circuit-breaker/circuit-breaker.ts';
import type { ClientStream } from '../codec/codec.ts';
import type { HeaderFields } from '../codec/header-fields.ts';
import { headerName } from '../codec/header-name.ts';
import type { RequestHead, ResponseHead } from '../codec/message-head.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { ForwardActionConfig } from '../config/route-config.ts';
import { httpStatusOfGrpc } from '../grpc/grpc-status.ts';
import { Attempts, type AttemptsOwner } from './attempts.ts';
import { fallbackMark, markOf } from './fallback/fallback-mark.ts';
import type { FallbackRule } from './fallback/fallback-rule.ts';
import { type Instead, RequestFallback } from './fallback/request-fallback.ts';
import type { AnswerCollector } from './fallback/stale-answers.ts';
import { KeptBody } from './kept-body.ts';
import { limitSetBy } from './limit-setter.ts';
import { changeRequest, changeResponse } from './route-changes.ts';
import type { RouteEntry } from './route-entry.ts';
import type { RouterContext } from './router-context.ts';
import { afterStart, cutShort, fallbackFailed, notWanted, timedOut } from './router-faults.ts';
import type { FilteredStream, StreamFilter } from './stream-filter.ts';
import type { RouterTimeLimit } from './stream-limits.ts';
import type { UpstreamRequest } from './upstream-request.ts';

const names = {
  attemptCount: headerName('x-envoy-attempt-count'),
  upstreamServiceTime: headerName('x-envoy-upstream-service-time'),
  fallback: headerName(fallbackMark),
};

const noBytes = Buffer.alloc(0);

const stateRequesting = 0;
const stateResponding = 1;
const stateTunnel = 2;
const stateOver = 3;

export class Router implements StreamFilter, AttemptsOwner, BreakerCall {
  readonly #stream: FilteredStream;
  readonly #route: RouteEntry;
  readonly #action: ForwardActionConfig;
  readonly #context: RouterContext;
  #head: RequestHead | null = null;
  #state = stateRequesting;
  /** Null: it has not failed, or the route has none. */
  #fallback: RequestFallback | null = null;
  /** The answer, while it is kept for others to fall back upon. */
  #kept: AnswerCollector | null = null;
  /** The caller has been told something (1xx): another attempt must not tell it again. */
  #informed = false;
  /** Null while there is none. */
  #body: KeptBody | null = null;
  requestEnded = false;
  #requestEndedMs = -1;
  /** A tunnel's other direction. */
  #responseEnded = false;
  readonly #attempts: Attempts;
  /** The caller's request is not read, because the upstream is slow. */
  #upstreamPaused = false;
  responseBlocked = false;
  /** Written by the route's circuit breaker, for which the whole request is one call. */
  breakerPermit = 0;
  breakerSentMs = 0;

  /** `route` is a forwarding one. */
  constructor(stream: FilteredStream, route: RouteEntry, context: RouterContext) {
    this.#stream = stream;
    this.#route = route;
    this.#action = route.forward!;
    this.#context = context;
    this.#attempts = new Attempts(stream, route, context, this);
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
    const refused = route.breaker !== null && !route.breaker.enter(this, nowMs);
    const attempts = this.#attempts;
    attempts.deadlines.tell(head.fields, nowMs);
    attempts.prepare(head, target);
    if (action.attemptCountInRequest) head.fields.set(names.attemptCount, '1');
    if (endStream) this.#onRequestEnd(nowMs);
    if (refused) stream.fail(route.breaker!.refusal(nowMs));
    else attempts.begin(nowMs);
    // Once, with what the attempt has set too. Nothing happens when the stream is over already.
    stream.limits.arm(nowMs);
  }

  onRequestData(chunk: Buffer, endStream: boolean): void {
    if (this.#state === stateOver) return;
    const attempt = this.#attempts.newest;
    const stream = attempt === null || attempt.done ? null : attempt.stream;
    if (endStream) this.#onRequestEnd(-1);
    this.#keep(chunk, endStream, stream === null);
    if (stream !== null) stream.sendData(chunk, endStream);
    if (endStream) this.#endTunnelIfBothEnded();
  }

  onRequestTrailers(trailers: HeaderFields): void {
    if (this.#state === stateOver) return;
    this.#onRequestEnd(-1);
    if (this.#state === stateRequesting) this.#keptBody().addTrailers(trailers);
    const attempt = this.#attempts.newest;
    if (attempt !== null && !attempt.done && attempt.stream !== null) attempt.stream.sendTrailers(trailers);
    this.#endTunnelIfBothEnded();
  }

  /** Keeps a piece of the body: while it may have to be sent again, or because nobody takes it yet. */
  #keep(chunk: Buffer, endStream: boolean, waits: boolean): void {
    if (this.#state !== stateRequesting) return;
    const body = this.#keptBody();
    if (body.gone) return;
    body.add(chunk, endStream, waits);
    if (body.gone) this.#attempts.abandon();
    else if (!body.repeats && this.#attempts.hedges) this.#attempts.onBodyTooLong(this.#context.clock.nowMs());
  }

  #keptBody(): KeptBody {
    return (this.#body ??= new KeptBody(this.#stream, this.#attempts.replayLimitBytes, this.#context.bufferLimitBytes));
  }

  /** The request is whole: from now on the route's time runs (Envoy). `endMs` -1: now. */
  #onRequestEnd(endMs: number): void {
    this.requestEnded = true;
    this.#requestEndedMs = endMs < 0 ? this.#context.clock.nowMs() : endMs;
    if (this.#stream.requestWholeMs < 0) this.#stream.requestWholeMs = this.#requestEndedMs;
    this.#route.breaker?.sent(this, this.#requestEndedMs);
    const attempts = this.#attempts;
    attempts.newest?.onRequestEnd(this.#requestEndedMs);
    const { deadlines } = attempts;
    if (deadlines.runs || this.#state === stateTunnel) return;
    deadlines.run(this.#requestEndedMs);
    attempts.onRequestEnd(this.#requestEndedMs);
    // With the head, everything is armed at once.
    if (endMs < 0 && deadlines.timeoutMs > 0) this.#stream.limits.arm(this.#requestEndedMs);
  }

  // -- what attempts ask and tell --

  nowMs(): number {
    return this.#context.clock.nowMs();
  }

  get unanswered(): boolean {
    return this.#state === stateRequesting && !this.#informed;
  }

  get bodyGone(): boolean {
    return this.#body !== null && this.#body.gone;
  }

  get bodyRepeats(): boolean {
    return this.#body === null || this.#body.repeats;
  }

  onUpstreamStream(attempt: UpstreamRequest, stream: ClientStream, nowMs: number): void {
    this.#stream.upstreamHost = attempt.host!.address;
    if (this.responseBlocked) attempt.pauseReading();
    const body = this.#body;
    const head = this.#attempts.headOf(attempt);
    if (this.#stream.trace !== null) attempt.spanId = this.#stream.trace.continueIn(head.fields);
    if (body === null) stream.sendHead(head, this.requestEnded);
    else {
      stream.sendHead(head, false);
      body.sendTo(stream);
      if (body.gone) this.#attempts.abandon();
      body.release();
    }
    this.#attempts.onSent(attempt, nowMs);
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
    this.#attempts.onFailed(attempt, error);
  }

  // -- the response --

  onUpstreamInformational(attempt: UpstreamRequest, head: ResponseHead): void {
    if (this.#state !== stateRequesting) return;
    // While others are asked too, it says nothing of who answers first.
    if (this.#attempts.othersThan(attempt)) return;
    if (!this.#informed) {
      this.#informed = true;
      this.#attempts.settle(attempt, false, this.nowMs());
    }
    this.#stream.limits.touch();
    this.#stream.sendInformational(head);
  }

  onUpstreamHead(attempt: UpstreamRequest, head: ResponseHead, endStream: boolean, nowMs: number): void {
    const attempts = this.#attempts;
    const asks = attempts.asksToRetry(head);
    if (asks && attempts.retryAnswer(attempt, head, endStream, nowMs)) return;
    if ((attempts.hedges || this.#route.fallback !== null) && this.#passesOver(attempt, head, endStream, nowMs)) return;
    const stream = this.#stream;
    attempts.settle(attempt, !asks && !attempt.hedged, nowMs);
    this.#route.breaker?.onHead(this, head, endStream, nowMs);
    this.#body?.drop();
    const { status, fields } = head;
    const request = this.#head!;
    stream.firstByteMs = nowMs;
    stream.limits.touch(nowMs);
    stream.limits.onTryAnswered();
    const tunnel = request.method === 'CONNECT' ? status >= 200 && status < 300 : status === 101;
    if (tunnel) {
      // A tunnel has no request timeout; idleness still ends it.
      this.#state = stateTunnel;
      stream.limits.routeDueMs = Infinity;
    } else this.#state = stateResponding;
    if (this.#route.fallback !== null) this.#keepAnswer(head, endStream, nowMs);
    if (this.requestEnded || tunnel) {
      stream.upstreamServiceTimeMs = Math.max(
        0,
        Math.round(nowMs - (this.#requestEndedMs < 0 ? stream.startMs : this.#requestEndedMs)),
      );
      fields.set(names.upstreamServiceTime, String(stream.upstreamServiceTimeMs));
    }
    if (stream.fallback !== null) fields.set(names.fallback, markOf(stream.fallback));
    changeResponse(fields, this.#route, stream.target!);
    if (this.#action.attemptCountInResponse) fields.set(names.attemptCount, String(stream.attempts));
    if (endStream && !tunnel) {
      this.#over(attempt, nowMs);
      stream.sendResponseHead(head, true);
    } else {
      stream.sendResponseHead(head, endStream);
      if (endStream) this.#endResponse();
    }
  }

  /** The answer is a bad one that is not retried: another attempt may bring a better one, or there is a fallback. True: nothing of it goes to the caller. */
  #passesOver(attempt: UpstreamRequest, head: ResponseHead, endStream: boolean, nowMs: number): boolean {
    if (!this.unanswered) return false;
    const attempts = this.#attempts;
    if (attempts.othersThan(attempt)) {
      if (!attempts.hedges || !isBadAnswer(head, endStream)) return false;
      attempts.discard(attempt, endStream, 'nothing', nowMs);
      return true;
    }
    const rule = this.#route.fallback;
    if (rule === null || !rule.isFailure(head, endStream, this.#stream.grpc)) return false;
    const fallback = this.#fallbackOf(rule);
    const instead = this.#chooseInstead(fallback, nowMs);
    if (instead === null) return false;
    attempts.discard(attempt, endStream, 'answer', nowMs);
    // For the route's breaker this is how the request went, whatever the caller gets.
    const { breaker } = this.#route;
    breaker?.onHead(this, head, endStream, nowMs);
    breaker?.onOver(this, nowMs);
    this.#take(instead, fallback, null, `via_upstream{${head.status}}`, nowMs);
    return true;
  }

  // -- instead of a failure --

  insteadOf(error: ProxyError, nowMs: number): ProxyError | null {
    const rule = this.#route.fallback;
    if (rule === null || !this.unanswered) return error;
    // The caller broke off, or has not sent its request in time.
    if (error.source === 'downstream' || error.status === 408) return error;
    const fallback = this.#fallbackOf(rule);
    const instead = this.#chooseInstead(fallback, nowMs);
    if (instead === null) {
      const { first } = fallback;
      return fallback.serviceTried && first !== null ? fallbackFailed(first, error, rule.service!.name) : error;
    }
    fallback.first ??= error;
    this.#route.breaker?.onFailed(this, error, nowMs);
    this.#take(instead, fallback, error, error.details, nowMs);
    return null;
  }

  #fallbackOf(rule: FallbackRule): RequestFallback {
    return (this.#fallback ??= new RequestFallback(
      rule,
      this.#context.memory,
      this.#stream.sharesAnswers ? this.#stream.sharedAnswersKey : '',
      this.#head!,
    ));
  }

  /** A good answer of the route's own service, before anything of it was changed: the next request that fails may get it. */
  #keepAnswer(answer: ResponseHead, endStream: boolean, nowMs: number): void {
    const { stale } = this.#route.fallback!;
    const { method, fields } = this.#head!;
    if (stale === null || !this.#stream.sharesAnswers || answer.status !== 200 || method !== 'GET') return;
    if (this.#fallback !== null && this.#fallback.serviceTried) return;
    const { staleAnswers } = this.#context.memory;
    if (!staleAnswers.mayLook(nowMs)) return;
    const key = this.#stream.sharedAnswersKey;
    if (staleAnswers.isNew(key, fields, nowMs)) return;
    this.#kept = staleAnswers.collect(key, fields, answer, stale, nowMs);
    if (endStream) this.#kept?.add(noBytes, true);
  }

  #chooseInstead(fallback: RequestFallback, nowMs: number): Instead | null {
    const { upgrade, method } = this.#head!;
    const request = {
      grpc: this.#stream.grpc,
      canBeSentAgain:
        !this.bodyGone && upgrade === '' && method !== 'CONNECT' && this.#attempts.deadlines.isAwaited(nowMs),
      mayHaveRun: this.#attempts.mayHaveRun,
    };
    return fallback.next(request, nowMs);
  }

  /** `error` null: the failure was an answer. */
  #take(instead: Instead, fallback: RequestFallback, error: ProxyError | null, details: string, nowMs: number): void {
    const stream = this.#stream;
    // With the cluster that failed, also where a fallback did next.
    fallback.cluster ??= stream.target!.name;
    this.#context.clusters.cluster(fallback.cluster)?.onFallback?.(instead.kind);
    const { rule } = fallback;
    stream.fallback = { kind: instead.kind, policy: rule.policy, flag: error === null ? '' : error.flag, details };
    if (instead.kind === 'service')
      this.#attempts.askAnother(instead.target, rule.serviceTimeoutMs, error ?? notWanted, nowMs);
    else stream.sendFallback(instead, error);
  }

  // -- the rest of the response --

  onUpstreamData(attempt: UpstreamRequest, chunk: Buffer, endStream: boolean): void {
    if (this.#kept !== null) this.#kept.add(chunk, endStream);
    if (endStream && this.#state !== stateTunnel) this.#over(attempt, this.#context.clock.nowMs());
    this.#stream.sendResponseData(chunk, endStream);
    if (endStream && this.#state === stateTunnel) this.#endResponse();
  }

  onUpstreamTrailers(attempt: UpstreamRequest, trailers: HeaderFields, nowMs: number): void {
    this.#route.breaker?.onTrailers(this, trailers, nowMs);
    this.#over(attempt, nowMs);
    this.#stream.sendResponseTrailers(trailers);
  }

  /** The response is whole; the request may not be, and is given up then. Told to the cluster before the caller hears the end, so that a connection is free for the next request. */
  #over(attempt: UpstreamRequest, nowMs: number): void {
    this.#state = stateOver;
    this.#stream.endMs = nowMs;
    attempt.finish(nowMs, this.requestEnded, cutShort);
    this.#releasePauses();
  }

  #endResponse(): void {
    this.#responseEnded = true;
    this.#endTunnelIfBothEnded();
  }

  /** The directions of a tunnel end by themselves; the tunnel ends with the second. */
  #endTunnelIfBothEnded(): void {
    if (this.#state !== stateTunnel || !this.#responseEnded || !this.requestEnded) return;
    this.#over(this.#attempts.newest!, this.#context.clock.nowMs());
    this.#stream.onTunnelEnd();
  }

  // -- flow control --

  onUpstreamBlocked(): void {
    if (this.#upstreamPaused || this.requestEnded) return;
    this.#upstreamPaused = true;
    this.#stream.pauseRequest();
  }

  onUpstreamReady(): void {
    this.#releaseUpstreamPause();
  }

  onAttemptGone(): void {
    this.#releaseUpstreamPause();
  }

  #releaseUpstreamPause(): void {
    if (!this.#upstreamPaused) return;
    this.#upstreamPaused = false;
    this.#stream.resumeRequest();
  }

  #releasePauses(): void {
    this.#releaseUpstreamPause();
    this.#body?.release();
  }

  onResponseBlocked(): void {
    this.responseBlocked = true;
    this.#attempts.newest?.pauseReading();
  }

  onResponseReady(): void {
    this.responseBlocked = false;
    this.#attempts.newest?.resumeReading();
  }

  // -- ends --

  onTimeLimit(kind: RouterTimeLimit, nowMs: number): void {
    if (this.#state === stateOver) return;
    switch (kind) {
      case 'backoff':
        this.#attempts.onBackoffOver(nowMs);
        return;
      case 'hedge':
        this.#attempts.onHedgeDue(nowMs);
        return;
      case 'route': {
        const { deadlines, rules } = this.#attempts;
        const rule = limitSetBy('route', deadlines.timeoutMs, this.#route);
        this.#stream.fail(timedOut(deadlines.timeoutMs, rules.timeoutStatus, rule));
        return;
      }
      default:
        this.#attempts.onTryOverdue(kind, nowMs);
    }
  }

  onStreamEnd(error: ProxyError, nowMs: number): void {
    // An answer that is whole said how it went, or is good.
    if (this.#state === stateOver) this.#route.breaker?.onOver(this, nowMs);
    else this.#route.breaker?.onFailed(this, error, nowMs);
    this.#state = stateOver;
    this.#body?.drop();
    this.#attempts.giveUp(error, nowMs);
    this.#kept?.abandon();
    this.#releasePauses();
  }
}

/** Another attempt may bring something better: an error of the server's, or a refusal because of its load. */
function isBadAnswer({ status, fields }: ResponseHead, whole: boolean): boolean {
  if (status >= 500 || status === 429) return true;
  const grpcStatus = whole ? fields.get('grpc-status') : undefined;
  return grpcStatus !== undefined && httpStatusOfGrpc(grpcStatus) >= 500;
}

/**
 * The last filter: sends the request where its route says and brings the answer back. Owns the route's timeout, that of each try, repeats and hedges; does not know which connection or
 * host is taken (the cluster does), whether a failure is worth another attempt (retry-state.ts does), nor what ends and counts the stream (the stream does).
 *
 *   head ─▶ mutations ─▶ attempt ─▶ stream ready: head, body so far ─▶ body as it comes ─▶ answer ─▶ caller
 *                           ▲            │ failed, took too long        │ asks for a retry
 *                           └── again ◀──┴── another is waited for ◀────┴──▶ fail: local reply or reset
 *
 * There is one attempt at a time, the newest; with hedging those before it go on (later-attempts.ts), until one is answered: then the others are cancelled at once.
 */
import type { CountedAs } from '../cluster/upstream.ts';
import type { ClientStream } from '../codec/codec.ts';
import type { HeaderFields } from '../codec/header-fields.ts';
import { headerName } from '../codec/header-name.ts';
import type { RequestHead, ResponseHead } from '../codec/message-head.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { ForwardActionConfig } from '../config/route-config.ts';
import { httpStatusOfGrpc } from '../grpc/grpc-status.ts';
import type { AttemptRules } from './attempt-rules.ts';
import { fallbackMark, markOf } from './fallback/fallback-mark.ts';
import { type Instead, RequestFallback } from './fallback/request-fallback.ts';
import { Hedges } from './hedges.ts';
import { KeptBody } from './kept-body.ts';
import { LaterAttempts } from './later-attempts.ts';
import { RequestDeadlines } from './request-deadlines.ts';
import type { RetryDecision } from './retry-state.ts';
import { changeRequest, changeResponse } from './route-changes.ts';
import type { RouteEntry } from './route-entry.ts';
import type { RouterContext } from './router-context.ts';
import {
  afterStart,
  cutShort,
  fallbackFailed,
  noCluster,
  notRetried,
  notWanted,
  timedOut,
  tooLongToRetry,
  tryTimedOut,
  tryTooLong,
} from './router-faults.ts';
import type { FilteredStream, StreamFilter } from './stream-filter.ts';
import type { RouterTimeLimit } from './stream-limits.ts';
import { type TryLimit, UpstreamRequest, type UpstreamRequestOwner } from './upstream-request.ts';
import type { WeightedTarget } from './weighted-target.ts';

const names = {
  attemptCount: headerName('x-envoy-attempt-count'),
  upstreamServiceTime: headerName('x-envoy-upstream-service-time'),
  fallback: headerName(fallbackMark),
};

const stateRequesting = 0;
const stateResponding = 1;
const stateTunnel = 2;
const stateOver = 3;

export class Router implements StreamFilter, UpstreamRequestOwner {
  readonly #stream: FilteredStream;
  readonly #route: RouteEntry;
  readonly #action: ForwardActionConfig;
  readonly #context: RouterContext;
  #head: RequestHead | null = null;
  #state = stateRequesting;
  /** The route's, with the caller's wishes; once a fallback is asked, nothing but free repeats. */
  #rules: AttemptRules;
  /** Bytes of a body that are kept so that it can be sent again. */
  readonly #replayLimitBytes: number;
  /** The newest; null while another is waited for. */
  #attempt: UpstreamRequest | null = null;
  /** Null until more than the first attempt is needed. */
  #later: LaterAttempts | null = null;
  /** Null: the route has no hedging of ours, or the request must not run twice. */
  #hedges: Hedges | null = null;
  /** Null: the route has none. */
  #fallback: RequestFallback | null = null;
  /** Attempts that the service may have acted on. */
  #sentAttempts = 0;
  /** The caller has been told something (1xx): another attempt must not tell it again. */
  #informed = false;
  /** Null while there is none. */
  #body: KeptBody | null = null;
  #requestEnded = false;
  #requestEndedMs = -1;
  /** A tunnel's other direction. */
  #responseEnded = false;
  readonly #deadlines: RequestDeadlines;
  /** The caller's request is not read, because the upstream is slow. */
  #upstreamPaused = false;
  #responseBlocked = false;

  /** `route` is a forwarding one. */
  constructor(stream: FilteredStream, route: RouteEntry, context: RouterContext) {
    this.#stream = stream;
    this.#route = route;
    this.#action = route.forward!;
    this.#context = context;
    const caller = stream.callerRetry;
    this.#rules = caller === null ? route.rules! : route.rules!.withCaller(caller);
    this.#replayLimitBytes = this.#rules.replayLimitBytes(context.bufferLimitBytes);
    this.#deadlines = new RequestDeadlines(stream, this.#action, this.#rules);
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
    this.#deadlines.tell(head.fields, nowMs);
    if (action.attemptCountInRequest) head.fields.set(names.attemptCount, '1');
    const { hedging, fallback } = route;
    if (hedging !== null && hedging.appliesTo(head)) {
      if (hedging.measures) target.latencies ??= this.#context.memory.latenciesOf(route.name, target.name);
      this.#hedges = new Hedges(hedging, target.latencies);
    }
    if (fallback !== null) this.#fallback = new RequestFallback(fallback, this.#context.memory, route.name, head);
    if (endStream) this.#onRequestEnd(nowMs);
    this.#begin(nowMs);
    // Once, with what the attempt has set too. Nothing happens when the stream is over already.
    stream.limits.arm(nowMs);
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
    if (this.#state === stateRequesting) this.#keptBody().addTrailers(trailers);
    const attempt = this.#attempt;
    if (attempt !== null && !attempt.done && attempt.stream !== null) attempt.stream.sendTrailers(trailers);
    this.#endTunnelIfBothEnded();
  }

  /** Keeps a piece of the body: while it may have to be sent again, or because nobody takes it yet. */
  #keep(chunk: Buffer, endStream: boolean, waits: boolean): void {
    if (this.#state !== stateRequesting) return;
    const body = this.#keptBody();
    if (body.gone) return;
    body.add(chunk, endStream, waits);
    if (body.gone) this.#abandonRetries();
  }

  #keptBody(): KeptBody {
    return (this.#body ??= new KeptBody(this.#stream, this.#replayLimitBytes, this.#context.bufferLimitBytes));
  }

  /** The body is too long to be kept: the request cannot be sent again. */
  #abandonRetries(): void {
    if (this.#rules.retries) this.#attempt?.cluster.onRetryEvent?.('abandoned');
    this.#later?.retries.end();
  }

  /** The request is whole: from now on the route's time runs (Envoy). `endMs` -1: now. */
  #onRequestEnd(endMs: number): void {
    this.#requestEnded = true;
    this.#requestEndedMs = endMs < 0 ? this.#context.clock.nowMs() : endMs;
    const deadlines = this.#deadlines;
    if (deadlines.runs || this.#state === stateTunnel) return;
    deadlines.run(this.#requestEndedMs);
    const attempt = this.#attempt;
    if (attempt !== null && attempt.stream !== null) this.#startTry();
    if (attempt !== null && this.#hedges !== null) this.#armHedge(attempt, this.#hedges, this.#requestEndedMs);
    // With the head, everything is armed at once.
    if (endMs < 0 && deadlines.timeoutMs > 0) this.#stream.limits.arm(this.#requestEndedMs);
  }

  #startTry(): void {
    if (this.#deadlines.limitsTries) this.#deadlines.startTry(this.#context.clock.nowMs());
  }

  #armHedge(attempt: UpstreamRequest, hedges: Hedges, nowMs: number): void {
    const { limits } = this.#stream;
    limits.hedgeDueMs = hedges.dueMs(attempt, nowMs);
    limits.arm(nowMs);
  }

  // -- attempts --

  /** `isHedge`: beside another. */
  #begin(nowMs: number, isHedge = false): void {
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
    attempt.isHedge = isHedge;
    this.#attempt = attempt;
    if (this.#hedges !== null && this.#requestEnded) this.#armHedge(attempt, this.#hedges, nowMs);
    attempt.start(this.#later === null ? nothingTried : this.#later.whatWasTried, stream.version);
  }

  onUpstreamStream(attempt: UpstreamRequest, stream: ClientStream): void {
    this.#sentAttempts++;
    this.#stream.upstreamHost = attempt.host!.address;
    if (this.#responseBlocked) attempt.pauseReading();
    const body = this.#body;
    if (body === null) stream.sendHead(this.#head!, this.#requestEnded);
    else {
      stream.sendHead(this.#head!, false);
      body.sendTo(stream);
      if (body.gone) this.#abandonRetries();
      body.release();
    }
    // Another was sent meanwhile, and limits are that one's.
    if (attempt.hedged) return;
    const { maxStreamDurationMs = 0 } = attempt.cluster.config;
    if (maxStreamDurationMs > 0) this.#deadlines.endTryIn(maxStreamDurationMs, this.#context.clock.nowMs());
    if (this.#requestEnded) this.#startTry();
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
    if (attempt.connected && error.retry === 'unsent') this.#sentAttempts--;
    this.#hedges?.onFailed(attempt);
    this.#forget(attempt);
    this.#follow(this.#judge(attempt, error), attempt, error);
  }

  #judge(attempt: UpstreamRequest, error: ProxyError): RetryDecision {
    // One that was hedged has its successor already.
    if (attempt.hedged || !this.#mayRetry) return 'no';
    return this.#laterAttempts().retries.onFailure(attempt, this.#head!, error);
  }

  get #mayRetry(): boolean {
    return this.#state === stateRequesting && !this.#informed && !this.#tooLong;
  }

  /** The body was longer than is kept. */
  get #tooLong(): boolean {
    return this.#body !== null && this.#body.gone;
  }

  #laterAttempts(): LaterAttempts {
    return (this.#later ??= new LaterAttempts(this.#rules, this.#context.random));
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
    const later = this.#later!;
    later.waitsFor = why;
    const { limits } = this.#stream;
    limits.backoffDueMs = nowMs + later.retries.delayMs;
    limits.arm(nowMs);
  }

  #again(nowMs: number, isHedge = false): void {
    const { fields } = this.#head!;
    fields.set(names.attemptCount, String(this.#stream.attempts + 1));
    this.#deadlines.tellRest(fields, nowMs);
    this.#begin(nowMs, isHedge);
  }

  /** It is over, or nobody waits for it alone any more. */
  #forget(attempt: UpstreamRequest): void {
    if (this.#attempt === attempt) {
      this.#attempt = null;
      this.#stream.limits.endTry();
    } else this.#later?.forget(attempt);
  }

  /** Something else than this attempt may bring an answer yet. */
  #othersThan(attempt: UpstreamRequest): boolean {
    if (this.#attempt !== null && this.#attempt !== attempt) return true;
    return this.#later !== null && this.#later.othersThan(attempt);
  }

  /** The attempt is the one that is answered: there will be no other, and those that run are cancelled now. `success`: retries led to it. */
  #settle(attempt: UpstreamRequest, success: boolean): void {
    this.#stream.limits.backoffDueMs = Infinity;
    const newest = this.#attempt;
    this.#attempt = attempt;
    if (this.#hedges !== null) {
      this.#stream.limits.hedgeDueMs = Infinity;
      this.#hedges.onAnswered(attempt, attempt.isHedge, attempt.status, this.#context.clock.nowMs());
    }
    if (this.#later === null || !this.#later.settle(attempt, newest, success, this.#context.clock)) return;
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
    if ((this.#hedges !== null || this.#fallback !== null) && this.#passesOver(attempt, head, endStream)) return;
    const stream = this.#stream;
    if (this.#later !== null || this.#hedges !== null) this.#settle(attempt, !asks && !attempt.hedged);
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
    this.#fallback?.onAnswer(head, endStream, now);
    if (stream.fallback !== null) fields.set(names.fallback, markOf(stream.fallback));
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
      : this.#laterAttempts().retries.onAnswer(attempt, this.#head!, head, clock.wallMs(), leftMs);
    const later = decision === 'later';
    if (!later) {
      if (decision === 'no') return false;
      if (!attempt.hedged) stream.retryFlag = decision === 'limit' ? 'URX' : 'UO';
      if (!this.#othersThan(attempt)) return false;
    }
    this.#discard(attempt, endStream, later ? 'retry' : 'nothing', now);
    if (later) this.#await('policy', now);
    return true;
  }

  /** Nothing of its answer goes to the caller. */
  #discard(attempt: UpstreamRequest, endStream: boolean, counted: CountedAs, nowMs: number): void {
    attempt.discard(notWanted, nowMs, endStream, this.#requestEnded, counted);
    this.#releaseUpstreamPause();
    this.#hedges?.onFailed(attempt);
    this.#forget(attempt);
  }

  /** The answer is a bad one that is not retried: another attempt may bring a better one, or there is a fallback. True: nothing of it goes to the caller. */
  #passesOver(attempt: UpstreamRequest, head: ResponseHead, endStream: boolean): boolean {
    if (this.#state !== stateRequesting || this.#informed) return false;
    if (this.#othersThan(attempt)) {
      if (this.#hedges === null || !isBadAnswer(head, endStream)) return false;
      this.#discard(attempt, endStream, 'nothing', this.#context.clock.nowMs());
      return true;
    }
    const fallback = this.#fallback;
    if (fallback === null || !fallback.rule.isFailure(head, endStream, this.#stream.grpc)) return false;
    const now = this.#context.clock.nowMs();
    const instead = this.#chooseInstead(fallback, now);
    if (instead === null) return false;
    this.#discard(attempt, endStream, 'answer', now);
    this.#take(instead, fallback, null, `via_upstream{${head.status}}`, now);
    return true;
  }

  // -- instead of a failure --

  insteadOf(error: ProxyError, nowMs: number): ProxyError | null {
    const fallback = this.#fallback;
    if (fallback === null || this.#state !== stateRequesting || this.#informed) return error;
    // The caller broke off, or has not sent its request in time.
    if (error.source === 'downstream' || error.status === 408) return error;
    const instead = this.#chooseInstead(fallback, nowMs);
    if (instead === null) {
      const { first, rule } = fallback;
      return fallback.serviceTried && first !== null ? fallbackFailed(first, error, rule.service!.name) : error;
    }
    fallback.first ??= error;
    this.#take(instead, fallback, error, error.details, nowMs);
    return null;
  }

  #chooseInstead(fallback: RequestFallback, nowMs: number): Instead | null {
    const { upgrade, method } = this.#head!;
    const request = {
      grpc: this.#stream.grpc,
      canBeSentAgain: !this.#tooLong && upgrade === '' && method !== 'CONNECT' && this.#deadlines.isAwaited(nowMs),
      mayHaveRun: this.#sentAttempts > 0,
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
    if (instead.kind === 'service') this.#askAnother(instead.target, rule.serviceTimeoutMs, error ?? notWanted, nowMs);
    else stream.sendFallback(instead, error);
  }

  /** The request goes to another cluster, as if it came now. What runs for it yet is given up with `error`. */
  #askAnother(target: WeightedTarget, timeoutMs: number | null, error: ProxyError, nowMs: number): void {
    const stream = this.#stream;
    this.#giveUp(error, nowMs);
    this.#attempt = null;
    this.#later = null;
    this.#hedges = null;
    const { limits } = stream;
    limits.endTry();
    limits.backoffDueMs = Infinity;
    limits.touch(nowMs);
    this.#rules = this.#rules.withoutPolicy();
    this.#deadlines.restart(this.#rules, timeoutMs ?? this.#action.timeoutMs, nowMs);
    this.#releaseUpstreamPause();
    stream.target = target;
    this.#again(nowMs);
    limits.arm(nowMs);
  }

  /** Attempts that run are cancelled, and what they hold is given back. */
  #giveUp(error: ProxyError, nowMs: number): void {
    this.#attempt?.cancel(error, nowMs);
    this.#later?.end(error, nowMs);
    this.#hedges?.end(true, nowMs);
  }

  // -- the rest of the response --

  onUpstreamData(attempt: UpstreamRequest, chunk: Buffer, endStream: boolean): void {
    if (this.#fallback !== null) this.#fallback.onData(chunk, endStream);
    if (endStream && this.#state !== stateTunnel) this.#over(attempt, this.#context.clock.nowMs());
    this.#stream.sendResponseData(chunk, endStream);
    if (endStream && this.#state === stateTunnel) this.#endResponse();
  }

  onUpstreamTrailers(attempt: UpstreamRequest, trailers: HeaderFields): void {
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
    this.#body?.release();
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
        this.#stream.onRetry(this.#later!.waitsFor!);
        this.#later!.retries.onBegun();
        this.#later!.waitsFor = null;
        this.#again(nowMs);
        return;
      case 'hedge':
        this.#hedge(nowMs);
        return;
      case 'route':
        this.#stream.fail(timedOut(this.#deadlines.timeoutMs, this.#rules.timeoutStatus));
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
      if (this.#mayRetry) this.#hedgeOverdue(attempt, nowMs);
      return;
    }
    const error = this.#tryOverdue(kind);
    const decision = requesting ? this.#judge(attempt, error) : 'no';
    this.#hedges?.onFailed(attempt);
    attempt.timeOut(error, nowMs, kind, decision === 'later');
    this.#releaseUpstreamPause();
    this.#forget(attempt);
    if (requesting) this.#follow(decision, attempt, error);
    else this.#stream.fail(error);
  }

  #tryOverdue(kind: TryLimit): ProxyError {
    if (kind === 'try-duration') return tryTooLong(this.#requestEnded);
    const limitMs = kind === 'try' ? this.#deadlines.perTryTimeoutMs : this.#rules.perTryIdleTimeoutMs;
    return tryTimedOut(kind, limitMs, this.#rules.timeoutStatus);
  }

  /** The newest attempt takes longer than most: another is sent beside it, at once. */
  #hedge(nowMs: number): void {
    const attempt = this.#attempt;
    const hedges = this.#hedges;
    if (attempt === null || attempt.done || hedges === null || !this.#mayRetry) return;
    const later = this.#laterAttempts();
    later.retries.noteHost(attempt.chosenHost);
    if (!hedges.tryBegin(attempt.cluster, later.retries.tried)) return;
    this.#stream.onRetry('hedge');
    this.#forget(attempt);
    later.addSlow(attempt, false);
    this.#again(nowMs, true);
  }

  /** The time of the newest attempt is over: another follows beside it, as the policy for retries says. */
  #hedgeOverdue(attempt: UpstreamRequest, nowMs: number): void {
    const later = this.#laterAttempts();
    const decision = later.retries.onSlow(attempt, this.#head!);
    if (decision === 'limit' || decision === 'overflow') this.#stream.retryFlag = decision === 'limit' ? 'URX' : 'UO';
    if (decision !== 'later') return;
    this.#forget(attempt);
    later.addSlow(attempt, true);
    this.#await('hedge', nowMs);
  }

  onStreamEnd(error: ProxyError, nowMs: number): void {
    this.#state = stateOver;
    this.#body?.drop();
    this.#giveUp(error, nowMs);
    this.#fallback?.end();
    this.#releasePauses();
  }
}

const nothingTried = Object.freeze({ triedHosts: null, avoidCanaries: false });

/** Another attempt may bring something better: an error of the server's, or a refusal because of its load. */
function isBadAnswer({ status, fields }: ResponseHead, whole: boolean): boolean {
  if (status >= 500 || status === 429) return true;
  const grpcStatus = whole ? fields.get('grpc-status') : undefined;
  return grpcStatus !== undefined && httpStatusOfGrpc(grpcStatus) >= 500;
}

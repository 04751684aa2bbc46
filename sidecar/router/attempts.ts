/**
 * The attempts of one request: begins them, follows each that fails by another where the policy and the budget say so, sends others beside those that take long, keeps to their limits of time, and cancels what runs when one is
 * answered. What is sent to them and what becomes of their answers is the router's (router.ts); which host one gets, the cluster's; whether a failure is worth another, retry-state.ts's.
 *
 * There is one attempt at a time, the newest; with hedging those before it go on (later-attempts.ts), until one is answered: then the others are cancelled at once.
 */
import type { CountedAs } from '../cluster/upstream.ts';
import { headerName } from '../codec/header-name.ts';
import type { RequestHead, ResponseHead } from '../codec/message-head.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { ForwardActionConfig } from '../config/route-config.ts';
import type { AttemptRules } from './attempt-rules.ts';
import { Hedges } from './hedges.ts';
import { LaterAttempts } from './later-attempts.ts';
import { limitSetBy } from './limit-setter.ts';
import { RequestDeadlines } from './request-deadlines.ts';
import type { RetryDecision } from './retry-state.ts';
import type { RouteEntry } from './route-entry.ts';
import type { RouterContext } from './router-context.ts';
import { noCluster, notRetried, notWanted, tooLongToRetry, tryTimedOut, tryTooLong } from './router-faults.ts';
import type { FilteredStream } from './stream-filter.ts';
import { type AttemptReason, type TryLimit, UpstreamRequest, type UpstreamRequestOwner } from './upstream-request.ts';
import type { WeightedTarget } from './weighted-target.ts';

/** What attempts ask of the router, which also hears what comes of each. */
export interface AttemptsOwner extends UpstreamRequestOwner {
  readonly requestEnded: boolean;
  /** Nothing of an answer has gone to the caller. */
  readonly unanswered: boolean;
  /** The body was longer than is kept. */
  readonly bodyGone: boolean;
  /** What there is of the body can be sent to several attempts. */
  readonly bodyRepeats: boolean;
  /** The caller takes nothing more for now. */
  readonly responseBlocked: boolean;
  /** One is over that took the request. */
  onAttemptGone(): void;
}

const attemptCount = headerName('x-envoy-attempt-count');

export class Attempts {
  readonly #stream: FilteredStream;
  readonly #route: RouteEntry;
  readonly #action: ForwardActionConfig;
  readonly #context: RouterContext;
  readonly #owner: AttemptsOwner;
  #head: RequestHead | null = null;
  readonly deadlines: RequestDeadlines;
  /** The route's, with the caller's wishes; once a fallback is asked, nothing but free repeats. */
  rules: AttemptRules;
  /** Bytes of a body that are kept so that it can be sent again. */
  readonly replayLimitBytes: number;
  /** Null while another is waited for. */
  newest: UpstreamRequest | null = null;
  /** Null until more than the first attempt is needed. */
  #later: LaterAttempts | null = null;
  /** Null: the route has no hedging of ours, or the request must not run twice. */
  #hedges: Hedges | null = null;
  /** Those that the service may have acted on. */
  #sent = 0;

  /** `route` is a forwarding one. */
  constructor(stream: FilteredStream, route: RouteEntry, context: RouterContext, owner: AttemptsOwner) {
    this.#stream = stream;
    this.#route = route;
    this.#action = route.forward!;
    this.#context = context;
    this.#owner = owner;
    const caller = stream.callerRetry;
    this.rules = caller === null ? route.rules! : route.rules!.withCaller(caller);
    this.replayLimitBytes = this.rules.replayLimitBytes(context.bufferLimitBytes);
    this.deadlines = new RequestDeadlines(stream, this.#action, this.rules);
  }

  /** The request's head, as it goes to `target`; before the first attempt. */
  prepare(head: RequestHead, target: WeightedTarget): void {
    this.#head = head;
    const { hedging, memoryKey } = this.#route;
    if (hedging === null || !hedging.appliesTo(head)) return;
    if (hedging.measures) target.latencies ??= this.#context.memory.latenciesOf(memoryKey, target.name);
    this.#hedges = new Hedges(hedging, target.latencies);
  }

  /** What the attempt sends, to be sent at once. */
  headOf(attempt: UpstreamRequest): RequestHead {
    const head = this.#head!;
    return this.#later === null ? head : this.#later.headOf(attempt, head);
  }

  /** There are attempts beside each other, or may be. */
  get hedges(): boolean {
    return this.#hedges !== null;
  }

  /** The service may have acted on the request. */
  get mayHaveRun(): boolean {
    return this.#sent > 0;
  }

  get #mayRepeat(): boolean {
    return this.#owner.unanswered && !this.#owner.bodyGone;
  }

  /** The request is whole, and its time runs. */
  onRequestEnd(nowMs: number): void {
    const { newest } = this;
    if (newest === null) return;
    if (newest.stream !== null) this.#startTry(nowMs);
    if (this.#hedges !== null) this.#armHedge(newest, this.#hedges, nowMs);
  }

  /** The request cannot be sent again. */
  abandon(): void {
    if (this.rules.retries) this.newest?.cluster.onRetryEvent?.('abandoned');
    this.#later?.retries.end();
  }

  /** The body has become too long for more than one: only the newest goes on, of those that wait for a connection. */
  onBodyTooLong(nowMs: number): void {
    if (this.newest !== null) this.#later?.loseWaiting(notWanted, nowMs);
  }

  /** The request, or what there is of it, was sent to it. */
  onSent(attempt: UpstreamRequest, nowMs: number): void {
    this.#sent++;
    // Another was sent meanwhile, and limits are that one's.
    if (attempt.hedged) return;
    const { maxStreamDurationMs = 0 } = attempt.cluster.config;
    if (maxStreamDurationMs > 0) this.deadlines.endTryIn(maxStreamDurationMs, nowMs);
    if (this.#owner.requestEnded) this.#startTry(nowMs);
  }

  /** Nothing of its answer has gone to the caller. */
  onFailed(attempt: UpstreamRequest, error: ProxyError): void {
    if (attempt.connected && error.retry === 'unsent') this.#sent--;
    this.#hedges?.onFailed(attempt);
    this.#forget(attempt);
    this.#follow(this.#judge(attempt, error), attempt, error);
  }

  /** The policy asks for another attempt instead of this answer. */
  asksToRetry(head: ResponseHead): boolean {
    const { policy } = this.rules;
    const stream = this.#stream;
    // What is said is said of the answer that the caller gets.
    stream.notRetried = '';
    if (policy === null || !policy.looksAtAnswers || !this.#owner.unanswered) return false;
    if (!policy.asksForAnswer(head)) {
      if (policy.asksButForOverload(head)) stream.notRetried = 'overloaded';
      return false;
    }
    if (!this.#owner.bodyGone) return true;
    if (policy.appliesTo(this.#head!)) stream.notRetried = 'body_too_long';
    return false;
  }

  /** The pause before another attempt is over. */
  onBackoffOver(nowMs: number): void {
    const later = this.#later!;
    const why = later.waitsFor!;
    this.#stream.onRetry(why);
    later.retries.onBegun();
    later.waitsFor = null;
    this.#again(nowMs, why);
  }

  /** `isHedge`: beside another that takes longer than most, and not only longer than one may. */
  begin(nowMs: number, why: AttemptReason = 'first', isHedge = false): void {
    const stream = this.#stream;
    const { name } = stream.target!;
    const cluster = this.#context.clusters.cluster(name);
    if (cluster === undefined) {
      stream.fail(noCluster(name, this.#action.clusterNotFoundStatus, this.#route.config.setBy));
      return;
    }
    stream.attempts++;
    const shared = this.#action.highPriority ? (cluster.highPriority?.() ?? cluster) : cluster;
    const attempt = new UpstreamRequest(shared, this.#owner, nowMs, why, stream.lastAttempt);
    stream.lastAttempt = attempt;
    attempt.isHedge = isHedge;
    this.newest = attempt;
    if (this.#hedges !== null && this.#owner.requestEnded) this.#armHedge(attempt, this.#hedges, nowMs);
    const { origin = null } = stream;
    attempt.start(
      this.#later === null ? (origin?.nothingTried ?? nothingTried) : this.#later.whatWasTried(origin),
      stream.version,
      this.#owner.requestEnded,
    );
  }

  #again(nowMs: number, why: AttemptReason, isHedge = false): void {
    const { fields } = this.#head!;
    fields.set(attemptCount, String(this.#stream.attempts + 1));
    this.deadlines.tellRest(fields, nowMs);
    this.begin(nowMs, why, isHedge);
  }

  #judge(attempt: UpstreamRequest, error: ProxyError): RetryDecision {
    // One that was hedged has its successor already.
    if (attempt.hedged || !this.#mayRepeat) return 'no';
    return this.#laterAttempts().retries.onFailure(attempt, this.#head!, error);
  }

  #laterAttempts(): LaterAttempts {
    return (this.#later ??= new LaterAttempts(this.rules, this.#context.random));
  }

  /** An attempt has failed: another follows, or is under way, or the request fails. */
  #follow(decision: RetryDecision, attempt: UpstreamRequest, error: ProxyError): void {
    const stream = this.#stream;
    let told = error;
    switch (decision) {
      case 'now':
        stream.onRetry('connection');
        this.#again(this.#context.clock.nowMs(), 'connection');
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
        if (!this.#isTooLong(attempt, error)) break;
        stream.notRetried = 'body_too_long';
        told = tooLongToRetry(error, this.replayLimitBytes);
    }
    if (this.othersThan(attempt)) return;
    // Timeouts are counted with the attempt that met them, if at all.
    if (error.flag !== 'UT' && error.flag !== 'UMSDR')
      attempt.cluster.onOwnAnswer?.(error.status === 0 ? 503 : error.status);
    stream.fail(told);
  }

  /** Nothing but the length of the request's body is against another attempt. */
  #isTooLong(attempt: UpstreamRequest, error: ProxyError): boolean {
    const { bodyGone, unanswered } = this.#owner;
    return (
      bodyGone &&
      unanswered &&
      !attempt.hedged &&
      this.#laterAttempts().retries.asksForFailure(attempt, this.#head!, error)
    );
  }

  #await(why: 'policy' | 'hedge', nowMs: number): void {
    const later = this.#later!;
    later.waitsFor = why;
    const { limits } = this.#stream;
    limits.backoffDueMs = nowMs + later.retries.delayMs;
    limits.arm(nowMs);
  }

  /** It is over, or nobody waits for it alone any more. */
  #forget(attempt: UpstreamRequest): void {
    if (this.newest === attempt) {
      this.newest = null;
      this.#stream.limits.endTry();
    } else this.#later?.forget(attempt);
  }

  /** Something else than this attempt may bring an answer yet. */
  othersThan(attempt: UpstreamRequest): boolean {
    if (this.newest !== null && this.newest !== attempt) return true;
    return this.#later !== null && this.#later.othersThan(attempt);
  }

  /** The attempt is the one that is answered: there will be no other, and those that run are cancelled now. `success`: retries led to it. */
  settle(attempt: UpstreamRequest, success: boolean, nowMs: number): void {
    if (this.#later === null && this.#hedges === null) return;
    this.#stream.limits.backoffDueMs = Infinity;
    const newest = this.newest;
    this.newest = attempt;
    if (this.#hedges !== null) {
      this.#stream.limits.hedgeDueMs = Infinity;
      this.#hedges.onAnswered(attempt, attempt.isHedge, attempt.status, nowMs);
    }
    if (this.#later === null || !this.#later.settle(attempt, newest, success, this.#context.clock)) return;
    this.#stream.upstreamHost = attempt.host!.address;
    if (this.#owner.responseBlocked) attempt.pauseReading();
  }

  /** The policy asks to retry this answer. True: nothing of it goes to the caller. */
  retryAnswer(attempt: UpstreamRequest, head: ResponseHead, endStream: boolean, nowMs: number): boolean {
    const { clock } = this.#context;
    const stream = this.#stream;
    const leftMs = stream.limits.deadlineMs - nowMs;
    const decision = attempt.hedged
      ? 'limit'
      : this.#laterAttempts().retries.onAnswer(attempt, this.#head!, head, clock.wallMs(), leftMs);
    const later = decision === 'later';
    if (!later) {
      if (decision === 'no') {
        stream.notRetried = this.#laterAttempts().retries.whyNot;
        return false;
      }
      if (!attempt.hedged) stream.retryFlag = decision === 'limit' ? 'URX' : 'UO';
      if (!this.othersThan(attempt)) return false;
    }
    this.discard(attempt, endStream, later ? 'retry' : 'nothing', nowMs);
    if (later) this.#await('policy', nowMs);
    return true;
  }

  /** Nothing of its answer goes to the caller. */
  discard(attempt: UpstreamRequest, endStream: boolean, counted: CountedAs, nowMs: number): void {
    attempt.discard(notWanted, nowMs, endStream, this.#owner.requestEnded, counted);
    this.#owner.onAttemptGone();
    this.#hedges?.onFailed(attempt);
    this.#forget(attempt);
  }

  /** The newest attempt takes longer than most: another is sent beside it, at once. */
  onHedgeDue(nowMs: number): void {
    const attempt = this.newest;
    const hedges = this.#hedges;
    if (attempt === null || attempt.done || hedges === null || !this.#mayRepeat || !this.#owner.bodyRepeats) return;
    const later = this.#laterAttempts();
    later.retries.noteHost(attempt.chosenHost);
    if (!hedges.tryBegin(attempt.cluster, later.retries.tried)) return;
    this.#stream.onRetry('hedge');
    this.#forget(attempt);
    later.addSlow(attempt, false, this.#head!);
    this.#again(nowMs, 'hedge', true);
  }

  /** The time of the newest attempt is over: another follows beside it, as the policy for retries says. */
  #hedgeOverdue(attempt: UpstreamRequest, nowMs: number): void {
    const later = this.#laterAttempts();
    const decision = later.retries.onSlow(attempt, this.#head!);
    if (decision === 'limit' || decision === 'overflow') this.#stream.retryFlag = decision === 'limit' ? 'URX' : 'UO';
    if (decision !== 'later') return;
    this.#forget(attempt);
    later.addSlow(attempt, true, this.#head!);
    this.#await('hedge', nowMs);
  }

  onTryOverdue(kind: TryLimit, nowMs: number): void {
    const attempt = this.newest;
    if (attempt === null || attempt.done) return;
    const requesting = this.#owner.unanswered;
    // Who has begun to answer may go on until the whole request's time is over (Envoy).
    if (kind === 'try' && !requesting) return;
    if (kind !== 'try-duration' && this.rules.hedges && requesting) {
      if (this.#mayRepeat && this.#owner.bodyRepeats) this.#hedgeOverdue(attempt, nowMs);
      return;
    }
    const error = this.#tryOverdue(kind);
    const decision = requesting ? this.#judge(attempt, error) : 'no';
    this.#hedges?.onFailed(attempt);
    attempt.timeOut(error, nowMs, kind, decision === 'later');
    this.#owner.onAttemptGone();
    this.#forget(attempt);
    if (requesting) this.#follow(decision, attempt, error);
    else this.#stream.fail(error);
  }

  #tryOverdue(kind: TryLimit): ProxyError {
    if (kind === 'try-duration') return tryTooLong(this.#owner.requestEnded);
    const limitMs = kind === 'try' ? this.deadlines.perTryTimeoutMs : this.rules.perTryIdleTimeoutMs;
    const rule = kind === 'try' ? limitSetBy('try', limitMs, this.#route) : '';
    return tryTimedOut(kind, limitMs, this.rules.timeoutStatus, rule);
  }

  /** The request goes to another cluster, as if it came now. What runs for it yet is given up with `error`. */
  askAnother(target: WeightedTarget, timeoutMs: number | null, error: ProxyError, nowMs: number): void {
    const stream = this.#stream;
    this.giveUp(error, nowMs);
    this.newest = null;
    this.#later = null;
    this.#hedges = null;
    const { limits } = stream;
    limits.endTry();
    limits.backoffDueMs = Infinity;
    limits.touch(nowMs);
    this.rules = this.rules.withoutPolicy();
    this.deadlines.restart(this.rules, timeoutMs ?? this.#action.timeoutMs, nowMs);
    this.#owner.onAttemptGone();
    stream.target = target;
    this.#again(nowMs, 'fallback');
    limits.arm(nowMs);
  }

  /** Attempts that run are cancelled, and what they hold is given back. */
  giveUp(error: ProxyError, nowMs: number): void {
    this.newest?.cancel(error, nowMs);
    this.#later?.end(error, nowMs);
    this.#hedges?.end(true, nowMs);
  }

  #startTry(nowMs: number): void {
    if (this.deadlines.limitsTries) this.deadlines.startTry(nowMs);
  }

  #armHedge(attempt: UpstreamRequest, hedges: Hedges, nowMs: number): void {
    const { limits } = this.#stream;
    limits.hedgeDueMs = hedges.dueMs(attempt, nowMs);
    limits.arm(nowMs);
  }
}

const nothingTried = Object.freeze({ triedHosts: null, avoidCanaries: false, origin: null });

/**
 * The state machine of a circuit breaker, and nothing else: it knows neither HTTP nor logs, needs no timer, and takes the time from whoever calls, so that a simulation runs it as a sidecar does.
 *
 *              share of failures or slow calls, failures in a row
 *   ┌────────┐ ────────────────────────────────────────────────▶ ┌──────┐ ◀──────────────────┐
 *   │ closed │                                                   │ open │   a probe failed, or was slow: longer
 *   └────────┘ ◀───────── so many probes succeeded ─────────┐    └──────┘ ───────────────────┤
 *                                                           │       │ the first call after the open time
 *                                                           │       ▼                        │
 *                                                           └── ┌───────────┐ ──────────────┘
 *                                                               │ half-open │  so many probes at a time, all else is refused
 *                                                               └───────────┘
 * An operator may hold it open or closed; released, it goes on from half-open or closed.
 *
 * A call is told of four times at most: enter, sent (the request is whole), answered (the head of an answer that may yet fail), end. What began in one state says nothing in the next.
 */
import type { CircuitBreakerConfig } from '../config/circuit-breaker-config.ts';
import type { Random } from '../runtime/clock.ts';
import { SlidingWindow } from './sliding-window.ts';
import { WaitingCalls } from './waiting-calls.ts';

export type BreakerState = 'closed' | 'open' | 'half-open';
/** `nothing`: how it ended says nothing of the destination (its caller left, it met a limit of ours). */
export type CallOutcome = 'success' | 'failure' | 'nothing';

/** What the breaker writes into a call: implemented by the object that stands for the call anyway, so that nothing is made for it. */
export interface BreakerCall {
  /** 0: it is none of the breaker's, or it has ended. */
  breakerPermit: number;
  breakerSentMs: number;
}

/** Counted for ever; objects, so that a counter of the statistics fits. */
export interface BreakerCounts {
  readonly calls: { value: number };
  readonly failures: { value: number };
  readonly slow: { value: number };
  readonly refused: { value: number };
}

export interface BreakerChange {
  readonly from: BreakerState;
  readonly to: BreakerState;
  /** An operator's doing. */
  readonly forced: boolean;
  /** With figures, for a person. */
  readonly why: string;
  /** Until the first probe; 0: it is not open, or nobody knows. */
  readonly openForMs: number;
}

/** Where a call stands; four times its generation is added. */
const sending = 0;
const waiting = 1;
const answered = 2;
/** It has been counted as a slow call already. */
const counted = 3;
const phases = 4;

/** A probe's answer that has lasted so long without failing is good, although it goes on: streams may never end. */
const lastingMs = 1_000;
/** A probe that is not answered for so long gives its place to another (a route's default timeout). */
const stuckMs = 15_000;

export class CircuitBreaker {
  readonly config: CircuitBreakerConfig;
  readonly counts: BreakerCounts;
  readonly #random: Random;
  readonly #onChange: (change: BreakerChange) => void;
  readonly #window: SlidingWindow;
  /** Null: no call is slow. */
  readonly #waiting: WaitingCalls | null;
  #state: BreakerState = 'closed';
  #forced: 'open' | 'closed' | null = null;
  #sinceMs: number;
  #why = '';
  /** Goes up with each change, and when probes lose their places: a call that began before it does not count. */
  #generation = 1;
  /** With which it came to its state. */
  #stateGeneration = 1;
  #consecutive = 0;
  /** Openings that followed upon each other, each of which makes the next longer; 0 again once it was closed for long enough. */
  #openingsInARow = 0;
  #openUntilMs = 0;
  #openForMs = 0;
  /** Under way while it is half open, and how many of them have an answer that goes on. */
  #probes = 0;
  #answeredProbes = 0;
  #lastProbeMs = 0;
  #lastAnswerMs = 0;
  #successes = 0;

  constructor(
    config: CircuitBreakerConfig,
    counts: BreakerCounts,
    random: Random,
    nowMs: number,
    onChange: (change: BreakerChange) => void,
  ) {
    this.config = config;
    this.counts = counts;
    this.#random = random;
    this.#onChange = onChange;
    this.#window = new SlidingWindow(config.windowMs, nowMs);
    this.#waiting = config.slowCallMs === 0 ? null : new WaitingCalls(config.slowCallMs, nowMs);
    this.#sinceMs = nowMs;
  }

  // -- looked at --

  get state(): BreakerState {
    return this.#state;
  }

  /** What an operator holds it in; null: nobody does. */
  get forced(): 'open' | 'closed' | null {
    return this.#forced;
  }

  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** Why it is in its state; '': it was never in another. */
  get why(): string {
    return this.#why;
  }

  /** Until it lets a probe through; 0: now, or it is not open; Infinity: an operator holds it open. */
  openLeftMs(nowMs: number): number {
    if (this.#state !== 'open') return 0;
    return this.#forced === null ? Math.max(0, this.#openUntilMs - nowMs) : Infinity;
  }

  get window(): { readonly calls: number; readonly failures: number; readonly slow: number } {
    return this.#window;
  }

  get consecutiveFailures(): number {
    return this.#consecutive;
  }

  get openingsInARow(): number {
    return this.#openingsInARow;
  }

  get probes(): { readonly active: number; readonly succeeded: number } {
    return { active: this.#probes, succeeded: this.#successes };
  }

  /** The head of an answer to this call has come. */
  hasAnswer({ breakerPermit: permit }: BreakerCall): boolean {
    return permit % phases >= answered;
  }

  /** Brings it up to date: calls that became slow, figures that became old. For whoever looks at it. */
  refresh(nowMs: number): void {
    this.#window.advance(nowMs);
    this.#sweep(nowMs);
    if (this.#state === 'half-open') this.#settleLasting(nowMs);
  }

  // -- calls --

  /** False: the call is refused. */
  enter(call: BreakerCall, nowMs: number): boolean {
    this.#sweep(nowMs);
    if (this.#state !== 'closed' && !this.#mayProbe(nowMs)) {
      this.counts.refused.value++;
      return false;
    }
    call.breakerPermit = this.#generation * phases + sending;
    return true;
  }

  /** The request is whole: from now on its answer is waited for. */
  sent(call: BreakerCall, nowMs: number): void {
    if (this.#waiting === null || this.#phase(call) !== sending) return;
    this.#sweep(nowMs);
    if (this.#phase(call) !== sending) return;
    call.breakerSentMs = this.#waiting.add(nowMs);
    call.breakerPermit = this.#generation * phases + waiting;
  }

  /** The head of an answer came that is no failure, and may become one. */
  answered(call: BreakerCall, nowMs: number): void {
    const phase = this.#phase(call);
    if (phase !== sending && phase !== waiting) return;
    const slow = phase === sending ? false : this.#wasSlow(call, nowMs);
    call.breakerPermit = this.#generation * phases + (slow === false ? answered : counted);
    if (slow === true) {
      this.#count(nowMs, 1, 0, 1);
      this.#judge(nowMs);
    }
    if (this.#state === 'half-open' && slow === false) {
      this.#answeredProbes++;
      this.#lastAnswerMs = nowMs;
    }
  }

  /** Once, for each call that entered; further ones say nothing. */
  end(call: BreakerCall, outcome: CallOutcome, nowMs: number): void {
    const phase = this.#phase(call);
    const slow = phase === waiting ? this.#wasSlow(call, nowMs) : phase === counted ? 'counted' : false;
    const { breakerPermit: permit } = call;
    call.breakerPermit = 0;
    if (phase < 0) {
      if (outcome === 'failure' && this.#isLostProbe(permit)) this.#open('a probe failed', nowMs);
      return;
    }
    const failures = outcome === 'failure' ? 1 : 0;
    // That it was slow is so, whatever came of it then.
    if (slow === 'counted') this.#count(nowMs, 0, failures, 0);
    else if (slow || outcome !== 'nothing') this.#count(nowMs, 1, failures, slow ? 1 : 0);
    if (outcome === 'failure') this.#consecutive++;
    else if (outcome === 'success') this.#consecutive = 0;
    if (this.#state === 'half-open') this.#endProbe(phase, outcome, slow !== false, nowMs);
    else this.#judge(nowMs);
  }

  // -- an operator --

  /** Holds it open or closed, whatever calls come to; null: it goes on by itself. */
  force(to: 'open' | 'closed' | null, nowMs: number): void {
    const before = this.#forced;
    if (to === before) return;
    this.#forced = to;
    this.#openingsInARow = 0;
    if (to !== null) this.#become(to, `held ${to} by an operator`, nowMs, true);
    else
      this.#become(before === 'open' ? 'half-open' : 'closed', `no longer held ${before} by an operator`, nowMs, true);
  }

  // -- its states --

  /** -1: of another generation, or over. */
  #phase({ breakerPermit: permit }: BreakerCall): number {
    return Math.floor(permit / phases) === this.#generation ? permit % phases : -1;
  }

  /** Of a call that waited: `counted` when it was found to be overdue before. */
  #wasSlow({ breakerSentMs: sentMs }: BreakerCall, nowMs: number): boolean | 'counted' {
    if (!this.#waiting!.remove(sentMs)) return 'counted';
    return nowMs - sentMs >= this.config.slowCallMs;
  }

  #sweep(nowMs: number): void {
    if (this.#waiting === null) return;
    const overdue = this.#waiting.sweep(nowMs);
    if (overdue === 0) return;
    this.#count(nowMs, overdue, 0, overdue);
    this.#judge(nowMs);
  }

  #count(nowMs: number, calls: number, failures: number, slow: number): void {
    const { counts } = this;
    counts.calls.value += calls;
    counts.failures.value += failures;
    counts.slow.value += slow;
    this.#window.add(nowMs, calls, failures, slow);
  }

  /** Opens it when there is a reason. */
  #judge(nowMs: number): void {
    if (this.#forced !== null || this.#state === 'open') return;
    const why = this.#reason();
    if (why !== '') this.#open(why, nowMs);
  }

  #reason(): string {
    const { windowMs, minCalls, failurePercent, consecutiveFailures, slowCallMs, slowPercent } = this.config;
    const { calls, failures, slow } = this.#window;
    if (this.#state === 'half-open') return slow > 0 ? `a probe took longer than ${spanOf(slowCallMs)}` : '';
    if (consecutiveFailures > 0 && this.#consecutive >= consecutiveFailures)
      return `${this.#consecutive} calls in a row failed (limit ${consecutiveFailures})`;
    if (calls < minCalls) return '';
    if (failurePercent > 0 && failures > 0 && failures * 100 >= failurePercent * calls)
      return `${share(failures, calls)} failed in ${spanOf(windowMs)} (limit ${failurePercent} %)`;
    if (slowCallMs > 0 && slow > 0 && slow * 100 >= slowPercent * calls)
      return `${share(slow, calls)} took longer than ${spanOf(slowCallMs)} in ${spanOf(windowMs)} (limit ${slowPercent} %)`;
    return '';
  }

  #open(why: string, nowMs: number): void {
    const { windowMs, openMs, maxOpenMs, jitterPercent } = this.config;
    // Closed for long enough: what was before is forgotten.
    if (this.#state === 'closed' && nowMs - this.#sinceMs >= Math.max(windowMs, this.#openForMs))
      this.#openingsInARow = 0;
    const timeMs = Math.min(maxOpenMs, openMs * 2 ** Math.min(this.#openingsInARow, 40));
    this.#openingsInARow++;
    this.#openForMs = timeMs * (1 + (jitterPercent / 100) * this.#random());
    this.#openUntilMs = nowMs + this.#openForMs;
    this.#become('open', why, nowMs, false);
  }

  #become(to: BreakerState, why: string, nowMs: number, forced: boolean): void {
    const from = this.#state;
    this.#state = to;
    this.#sinceMs = nowMs;
    this.#why = why;
    this.#stateGeneration = ++this.#generation;
    this.#consecutive = 0;
    this.#probes = 0;
    this.#answeredProbes = 0;
    this.#successes = 0;
    this.#window.clear();
    this.#waiting?.clear(nowMs);
    const openForMs = to === 'open' && !forced ? this.#openForMs : 0;
    this.#onChange({ from, to, forced, why, openForMs });
  }

  // -- probes --

  /** Takes a place for a probe, if there is one. */
  #mayProbe(nowMs: number): boolean {
    if (this.#state === 'open') {
      if (this.#forced === 'open' || nowMs < this.#openUntilMs) return false;
      this.#become('half-open', `it was open for ${spanOf(nowMs - this.#sinceMs)}`, nowMs, false);
    }
    this.#settleLasting(nowMs);
    if (this.#state === 'closed') return true;
    if (this.#probes >= this.config.probes) {
      if (nowMs - this.#lastProbeMs < stuckMs) return false;
      this.#loseProbes(nowMs);
    }
    this.#probes++;
    this.#lastProbeMs = nowMs;
    return true;
  }

  /** Those under way hold no place any more, and must not give back one of those that come now. That one failed is still heard. */
  #loseProbes(nowMs: number): void {
    this.#generation++;
    this.#probes = 0;
    this.#answeredProbes = 0;
    this.#waiting?.clear(nowMs);
  }

  /** It began in this half-open state, and lost its place. */
  #isLostProbe(permit: number): boolean {
    return this.#state === 'half-open' && Math.floor(permit / phases) >= this.#stateGeneration;
  }

  /** Answers that go on and on are good ones. Which of them is which does not matter. */
  #settleLasting(nowMs: number): void {
    if (this.#answeredProbes === 0 || nowMs - this.#lastAnswerMs < lastingMs) return;
    const lasting = this.#answeredProbes;
    this.#answeredProbes = 0;
    this.#probes -= lasting;
    this.#succeed(lasting, nowMs);
  }

  #endProbe(phase: number, outcome: CallOutcome, slow: boolean, nowMs: number): void {
    const { slowCallMs } = this.config;
    if (outcome === 'failure' || slow) {
      this.#open(outcome === 'failure' ? 'a probe failed' : `a probe took longer than ${spanOf(slowCallMs)}`, nowMs);
      return;
    }
    if (phase === answered) {
      // It lasted, and was taken for good already.
      if (this.#answeredProbes === 0) return;
      this.#answeredProbes--;
    }
    this.#probes = Math.max(0, this.#probes - 1);
    if (outcome === 'success') this.#succeed(1, nowMs);
  }

  #succeed(count: number, nowMs: number): void {
    this.#successes += count;
    const { successesToClose } = this.config;
    if (this.#successes < successesToClose) return;
    const probes = this.#successes === 1 ? 'a probe' : `${this.#successes} probes`;
    this.#become('closed', `${probes} succeeded (${successesToClose} wanted)`, nowMs, false);
  }
}

/** A failure is counted apart from its call when that was slow: so there may be more in the window for a moment. */
function share(part: number, calls: number): string {
  return `${Math.min(100, Math.round((part / calls) * 100))} % of ${calls} calls`;
}

/** `2.5 s`, `80 ms`. */
export function spanOf(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 100) / 10} s`;
}

/**
 * Limits on the requests that a workload takes at a time, and the queue for those beyond, as a gate: what inbound-limiter.ts decides, done to requests. One that waits holds nothing but itself and its
 * head: its body is not read. Who goes on is let in once the call is over in which another ended, as the connection of that one is free by then.
 */
import type { RequestHead } from '../../codec/message-head.ts';
import type { SheddingPriorityConfig } from '../../config/adaptive-concurrency-config.ts';
import type { InboundLimitsConfig } from '../../config/inbound-limits-config.ts';
import type { HttpContext } from '../../connection-manager/http-context.ts';
import type { Clock } from '../../runtime/clock.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../../runtime/timer-wheel.ts';
import type { StatStore } from '../../stats/stat-store.ts';
import type { EndWatcher, GateAnswer, GateRequest, GateVerdict, GateWait, RequestGate } from '../request-gate.ts';
import { CallerCounts } from './caller-counts.ts';
import { type FullLimit, InboundLimiter, type MovingLimit } from './inbound-limiter.ts';
import { limitRefusal } from './limit-refusal.ts';
import { QueueStats, RefusalCounts, type RefusalReason, ShownCount } from './limit-stats.ts';
import { compileCallers, compileRequestMatch, type RequestTest } from './request-match.ts';
import type { CountedRequest, Priority, WaitingLine, WaitingRequest } from './waiting-line.ts';

/** Objects of requests that are over, kept for others. */
const mostSpare = 1_024;
const unknownCaller = 'unknown';

export class InboundLimitsGate implements RequestGate, TimerTarget {
  readonly name: string;
  /** It asks for `decider` when a request is to wait. */
  readonly answersAtOnce = true;
  readonly keepsRequests = true;
  readonly #config: InboundLimitsConfig;
  readonly #clock: Clock;
  readonly #wheel: TimerWheel;
  readonly #defer: (callback: () => void) => void;
  readonly #moving: () => MovingLimit | null;
  readonly #limiter: InboundLimiter;
  readonly #workload: ShownCount;
  readonly #adaptiveRefusals: RefusalCounts;
  readonly #callers: CallerCounts | null;
  readonly #routes: ReadonlyArray<{ readonly test: RequestTest; readonly count: ShownCount }>;
  readonly #priorities: ReadonlyArray<{ readonly test: RequestTest; readonly priority: Priority }>;
  readonly #stats: QueueStats;
  readonly #timer: WheelTimer;
  readonly #spare: Permit[] = [];
  readonly #onTurn = (): void => this.#letIn();
  #turnDue = false;

  /** `moving`: the limit of the adaptive concurrency filter behind it, once that is there; a request that it has no room for waits here too. */
  constructor(config: InboundLimitsConfig, context: HttpContext, moving: () => MovingLimit | null) {
    const { clock, wheel, stats, defer = queueMicrotask } = context;
    this.name = config.filterName;
    this.#config = config;
    this.#clock = clock;
    this.#wheel = wheel;
    this.#defer = defer;
    // Without a queue it says no by itself, as Envoy's does.
    this.#moving = config.queue === null ? () => null : moving;
    this.#workload = new ShownCount(stats, 'workload', '', config.maxRequests ?? Infinity);
    this.#adaptiveRefusals = new RefusalCounts(stats, 'adaptive', '');
    this.#limiter = new InboundLimiter(this.#workload, config.queue, this.#moving);
    this.#callers = config.perCaller === null ? null : callerCounts(config.perCaller, stats);
    this.#routes = config.routes.map(({ name, match, maxRequests }) => ({
      test: compileRequestMatch(match),
      count: new ShownCount(stats, 'route', name, maxRequests),
    }));
    this.#priorities = config.priorities.map(({ match, priority }) => ({ test: compileRequestMatch(match), priority }));
    this.#stats = new QueueStats(stats);
    this.#timer = new WheelTimer(this);
  }

  check(request: GateRequest): GateAnswer {
    const { head, connection } = request;
    const identity = connection.peer?.uris[0] ?? '';
    const said = request.route?.config.gates?.get(this.name);
    const priority = said?.kind === 'shedding-priority' ? said.priority : this.#priorityOf(head, identity);
    request.priority = priority;
    const permit = this.#spare.pop() ?? new Permit(this);
    permit.priority = priority;
    permit.route = this.#routeOf(head, identity);
    permit.caller =
      this.#callers === null
        ? null
        : (this.#callers.of(identity, connection.sourceLabel || unknownCaller) as ShownCount);
    const limiter = this.#limiter;
    const moves = this.#moving() !== null;
    const nowMs = request.nowMs < 0 ? this.#clock.nowMs() : request.nowMs;
    // Those who wait come first, where there is room now.
    if (limiter.waiting > 0 && (this.#turnDue || moves)) this.#letIn();
    if (!limiter.take(permit, nowMs)) return this.#queueOrRefuse(request, permit);
    request.watchEnd(permit);
    return null;
  }

  #priorityOf(head: RequestHead, identity: string): SheddingPriorityConfig['priority'] {
    for (const { test, priority } of this.#priorities) if (test(head, identity)) return priority;
    return 'default';
  }

  #routeOf(head: RequestHead, identity: string): ShownCount | null {
    for (const { test, count } of this.#routes) if (test(head, identity)) return count;
    return null;
  }

  #queueOrRefuse(request: GateRequest, permit: Permit): GateAnswer {
    const limiter = this.#limiter;
    const nowMs = this.#clock.nowMs();
    const full = limiter.full(permit, nowMs) ?? 'workload';
    const waiting = new Waiting(this, request, permit, full);
    const refused = limiter.join(waiting, nowMs);
    if (refused !== null) {
      const refusal = this.#refusal(waiting, refused === 'no-queue' ? 'limit' : 'queue_full', 0);
      this.#keep(permit);
      return refusal;
    }
    waiting.decide = request.decider();
    const { displaced } = limiter;
    this.#lookAtQueue(nowMs);
    if (displaced !== null) this.#refuse(displaced as Waiting, 'displaced', nowMs);
    return waiting;
  }

  /** The request of a permit is over. */
  over(permit: Permit): void {
    const limiter = this.#limiter;
    limiter.release(permit);
    this.#keep(permit);
    if (limiter.waiting === 0 || this.#turnDue) return;
    this.#turnDue = true;
    this.#defer(this.#onTurn);
  }

  #letIn(): void {
    this.#turnDue = false;
    const nowMs = this.#clock.nowMs();
    for (;;) {
      const waiting = this.#limiter.next(nowMs) as Waiting | null;
      if (waiting === null) break;
      this.#stats.wait.record(nowMs - waiting.sinceMs);
      waiting.request.watchEnd(waiting.counted);
      waiting.decide!(null);
    }
    this.#lookAtQueue(nowMs);
  }

  /** The caller is gone, or something else ended the request. */
  cancel(waiting: Waiting): void {
    if (waiting.line === null) return;
    const nowMs = this.#clock.nowMs();
    this.#limiter.leave(waiting, nowMs);
    this.#keep(waiting.counted);
    this.#lookAtQueue(nowMs);
  }

  /** The time of some is over. */
  onTimer(): void {
    const nowMs = this.#clock.nowMs();
    for (;;) {
      const waiting = this.#limiter.expired(nowMs) as Waiting | null;
      if (waiting === null) break;
      this.#refuse(waiting, 'queue_timeout', nowMs);
    }
    this.#lookAtQueue(nowMs);
  }

  #refuse(waiting: Waiting, reason: RefusalReason, nowMs: number): void {
    const refusal = this.#refusal(waiting, reason, nowMs - waiting.sinceMs);
    this.#keep(waiting.counted);
    waiting.decide!(refusal);
  }

  #refusal({ counted, full }: Waiting, reason: RefusalReason, waitedMs: number): GateVerdict {
    const count = full === 'caller' ? counted.caller! : full === 'route' ? counted.route! : this.#workload;
    (full === 'adaptive' ? this.#adaptiveRefusals : count.refusals).add(reason);
    this.#stats.shed[counted.priority].value++;
    return limitRefusal(this.#config, full, count, reason, waitedMs);
  }

  #keep(permit: Permit): void {
    if (this.#spare.length < mostSpare) this.#spare.push(permit);
  }

  /** Sets the timer for the one whose time is over first. */
  #lookAtQueue(nowMs: number): void {
    const limiter = this.#limiter;
    this.#stats.overloaded.value = limiter.overloaded ? 1 : 0;
    if (limiter.waiting === 0) this.#wheel.disarm(this.#timer);
    else if (!this.#timer.armed) this.#wheel.arm(this.#timer, Math.max(0, limiter.dueMs - nowMs));
  }
}

function callerCounts(
  { maxRequests, exceptions }: NonNullable<InboundLimitsConfig['perCaller']>,
  stats: StatStore,
): CallerCounts {
  const others = exceptions.map((each) => ({ isFor: compileCallers(each.callers), maxRequests: each.maxRequests }));
  return new CallerCounts((label, identity) => {
    const other = others.find(({ isFor }) => isFor(identity));
    return new ShownCount(stats, 'caller', label, other?.maxRequests ?? maxRequests);
  });
}

/** One request that is under way, from here to its end; used again for others. */
class Permit implements CountedRequest, EndWatcher {
  readonly #gate: InboundLimitsGate;
  caller: ShownCount | null = null;
  route: ShownCount | null = null;
  priority: Priority = 'default';

  constructor(gate: InboundLimitsGate) {
    this.#gate = gate;
  }

  onRequestOver(): void {
    this.#gate.over(this);
  }
}

class Waiting implements WaitingRequest, GateWait {
  readonly #gate: InboundLimitsGate;
  readonly request: GateRequest;
  readonly counted: Permit;
  /** What had no room when it came. */
  readonly full: FullLimit;
  /** Nothing more of it is read meanwhile. */
  readonly readsNothing = true;
  decide: ((verdict: GateVerdict) => void) | null = null;
  sinceMs = 0;
  line: WaitingLine | null = null;
  earlier: WaitingRequest | null = null;
  later: WaitingRequest | null = null;

  constructor(gate: InboundLimitsGate, request: GateRequest, counted: Permit, full: FullLimit) {
    this.#gate = gate;
    this.request = request;
    this.counted = counted;
    this.full = full;
  }

  cancel(): void {
    this.#gate.cancel(this);
  }
}

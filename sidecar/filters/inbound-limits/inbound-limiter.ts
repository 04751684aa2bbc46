/**
 * Who may go on, who waits and who is refused: the limits of a workload on the requests that it takes at a time, as a plain state machine without timers. The time is given.
 *
 *   take ─ its caller, its route and the workload have room ─▶ under way ── release ──▶ next: who waits and has room now
 *     └─ one of them is full ─▶ join ─ waiting ─┬─ next ─▶ under way
 *                                 │             ├─ expired (maxWaitMs)
 *                                 │             ├─ displaced, by one that counts for more (join)
 *                                 │             └─ leave (the caller is gone)
 *                                 └─ refused: no queue, or it is full of what counts for as much
 *
 * Who is served first: the more critical; of one priority in the order of arrival, and, once that line is overloaded (overload-watch.ts), the newest first: its caller still waits, while each of the
 * oldest would be answered too late in its turn. This is adaptive LIFO. Whose own caller or route is full is passed over, so that nobody waits for the limit of another. When the queue is full, who would
 * be served last goes: the one that comes, unless one of less worth waits, or, under overload, an older one. So also within the share of the queue that one caller may have.
 *
 * Of what the workload takes, sheddable requests fill three quarters only: there is room for the others before the queue is needed.
 */
import type { InboundQueueConfig } from '../../config/inbound-limits-config.ts';
import type { RequestCount } from './request-count.ts';
import { type CountedRequest, type Priority, priorities, WaitingLine, type WaitingRequest } from './waiting-line.ts';

/** A limit of the workload that moves: of the adaptive concurrency filter. */
export interface MovingLimit {
  hasRoom(priority: Priority, nowMs: number): boolean;
}

/** What has no room. */
export type FullLimit = 'caller' | 'route' | 'workload' | 'adaptive';

/** Why a request does not even wait. */
export type JoinRefusal = 'no-queue' | 'queue-full' | 'caller-queue-full';

const sheddableShare = 0.75;

export class InboundLimiter {
  /** All requests. */
  readonly workload: RequestCount;
  readonly #queue: InboundQueueConfig | null;
  readonly #moving: () => MovingLimit | null;
  readonly #sheddableLimit: number;
  /** By priority, in their order. */
  readonly #lines: readonly WaitingLine[];
  /** Whose place the one that joined last took. */
  displaced: WaitingRequest | null = null;

  /** `moving`: a limit beside; null: there is none (yet). */
  constructor(workload: RequestCount, queue: InboundQueueConfig | null, moving: () => MovingLimit | null = () => null) {
    this.workload = workload;
    this.#queue = queue;
    this.#moving = moving;
    this.#sheddableLimit = Math.max(1, Math.floor(workload.limit * sheddableShare));
    this.#lines = priorities.map(() => new WaitingLine(queue?.targetMs ?? 0, queue?.intervalMs ?? 0));
  }

  get waiting(): number {
    return this.workload.waiting;
  }

  /** Of one priority at least, as of the last look. */
  get overloaded(): boolean {
    return this.#lines.some((line) => line.overloaded);
  }

  /** When the time of one that waits is over; Infinity: nobody waits. */
  get dueMs(): number {
    const oldest = this.#oldest();
    return oldest === null ? Infinity : oldest.sinceMs + this.#queue!.maxWaitMs;
  }

  /** A request comes: true: it goes on, and is counted until {@link release}. */
  take(request: CountedRequest, nowMs: number): boolean {
    const { caller, route } = request;
    if (caller !== null && caller.full) return false;
    if (route !== null && route.full) return false;
    if (this.#fullWorkload(request.priority, nowMs) !== null) return false;
    this.#take(request);
    return true;
  }

  #take({ caller, route }: CountedRequest): void {
    caller?.take();
    route?.take();
    this.workload.take();
  }

  /** What has no room for it; null: all have. */
  full({ caller, route, priority }: CountedRequest, nowMs: number): FullLimit | null {
    if (caller !== null && caller.full) return 'caller';
    if (route !== null && route.full) return 'route';
    return this.#fullWorkload(priority, nowMs);
  }

  #fullWorkload(priority: Priority, nowMs: number): 'workload' | 'adaptive' | null {
    const { used, limit } = this.workload;
    if (used >= (priority === 'sheddable' ? this.#sheddableLimit : limit)) return 'workload';
    const moving = this.#moving();
    return moving === null || moving.hasRoom(priority, nowMs) ? null : 'adaptive';
  }

  /** One that went on is over. Ask {@link next} then. */
  release({ caller, route }: CountedRequest): void {
    caller?.release();
    route?.release();
    this.workload.release();
  }

  /** It waits from now on; or why not. It may take the place of another, see {@link displaced}. */
  join(request: WaitingRequest, nowMs: number): JoinRefusal | null {
    this.displaced = null;
    const queue = this.#queue;
    if (queue === null) return 'no-queue';
    const { counted } = request;
    const { caller } = counted;
    if (caller !== null && caller.waiting >= queue.maxRequestsPerCaller) {
      this.displaced = this.#lastServed(counted, caller, nowMs);
      if (this.displaced === null) return 'caller-queue-full';
    } else if (this.waiting >= queue.maxRequests) {
      this.displaced = this.#lastServed(counted, null, nowMs);
      if (this.displaced === null) return 'queue-full';
    }
    if (this.displaced !== null) this.leave(this.displaced, nowMs);
    caller?.join();
    counted.route?.join();
    this.workload.join();
    this.#lines[priorities.indexOf(counted.priority)]!.add(request, nowMs);
    return null;
  }

  /** Who would be served after `than`, the last of them; of `caller`, if it is not null. Null: nobody. */
  #lastServed(than: CountedRequest, caller: RequestCount | null, nowMs: number): WaitingRequest | null {
    const least = priorities.indexOf(than.priority);
    for (let at = priorities.length - 1; at >= least; at--) {
      const line = this.#lines[at]!;
      // Of the same worth the one that comes is the last, or the first.
      if (at === least && !line.isOverloaded(nowMs)) return null;
      for (let each = line.last(nowMs); each !== null; each = line.before(each))
        if (caller === null || each.counted.caller === caller) return each;
    }
    return null;
  }

  /** It waits no more. Does nothing for one that did not. */
  leave(request: WaitingRequest, nowMs: number): void {
    if (request.line === null) return;
    const { caller, route } = request.counted;
    request.line.remove(request, nowMs);
    caller?.quit();
    route?.quit();
    this.workload.quit();
  }

  /** The next that goes on, counted; null: nobody who waits has room. To be asked until it is null. */
  next(nowMs: number): WaitingRequest | null {
    if (this.waiting === 0) return null;
    for (const [at, line] of this.#lines.entries()) {
      let each = line.first(nowMs);
      if (each === null) continue;
      // The less it is worth, the less room there is.
      if (this.#fullWorkload(priorities[at]!, nowMs) !== null) return null;
      while (each !== null && hasFullCount(each.counted)) each = line.after(each);
      if (each === null) continue;
      this.leave(each, nowMs);
      this.#take(each.counted);
      return each;
    }
    return null;
  }

  /** The next whose time is over; it waits no more. To be asked until it is null. */
  expired(nowMs: number): WaitingRequest | null {
    const oldest = this.#oldest();
    if (oldest === null || nowMs < oldest.sinceMs + this.#queue!.maxWaitMs) return null;
    this.leave(oldest, nowMs);
    return oldest;
  }

  #oldest(): WaitingRequest | null {
    if (this.waiting === 0) return null;
    let oldest: WaitingRequest | null = null;
    for (const line of this.#lines)
      if (line.oldest !== null && (oldest === null || line.oldest.sinceMs < oldest.sinceMs)) oldest = line.oldest;
    return oldest;
  }
}

function hasFullCount({ caller, route }: CountedRequest): boolean {
  return (caller !== null && caller.full) || (route !== null && route.full);
}

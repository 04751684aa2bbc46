/**
 * The time limits of one stream, on one timer: idleness, whole duration, the route's timeout, one try's timeout and idleness, a whole request, a pause before another attempt, and the time until one is sent beside it. The timer is armed for the
 * earliest; activity only notes the time, and the timer finds out when it fires.
 */
import type { Clock } from '../runtime/clock.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';

export type TimeLimit = RouterTimeLimit | 'duration' | 'request' | 'idle';
/** Those of the router. */
export type RouterTimeLimit = 'route' | 'backoff' | 'hedge' | 'try' | 'try-idle' | 'try-duration';

export class StreamLimits extends WheelTimer {
  readonly #wheel: TimerWheel;
  readonly #clock: Clock;
  /** Milliseconds without a byte in either direction; 0: no limit. */
  #idleMs = 0;
  #lastActivityMs: number;
  /** Moments on the clock; Infinity: no limit. */
  #durationDueMs = Infinity;
  #routeDueMs = Infinity;
  #backoffDueMs = Infinity;
  #hedgeDueMs = Infinity;
  #requestDueMs = Infinity;
  #tryDueMs = Infinity;
  /** Milliseconds without a byte since the try began; 0: no limit. */
  #tryIdleMs = 0;
  #tryFromMs = 0;
  #tryEndDueMs = Infinity;
  #armedForMs = Infinity;
  #stopped = false;

  /** `target.onTimer` is called when a limit may have come: ask {@link due} which. */
  constructor(target: TimerTarget, wheel: TimerWheel, clock: Clock, startMs: number) {
    super(target);
    this.#wheel = wheel;
    this.#clock = clock;
    this.#lastActivityMs = startMs;
  }

  /** Something was sent or received; `nowMs` where the caller knows it. */
  touch(nowMs = -1): void {
    if (this.#idleMs > 0 || this.#tryIdleMs > 0) this.#lastActivityMs = nowMs < 0 ? this.#clock.nowMs() : nowMs;
  }

  set idleMs(idleMs: number) {
    this.#idleMs = idleMs;
  }

  get idleMs(): number {
    return this.#idleMs;
  }

  get durationDueMs(): number {
    return this.#durationDueMs;
  }

  /** When the stream ends at the latest, however busy it is; Infinity: no limit. */
  get deadlineMs(): number {
    return Math.min(this.#routeDueMs, this.#durationDueMs);
  }

  set durationDueMs(atMs: number) {
    this.#durationDueMs = atMs;
  }

  get routeDueMs(): number {
    return this.#routeDueMs;
  }

  set routeDueMs(atMs: number) {
    this.#routeDueMs = atMs;
  }

  set backoffDueMs(atMs: number) {
    this.#backoffDueMs = atMs;
  }

  /** When another attempt is sent beside the one under way. */
  set hedgeDueMs(atMs: number) {
    this.#hedgeDueMs = atMs;
  }

  set requestDueMs(atMs: number) {
    this.#requestDueMs = atMs;
  }

  /** A try begins, or has all that it needs to be answered: `timeoutMs` until the answer, `idleMs` without a byte; 0: no limit. Arms nothing. */
  startTry(nowMs: number, timeoutMs: number, idleMs: number): void {
    this.#tryDueMs = timeoutMs > 0 ? nowMs + timeoutMs : Infinity;
    this.#tryIdleMs = idleMs;
    this.#tryFromMs = nowMs;
  }

  /** The try, its answer included, must be over in so many milliseconds. Arms nothing. */
  endTryIn(nowMs: number, durationMs: number): void {
    this.#tryEndDueMs = nowMs + durationMs;
  }

  /** The try's answer has begun: it may take its time, as long as something comes. */
  onTryAnswered(): void {
    this.#tryDueMs = Infinity;
    this.#hedgeDueMs = Infinity;
  }

  /** There is no try now. */
  endTry(): void {
    this.#tryDueMs = Infinity;
    this.#hedgeDueMs = Infinity;
    this.#tryIdleMs = 0;
    this.#tryEndDueMs = Infinity;
  }

  get #tryIdleDueMs(): number {
    return this.#tryIdleMs > 0 ? Math.max(this.#tryFromMs, this.#lastActivityMs) + this.#tryIdleMs : Infinity;
  }

  /** To be called once after limits were set; `nowMs` where the caller knows it. Does nothing when the timer comes early enough already. */
  arm(nowMs = -1): void {
    if (this.#stopped) return;
    let dueMs = this.#idleMs > 0 ? this.#lastActivityMs + this.#idleMs : Infinity;
    if (this.#routeDueMs < dueMs) dueMs = this.#routeDueMs;
    if (this.#durationDueMs < dueMs) dueMs = this.#durationDueMs;
    if (this.#backoffDueMs < dueMs) dueMs = this.#backoffDueMs;
    if (this.#hedgeDueMs < dueMs) dueMs = this.#hedgeDueMs;
    if (this.#requestDueMs < dueMs) dueMs = this.#requestDueMs;
    if (this.#tryDueMs < dueMs) dueMs = this.#tryDueMs;
    if (this.#tryEndDueMs < dueMs) dueMs = this.#tryEndDueMs;
    if (this.#tryIdleMs > 0) dueMs = Math.min(dueMs, this.#tryIdleDueMs);
    if (dueMs === Infinity || (this.armed && this.#armedForMs <= dueMs)) return;
    this.#armedForMs = dueMs;
    const now = nowMs < 0 ? this.#clock.nowMs() : nowMs;
    this.#wheel.arm(this, Math.max(0, dueMs - now), now);
  }

  /** Which limit has come by now, the weightiest first; null: none, and the timer is armed again. */
  due(nowMs: number): TimeLimit | null {
    if (nowMs >= this.#durationDueMs) return 'duration';
    if (nowMs >= this.#routeDueMs) return 'route';
    if (nowMs >= this.#requestDueMs) return 'request';
    if (nowMs >= this.#backoffDueMs) {
      this.#backoffDueMs = Infinity;
      return 'backoff';
    }
    if (nowMs >= this.#hedgeDueMs) {
      this.#hedgeDueMs = Infinity;
      return 'hedge';
    }
    if (nowMs >= this.#tryDueMs) {
      this.#tryDueMs = Infinity;
      return 'try';
    }
    if (nowMs >= this.#tryEndDueMs) {
      this.#tryEndDueMs = Infinity;
      return 'try-duration';
    }
    if (this.#tryIdleMs > 0 && nowMs >= this.#tryIdleDueMs) {
      this.#tryIdleMs = 0;
      return 'try-idle';
    }
    if (this.#idleMs > 0 && nowMs - this.#lastActivityMs >= this.#idleMs) return 'idle';
    this.arm(nowMs);
    return null;
  }

  /** For good. */
  stop(): void {
    this.#stopped = true;
    this.#wheel.disarm(this);
  }
}

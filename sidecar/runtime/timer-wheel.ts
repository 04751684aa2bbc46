/**
 * One coarse timer wheel for all timeouts of the data path: arming and disarming are a few pointer writes, and the process
 * has one system timer at most, which sleeps until the next slot that holds something. Times are rounded up to a tick.
 * Not for work that must run at a precise moment.
 */
import type { Clock } from './clock.ts';

/** Tick length in milliseconds: timeouts fire at most one tick late. */
export const tickMs = 8;
const slotCount = 1024;

/** Starts a system timer and gives a function that stops it; injected so that tests drive the wheel by hand. */
export type StartTimer = (callback: () => void, delayMs: number) => () => void;

const startSystemTimer: StartTimer = (callback, delayMs) => {
  const handle = setTimeout(callback, delayMs);
  handle.unref();
  return () => clearTimeout(handle);
};

/** What a timer calls when its time has come. Implement it on the object that owns the timer: no closure is needed. */
export interface TimerTarget {
  onTimer(timer: WheelTimer): void;
}

/** A timer that belongs to one owner and can be armed again and again. */
export class WheelTimer {
  readonly target: TimerTarget;
  /** Absolute tick at which it fires; -1 when not armed. Owned by the wheel. */
  dueTick = -1;
  next: WheelTimer | null = null;
  previous: WheelTimer | null = null;

  constructor(target: TimerTarget) {
    this.target = target;
  }

  get armed(): boolean {
    return this.dueTick >= 0;
  }
}

export class TimerWheel {
  readonly #clock: Clock;
  readonly #startTimer: StartTimer;
  readonly #slots: Array<WheelTimer | null> = new Array<WheelTimer | null>(slotCount).fill(null);
  readonly #onSystemTimer = (): void => this.advance();
  #armed = 0;
  #currentTick: number;
  #stopSystemTimer: (() => void) | null = null;
  /** Tick for which the system timer is set. */
  #wakeTick = -1;

  constructor(clock: Clock, startTimer: StartTimer = startSystemTimer) {
    this.#clock = clock;
    this.#startTimer = startTimer;
    this.#currentTick = Math.floor(clock.nowMs() / tickMs);
  }

  /** Number of armed timers, for tests and leak checks. */
  get armedCount(): number {
    return this.#armed;
  }

  /** (Re)arms a timer to fire after `delayMs` (at least; up to two ticks later). */
  arm(timer: WheelTimer, delayMs: number): void {
    if (timer.dueTick >= 0) this.#unlink(timer);
    if (this.#armed === 0) this.#currentTick = Math.floor(this.#clock.nowMs() / tickMs);
    const due = Math.max(this.#currentTick + 1, Math.ceil((this.#clock.nowMs() + delayMs) / tickMs));
    this.#link(timer, due);
    if (this.#wakeTick < 0 || due < this.#wakeTick) this.#sleepUntil(due);
  }

  disarm(timer: WheelTimer): void {
    if (timer.dueTick >= 0) this.#unlink(timer);
  }

  /** Fires what is due. Called by the system timer; tests call it after moving their clock. */
  advance(): void {
    this.#wakeTick = -1;
    this.#stopSystemTimer?.();
    this.#stopSystemTimer = null;
    const nowTick = Math.floor(this.#clock.nowMs() / tickMs);
    const steps = Math.min(nowTick - this.#currentTick, slotCount);
    const first = nowTick - steps + 1;
    this.#currentTick = nowTick;
    for (let tick = first; tick <= nowTick; tick++) this.#fireSlot(tick % slotCount, nowTick);
    if (this.#armed > 0) this.#sleepUntil(this.#nextDueTick());
  }

  #fireSlot(slot: number, nowTick: number): void {
    let timer = this.#slots[slot] ?? null;
    while (timer !== null) {
      if (timer.dueTick <= nowTick) {
        this.#unlink(timer);
        timer.target.onTimer(timer);
        // The callback may have changed this slot's list in any way: start over. What it re-armed lies in the future.
        timer = this.#slots[slot] ?? null;
      } else {
        timer = timer.next;
      }
    }
  }

  /** The earliest due tick; looks one round ahead, slot by slot, then settles for the end of the round. */
  #nextDueTick(): number {
    for (let ahead = 1; ahead <= slotCount; ahead++) {
      const tick = this.#currentTick + ahead;
      for (let timer = this.#slots[tick % slotCount] ?? null; timer !== null; timer = timer.next) {
        if (timer.dueTick === tick) return tick;
      }
    }
    return this.#currentTick + slotCount;
  }

  #sleepUntil(tick: number): void {
    this.#stopSystemTimer?.();
    this.#wakeTick = tick;
    const delayMs = Math.max(1, Math.ceil(tick * tickMs - this.#clock.nowMs()));
    this.#stopSystemTimer = this.#startTimer(this.#onSystemTimer, delayMs);
  }

  #link(timer: WheelTimer, due: number): void {
    const slot = due % slotCount;
    const head = this.#slots[slot] ?? null;
    timer.dueTick = due;
    timer.previous = null;
    timer.next = head;
    if (head !== null) head.previous = timer;
    this.#slots[slot] = timer;
    this.#armed++;
  }

  #unlink(timer: WheelTimer): void {
    if (timer.previous === null) this.#slots[timer.dueTick % slotCount] = timer.next;
    else timer.previous.next = timer.next;
    if (timer.next !== null) timer.next.previous = timer.previous;
    timer.next = null;
    timer.previous = null;
    timer.dueTick = -1;
    this.#armed--;
  }
}

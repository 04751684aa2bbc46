/**
 * One coarse timer wheel for all timeouts of the data path: arming and disarming are a few pointer writes, and the process
 * has one system timer at most, which sleeps until the next slot that holds something. Times are rounded up to a tick.
 * Not for work that must run at a precise moment.
 */
import type { Clock } from './clock.ts';

/** Tick length in milliseconds: a timer fires in the tick after the one in which its time was over, never early. */
export const tickMs = 8;
const slotCount = 1024;
/** Beside the slots of the wheel: the list of timers that are being fired. */
const firingSlot = slotCount;

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
  /** Absolute tick at which it fires; -1 when not armed. Owned by the wheel, like the rest. */
  dueTick = -1;
  slot = 0;
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
  readonly #slots: Array<WheelTimer | null> = Array.from({ length: slotCount + 1 }, () => null);
  readonly #onSystemTimer = (): void => this.advance();
  #armed = 0;
  /** Every tick up to this one was fired. */
  #currentTick: number;
  #stopSystemTimer: (() => void) | null = null;
  /** Tick for which the system timer is set; -1: it is not set. */
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

  /** (Re)arms a timer to fire after `delayMs` (at least; up to two ticks later). `nowMs` where the caller knows it: reading the clock is not free. */
  arm(timer: WheelTimer, delayMs: number, nowMs: number = this.#clock.nowMs()): void {
    if (timer.dueTick >= 0) this.#unlink(timer);
    // Nothing waits: ticks that went by meanwhile need no look.
    if (this.#armed === 0) this.#currentTick = Math.floor(nowMs / tickMs);
    const due = Math.max(this.#currentTick + 1, Math.ceil((nowMs + delayMs) / tickMs));
    this.#link(timer, due, due % slotCount);
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
    // After a long pause every slot is looked at once.
    const first = Math.max(this.#currentTick + 1, nowTick - slotCount + 1);
    this.#currentTick = Math.max(this.#currentTick, nowTick);
    try {
      // Those that a callback's exception left behind last time.
      this.#fire();
      for (let tick = first; tick <= nowTick; tick++) {
        this.#collectDue(tick % slotCount, nowTick);
        this.#fire();
      }
    } finally {
      if (this.#armed > 0)
        this.#sleepUntil(this.#slots[firingSlot] === null ? this.#nextDueTick() : this.#currentTick + 1);
    }
  }

  /** Moves what is due out of the slot: callbacks may change it in any way. */
  #collectDue(slot: number, nowTick: number): void {
    for (let timer = this.#slots[slot] ?? null; timer !== null; ) {
      const { next, dueTick } = timer;
      if (dueTick <= nowTick) {
        this.#unlink(timer);
        this.#link(timer, dueTick, firingSlot);
      }
      timer = next;
    }
  }

  #fire(): void {
    for (let timer = this.#slots[firingSlot] ?? null; timer !== null; timer = this.#slots[firingSlot] ?? null) {
      this.#unlink(timer);
      timer.target.onTimer(timer);
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

  #link(timer: WheelTimer, due: number, slot: number): void {
    const head = this.#slots[slot] ?? null;
    timer.dueTick = due;
    timer.slot = slot;
    timer.previous = null;
    timer.next = head;
    if (head !== null) head.previous = timer;
    this.#slots[slot] = timer;
    this.#armed++;
  }

  #unlink(timer: WheelTimer): void {
    if (timer.previous === null) this.#slots[timer.slot] = timer.next;
    else timer.previous.next = timer.next;
    if (timer.next !== null) timer.next.previous = timer.previous;
    timer.next = null;
    timer.previous = null;
    timer.dueTick = -1;
    this.#armed--;
  }
}

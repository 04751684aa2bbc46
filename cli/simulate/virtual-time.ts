/**
 * Time that moves only when something happens: a clock, what is due on it in the order of its moments, and the sidecars' own timer wheel on top. Two things that are due at the same
 * moment happen in the order in which they were planned, so a run is the same every time. Nobody waits: ten minutes take as long as their events take to compute.
 */
import type { Clock } from '../../sidecar/runtime/clock.ts';
import { TimerWheel } from '../../sidecar/runtime/timer-wheel.ts';

/** What is due at some moment. Implement it on the object that it concerns: no closure is needed. */
export interface Due {
  onDue(): void;
}

interface Planned {
  readonly atMs: number;
  readonly order: number;
  readonly what: Due;
}

/** Not 0: to some of the sidecar's state machines that is "never". */
const startMs = 1_000_000;
/** What a virtual day begins with, for whatever writes dates. */
const startWallMs = Date.UTC(2026, 0, 1);

export class VirtualTime implements Clock {
  readonly wheel: TimerWheel;
  #nowMs = startMs;
  #order = 0;
  /** A binary heap. */
  readonly #planned: Planned[] = [];

  constructor() {
    this.wheel = new TimerWheel(this, (callback, delayMs) => {
      let stopped = false;
      this.after(delayMs, {
        onDue: () => {
          if (!stopped) callback();
        },
      });
      return () => {
        stopped = true;
      };
    });
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return startWallMs + this.elapsedMs;
  }

  /** Since the beginning of the simulation. */
  get elapsedMs(): number {
    return this.#nowMs - startMs;
  }

  /** Plans something in so many milliseconds; fractions count. */
  after(delayMs: number, what: Due): void {
    this.#push({ atMs: this.#nowMs + delayMs, order: this.#order++, what });
  }

  /** Lets everything happen that is due until `elapsedMs`, then it is that moment. */
  runUntil(elapsedMs: number): void {
    const untilMs = startMs + elapsedMs;
    const planned = this.#planned;
    for (let next = planned[0]; next !== undefined && next.atMs <= untilMs; next = planned[0]) {
      this.#pop();
      this.#nowMs = next.atMs;
      next.what.onDue();
    }
    this.#nowMs = untilMs;
  }

  #push(item: Planned): void {
    const heap = this.#planned;
    let at = heap.length;
    heap.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const other = heap[parent]!;
      if (!isBefore(item, other)) break;
      heap[at] = other;
      at = parent;
    }
    heap[at] = item;
  }

  #pop(): void {
    const heap = this.#planned;
    const last = heap.pop()!;
    const { length } = heap;
    if (length === 0) return;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= length) break;
      if (child + 1 < length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Planned, b: Planned): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** A clock that stands still until a test moves it, with the timer wheel on it. */
import type { Clock } from '../../runtime/clock.ts';
import { TimerWheel } from '../../runtime/timer-wheel.ts';

export class ManualTime implements Clock {
  #ms = 1_000;
  readonly wheel: TimerWheel = new TimerWheel(this, () => () => {});

  nowMs(): number {
    return this.#ms;
  }

  wallMs(): number {
    return 1_790_000_000_000 + this.#ms;
  }

  /** Moves on, in steps, and fires what comes due. */
  advance(ms: number): void {
    const until = this.#ms + ms;
    while (this.#ms < until) {
      this.#ms = Math.min(until, this.#ms + 8);
      this.wheel.advance();
    }
  }

  /** For tests with real sockets: moves on, a step at each turn of the event loop, until `awaited` is settled. */
  async passUntil<T>(awaited: Promise<T>): Promise<T> {
    let settled = false;
    const settle = (): void => void (settled = true);
    awaited.then(settle, settle);
    while (!settled) {
      this.advance(8);
      await new Promise(setImmediate);
    }
    return awaited;
  }
}

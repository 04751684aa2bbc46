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
}

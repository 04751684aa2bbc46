/**
 * Tries again to bind listeners whose port was taken: later from one failure to the next, with jitter, until there is none. Configurations that come meanwhile try too; this is for when none comes.
 * Binds nothing itself.
 */
import type { Random } from '../runtime/clock.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import { type BindFault, configurationFault } from './bound-socket.ts';

const firstDelayMs = 500;
const maxDelayMs = 15_000;

export class BindRetry implements TimerTarget {
  readonly #wheel: TimerWheel;
  readonly #random: Random;
  readonly #retry: () => void;
  readonly #timer: WheelTimer;
  #failures = 0;
  #closed = false;

  constructor(wheel: TimerWheel, random: Random, retry: () => void) {
    this.#wheel = wheel;
    this.#random = random;
    this.#retry = retry;
    this.#timer = new WheelTimer(this);
  }

  /** What came of an attempt, whoever made it. */
  attempted(faults: readonly Pick<BindFault, 'code'>[]): void {
    if (this.#closed) return;
    if (faults.every(({ code }) => code === configurationFault)) {
      this.#failures = 0;
      this.#wheel.disarm(this.#timer);
      return;
    }
    // An attempt of somebody else does not put ours off.
    if (this.#timer.armed) return;
    const delayMs = Math.min(maxDelayMs, firstDelayMs * 2 ** Math.min(this.#failures, 10));
    this.#failures++;
    this.#wheel.arm(this.#timer, delayMs * (0.5 + this.#random() * 0.5));
  }

  onTimer(): void {
    this.#retry();
  }

  close(): void {
    this.#closed = true;
    this.#wheel.disarm(this.#timer);
  }
}

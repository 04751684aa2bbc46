/**
 * How a pod ends without losing a request: the sidecar is told first (its own preStop hook), takes the instance out and finishes what callers have in hand; the application's containers are told to end once that is
 * done (their preStop hooks wait here). What is done to leave is its owner's.
 */
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';

/** The kubelet runs all preStop hooks at once: whoever waits may come before the sidecar was told. */
const beginMs = 5_000;

export class Leaving {
  readonly #wheel: TimerWheel;
  readonly #leave: () => Promise<void>;
  readonly #begun = Promise.withResolvers<void>();
  #left: Promise<void> | null = null;

  constructor(wheel: TimerWheel, leave: () => Promise<void>) {
    this.#wheel = wheel;
    this.#leave = leave;
  }

  /** Leaves, once; comes back when nothing is in hand any more. */
  begin(): Promise<void> {
    if (this.#left === null) {
      this.#left = this.#leave();
      this.#begun.resolve();
    }
    return this.#left;
  }

  /** Comes back when it has left: true; or when nothing has begun within 5 s: false, as then nobody drains. Changes nothing. */
  async whenLeft(): Promise<boolean> {
    if (this.#left === null) await Promise.race([this.#begun.promise, this.#patience()]);
    if (this.#left === null) return false;
    await this.#left;
    return true;
  }

  #patience(): Promise<void> {
    return new Promise((resolve) => {
      const target: TimerTarget = { onTimer: () => resolve() };
      this.#wheel.arm(new WheelTimer(target), beginMs);
    });
  }
}

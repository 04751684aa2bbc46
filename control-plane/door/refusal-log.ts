/** Refusals at the door, logged so many a second: anybody may knock, and must not fill the disk by it. The metrics count all. */
import type { Logger } from 'pino';

const linesASecond = 20;

export class RefusalLog {
  readonly #log: Logger;
  readonly #after: (delayMs: number, callback: () => void) => () => void;
  #left = linesASecond;
  #withheld = 0;

  constructor(log: Logger, after: (delayMs: number, callback: () => void) => () => void) {
    this.#log = log;
    this.#after = after;
  }

  /** The log for one more line; null: not this one. */
  next(): Logger | null {
    if (this.#left === linesASecond) this.#after(1_000, () => this.#refill());
    if (this.#left === 0) {
      this.#withheld++;
      return null;
    }
    this.#left--;
    return this.#log;
  }

  #refill(): void {
    if (this.#withheld > 0)
      this.#log.warn(
        `${this.#withheld} more calls were refused within a second and not logged; the metric outrigger_door_refused_total counts them by reason`,
      );
    this.#left = linesASecond;
    this.#withheld = 0;
  }
}

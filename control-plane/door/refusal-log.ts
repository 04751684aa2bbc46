/** Refusals at the door, logged so many a second: anybody may knock, and must not fill the disk by it. The metrics count all. */
import type { Logger } from 'pino';

const linesASecond = 20;

export class RefusalLog {
  readonly #log: Logger;
  #left = linesASecond;
  #withheld = 0;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** The log for one more line; null: not this one. */
  next(): Logger | null {
    if (this.#left === 0) {
      this.#withheld++;
      return null;
    }
    this.#left--;
    return this.#log;
  }

  /** Called every second. */
  refill(): void {
    if (this.#withheld > 0)
      this.#log.warn(
        `${this.#withheld} more calls were refused within a second and not logged; the metric outrigger_door_refused_total counts them by reason`,
      );
    this.#left = linesASecond;
    this.#withheld = 0;
  }
}

/** Says in the log when a collector stops taking what it is sent and when it takes it again: not of each batch. */
import type { Log } from '../runtime/log.ts';

/** Of a collector's reason. */
const mostWords = 300;

export class CollectorLog {
  readonly #log: Log;
  readonly #collector: string;
  readonly #items: string;
  /** The last that was told of it: it does not work. */
  #broken = false;
  /** It was told that it took only some. */
  #rejects = false;

  /** `collector`, `items`: the words for them. */
  constructor(log: Log, collector: string, items: 'spans' | 'entries') {
    this.#log = log;
    this.#collector = collector;
    this.#items = items;
  }

  taken(): void {
    if (!this.#broken) return;
    this.#broken = false;
    this.#log.info(`${this.#collector} takes ${this.#items} again`);
  }

  rejected(count: number, why: string): void {
    if (this.#rejects) return;
    this.#rejects = true;
    const words = why === '' ? 'it does not say why' : JSON.stringify(why.slice(0, mostWords));
    this.#log.warn(
      `${this.#collector} took a batch without ${count} of its ${this.#items}: ${words}; this is said once`,
    );
  }

  failed(why: string): void {
    if (this.#broken) return;
    this.#broken = true;
    this.#log.warn(
      `${this.#collector} does not take ${this.#items} (${why}); they wait, and are dropped when there are too many`,
    );
  }
}

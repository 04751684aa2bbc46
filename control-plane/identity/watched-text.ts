/** A small file that is looked at now and then: its text is told when it has changed, and a fault once, until it is mended. By reading it: Kubernetes swaps links, and editors rename, which other signs miss. */
import type { Logger } from 'pino';

export class WatchedText {
  readonly #read: () => string;
  readonly #use: (text: string) => void;
  #text: string;
  #fault = '';

  /** Reads and uses it now; throws what these throw. */
  constructor(read: () => string, use: (text: string) => void) {
    this.#read = read;
    this.#use = use;
    this.#text = read();
    use(this.#text);
  }

  /** Why its last text is not in use; '' when it is. */
  get fault(): string {
    return this.#fault;
  }

  /** What was good stays in force until there is something better. */
  check(log: Logger): void {
    try {
      const text = this.#read();
      if (text === this.#text && this.#fault === '') return;
      if (text !== this.#text) this.#use(text);
      this.#text = text;
      this.#fault = '';
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.#fault) log.error(`${message}; what was there before stays in force`);
      this.#fault = message;
    }
  }
}

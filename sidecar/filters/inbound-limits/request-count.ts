/** How many requests of one kind (of a caller, of a route, all of them) are under way and wait, and how many may be. */

export class RequestCount {
  readonly limit: number;
  used = 0;
  waiting = 0;
  /** Where `used` and `waiting` are shown, perhaps with those of others. */
  readonly #usedGauge: Shown;
  readonly #waitingGauge: Shown;

  constructor(limit: number, usedGauge: Shown = { value: 0 }, waitingGauge: Shown = { value: 0 }) {
    this.limit = limit;
    this.#usedGauge = usedGauge;
    this.#waitingGauge = waitingGauge;
  }

  get full(): boolean {
    return this.used >= this.limit;
  }

  /** Nobody knows it any more. */
  get idle(): boolean {
    return this.used === 0 && this.waiting === 0;
  }

  take(): void {
    this.used++;
    this.#usedGauge.value++;
  }

  release(): void {
    this.used--;
    this.#usedGauge.value--;
  }

  join(): void {
    this.waiting++;
    this.#waitingGauge.value++;
  }

  quit(): void {
    this.waiting--;
    this.#waitingGauge.value--;
  }
}

/** A gauge. */
export interface Shown {
  value: number;
}

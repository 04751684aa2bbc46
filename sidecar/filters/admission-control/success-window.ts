/** How many of the requests of the last seconds there were, and how many of them succeeded: by the second, so memory is bounded by the window. A plain state machine: the time is given. */

const slotMs = 1000;

interface Slot {
  readonly startMs: number;
  requests: number;
  successes: number;
}

export class SuccessWindow {
  readonly #windowMs: number;
  /** Oldest first. */
  readonly #slots: Slot[] = [];
  requests = 0;
  successes = 0;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  record(nowMs: number, success: boolean): void {
    this.forget(nowMs);
    let slot = this.#slots.at(-1);
    if (slot === undefined || nowMs - slot.startMs >= slotMs)
      this.#slots.push((slot = { startMs: nowMs, requests: 0, successes: 0 }));
    slot.requests++;
    this.requests++;
    if (!success) return;
    slot.successes++;
    this.successes++;
  }

  /** Leaves aside what is older than the window. */
  forget(nowMs: number): void {
    while (this.#slots.length > 0 && nowMs - this.#slots[0]!.startMs >= this.#windowMs) {
      const { requests, successes } = this.#slots.shift()!;
      this.requests -= requests;
      this.successes -= successes;
    }
  }

  /** On average since the oldest that counts; over a second at least. */
  requestsPerSecond(nowMs: number): number {
    const first = this.#slots[0];
    return first === undefined ? 0 : this.requests / Math.max(1, (nowMs - first.startMs) / 1000);
  }
}

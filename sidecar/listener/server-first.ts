/** Destinations whose servers were found to speak first, so that their next callers need not wait until they have been silent long enough. Bounded, and forgotten after a while: what is there may change. */
import type { Clock } from '../runtime/clock.ts';

const mostDestinations = 1024;
const ageMs = 600_000;

export class ServerFirst {
  readonly #clock: Clock;
  /** When it was found, the one found last at the end. */
  readonly #found = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#found.size;
  }

  /** `destination`: `ip:port`. */
  has(destination: string): boolean {
    const foundMs = this.#found.get(destination);
    if (foundMs === undefined) return false;
    if (this.#clock.nowMs() - foundMs < ageMs) return true;
    this.#found.delete(destination);
    return false;
  }

  add(destination: string): void {
    this.#found.delete(destination);
    if (this.#found.size >= mostDestinations)
      for (const oldest of this.#found.keys()) {
        this.#found.delete(oldest);
        break;
      }
    this.#found.set(destination, this.#clock.nowMs());
  }

  /** Its callers were found to speak first. */
  delete(destination: string): void {
    this.#found.delete(destination);
  }
}

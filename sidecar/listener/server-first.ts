/**
 * Destinations whose servers were found to speak first, and to whom: its next connections need not wait until they have been silent long enough. Others' must, as one port may have callers that are silent and callers that come by TLS, whose first bytes
 * would be too late. Bounded, and forgotten after a while: what is there may change.
 */
import type { Clock } from '../runtime/clock.ts';

const most = 1024;
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

  /** `ends`: `ip` of the caller and `ip:port` of the destination. */
  has(ends: string): boolean {
    const foundMs = this.#found.get(ends);
    if (foundMs === undefined) return false;
    if (this.#clock.nowMs() - foundMs < ageMs) return true;
    this.#found.delete(ends);
    return false;
  }

  add(ends: string): void {
    this.#found.delete(ends);
    if (this.#found.size >= most)
      for (const oldest of this.#found.keys()) {
        this.#found.delete(oldest);
        break;
      }
    this.#found.set(ends, this.#clock.nowMs());
  }

  /** Its callers were found to speak first. */
  delete(ends: string): void {
    this.#found.delete(ends);
  }
}

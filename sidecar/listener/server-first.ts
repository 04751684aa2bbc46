/**
 * Destinations whose servers were found to speak first, and to whom: that caller's next connections are not waited for until they have been silent long enough. Others' are, as one port may have callers that are silent and callers that come by TLS, whose
 * first bytes would be too late; so a caller that came by TLS is never taken for one that is silent. Bounded, and forgotten after a while: what is there may change.
 */
import type { Clock } from '../runtime/clock.ts';

const most = 1024;
const ageMs = 600_000;

export class ServerFirst {
  readonly #clock: Clock;
  /** When it was found, the one found last at the end. */
  readonly #found = new Map<string, number>();
  /** The same of those that came by TLS. */
  readonly #byTls = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#found.size + this.#byTls.size;
  }

  /** `ends`: `ip` of the caller and `ip:port` of the destination. */
  has(ends: string): boolean {
    return this.#holds(this.#found, ends);
  }

  /** The server has spoken first. */
  add(ends: string): void {
    if (!this.#holds(this.#byTls, ends)) this.#remember(this.#found, ends);
  }

  /** The caller has spoken first, after a while. */
  delete(ends: string): void {
    this.#found.delete(ends);
  }

  /** The caller came by TLS. */
  addTls(ends: string): void {
    this.#found.delete(ends);
    this.#remember(this.#byTls, ends);
  }

  #holds(memory: Map<string, number>, ends: string): boolean {
    const foundMs = memory.get(ends);
    if (foundMs === undefined) return false;
    if (this.#clock.nowMs() - foundMs < ageMs) return true;
    memory.delete(ends);
    return false;
  }

  #remember(memory: Map<string, number>, ends: string): void {
    memory.delete(ends);
    if (memory.size >= most)
      for (const oldest of memory.keys()) {
        memory.delete(oldest);
        break;
      }
    memory.set(ends, this.#clock.nowMs());
  }
}

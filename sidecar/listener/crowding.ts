/**
 * Makes room when file descriptors become few: the connections that have rested longest are closed, so that whoever has work to do is served (hardening.md, resource exhaustion). It looks
 * at the number of connections, because at the limit itself Node takes new ones and closes them without a word.
 */
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { IdleConnection } from './running-listener.ts';

/** Of all descriptors: each connection may need a second one to a service. */
const shareOfDescriptors = 0.45;
/** So many make room for a burst, and cost few clients a new connection. */
const closedAtOnce = 16;
const quietMs = 10_000;

export class Crowding {
  readonly #clock: Clock;
  readonly #log: Log | null;
  readonly #openFilesLimit: () => number;
  #most = 0;
  #lastToldMs = -Infinity;
  #closed = 0;

  /** `log` null: nothing is told. */
  constructor(clock: Clock, log: Log | null, openFilesLimit: () => number) {
    this.#clock = clock;
    this.#log = log;
    this.#openFilesLimit = openFilesLimit;
  }

  /** So many connections are fine. Asked of the kernel once. */
  get mostConnections(): number {
    if (this.#most === 0) this.#most = Math.max(1, Math.floor(this.#openFilesLimit() * shareOfDescriptors));
    return this.#most;
  }

  /** Closes some of these; gives how many. */
  makeRoom(idle: readonly IdleConnection[]): number {
    const longest = idle.toSorted((a, b) => a.idleSinceMs - b.idleSinceMs).slice(0, closedAtOnce);
    for (const connection of longest) connection.closeIdle();
    this.#closed += longest.length;
    const now = this.#clock.nowMs();
    if (now - this.#lastToldMs < quietMs) return longest.length;
    this.#log?.warn(
      `more than ${this.mostConnections} connections are open, which is near what file descriptors allow: ${this.#closed} that had rested longest ${this.#closed === 1 ? 'was' : 'were'} closed to make room; raise the limit (ulimit -n)`,
    );
    this.#lastToldMs = now;
    this.#closed = 0;
    return longest.length;
  }
}

/**
 * How long a host keeps idle HTTP/1 connections, learned from what it says (`Keep-Alive: timeout=N`) and does (closing idle connections), so that
 * no request meets a connection that is about to close (needs-and-defaults.md 5).
 */

/** A lesson from closes is forgotten after so long: it may have come from a restart, and a host may have got another configuration. */
const forgetAfterMs = 15 * 60_000;
/** Two closes nearer to each other than this are one event: a restart closes everything at once, whatever its age. */
const oneEventMs = 500;
/** Shorter idle times than this teach nothing: the host closed after a response rather than by a timeout. */
const shortestMs = 500;

export class IdleLearning {
  /** From the last hint; Infinity: none. */
  #hintedMs = Infinity;
  /** From closes; Infinity: nothing learned. */
  #observedMs = Infinity;
  #observedAtMs = 0;
  #lastCloseIdleMs = 0;
  #lastCloseAtMs = -Infinity;

  /** Idle time after which a connection is no longer used; Infinity: not known. */
  limitMs(nowMs: number): number {
    if (this.#observedMs !== Infinity && nowMs - this.#observedAtMs > forgetAfterMs) this.#observedMs = Infinity;
    return Math.min(this.#hintedMs, this.#observedMs);
  }

  /** Nothing was ever learned: callers need not read the clock. */
  get empty(): boolean {
    return this.#hintedMs === Infinity && this.#observedMs === Infinity;
  }

  /** The host said `Keep-Alive: timeout=N`. The newest word counts. */
  onHint(hintMs: number): void {
    if (hintMs > 0) this.#hintedMs = withMargin(hintMs);
  }

  /** The host closed a connection that had been idle for `idleMs`. Two closes at different moments and about the same age are its timeout. */
  onClose(idleMs: number, nowMs: number): void {
    if (idleMs < shortestMs || nowMs - this.#lastCloseAtMs < oneEventMs) return;
    const last = this.#lastCloseIdleMs;
    this.#lastCloseIdleMs = idleMs;
    this.#lastCloseAtMs = nowMs;
    if (last > 0 && Math.abs(idleMs - last) <= 0.15 * Math.max(idleMs, last)) {
      this.#observedMs = withMargin(Math.min(idleMs, last));
      this.#observedAtMs = nowMs;
    }
  }
}

/** A tenth, and at least a quarter of a second (but never more than half), for clocks and the way there. */
function withMargin(timeoutMs: number): number {
  return timeoutMs - Math.min(timeoutMs / 2, Math.max(timeoutMs / 10, 250));
}

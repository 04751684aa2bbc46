/** The time that a source needs, injected so that tests hold it. */
export interface SourceClock {
  /** Calls `callback` once after `delayMs`, unless the returned function is called before. */
  after(delayMs: number, callback: () => void): () => void;
  /** Milliseconds that only ever grow. */
  nowMs(): number;
  /** Milliseconds since 1970. */
  wallMs(): number;
}

/** Real time. Its timers do not keep the process alive. */
export const systemSourceClock: SourceClock = {
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
};

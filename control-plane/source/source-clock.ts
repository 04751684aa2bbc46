/** The timers that a source needs, injected so that tests hold the time. */

export interface SourceClock {
  /** Calls `callback` once after `delayMs`, unless the returned function is called before. */
  after(delayMs: number, callback: () => void): () => void;
}

/** Real time. Its timers do not keep the process alive. */
export const systemSourceClock: SourceClock = {
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

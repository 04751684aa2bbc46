/** Time, injected. Nothing else in sidecar/ asks the system for it. */

export interface Clock {
  /** Milliseconds from an arbitrary start, never going back; fractions allowed. */
  nowMs(): number;
  /** Milliseconds since 1970, for log lines and certificates. */
  wallMs(): number;
}

/** The global is a getter, which is run each time that it is asked for. */
const { performance } = globalThis;

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
};

/** Random numbers, injected: uniform in [0, 1). */
export type Random = () => number;

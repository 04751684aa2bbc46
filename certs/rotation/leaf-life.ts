/**
 * How long leaves that are out there may still live. The configured lifetime says it, unless it was longer before: a rotation must wait for the leaves of then too. Kept beside the state of the rotation,
 * as it outlives the process.
 */

export interface LeafLife {
  /** As configured now. */
  readonly lifetimeMs: number;
  /** When the last leaf of a longer lifetime ends; 0: there is none. */
  readonly longerUntilMs: number;
}

/** After a start with this lifetime; the same object when nothing is new. `before` null: nothing is known of an earlier one. */
export function leafLife(before: LeafLife | null, lifetimeMs: number, nowMs: number): LeafLife {
  if (before === null) return { lifetimeMs, longerUntilMs: 0 };
  if (before.lifetimeMs === lifetimeMs) return before;
  // Until this moment the one before may have signed.
  const endMs = nowMs + before.lifetimeMs;
  return { lifetimeMs, longerUntilMs: Math.max(before.longerUntilMs, before.lifetimeMs > lifetimeMs ? endMs : 0) };
}

export function longestLeafMs({ lifetimeMs, longerUntilMs }: LeafLife, nowMs: number): number {
  return Math.max(lifetimeMs, longerUntilMs - nowMs);
}

/** One that was stored; null when there is none that makes sense. */
export function readLeafLife(value: unknown): LeafLife | null {
  const { lifetimeMs, longerUntilMs } = (typeof value === 'object' && value !== null ? value : {}) as Partial<
    Record<string, unknown>
  >;
  const isTime = (time: unknown): time is number => typeof time === 'number' && Number.isFinite(time) && time >= 0;
  return isTime(lifetimeMs) && isTime(longerUntilMs) ? { lifetimeMs, longerUntilMs } : null;
}

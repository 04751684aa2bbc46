/** How long something may take, and who says so. */

export interface TimeLimit {
  /** 0: no limit. */
  readonly ms: number;
  /** `TrafficPolicy shop/payments`, or the route itself; '': the default. */
  readonly rule: string;
}

export const noTimeLimit: TimeLimit = { ms: 0, rule: '' };

/** Null: nothing is said. */
export function timeLimit(ms: number | null, rule: string): TimeLimit | null {
  return ms === null ? null : { ms, rule };
}

/** Of those that limit; null: none does. */
export function shortestLimit(...limits: ReadonlyArray<TimeLimit | null>): TimeLimit | null {
  const limiting = limits.filter((limit) => limit !== null && limit.ms > 0) as readonly TimeLimit[];
  return limiting.toSorted((a, b) => a.ms - b.ms)[0] ?? null;
}

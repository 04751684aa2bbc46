/** Whether the control plane answers, told to who shows it: once for the whole page, whichever part found out. */

/** ms since 1970; null: it answers. */
let awaySinceMs: number | null = null;
const listeners = new Set<() => void>();

export function reportReach(reached: boolean): void {
  if (reached === (awaySinceMs === null)) return;
  awaySinceMs = reached ? null : Date.now();
  for (const listener of listeners) listener();
}

export function awaySince(): number | null {
  return awaySinceMs;
}

export function onReach(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

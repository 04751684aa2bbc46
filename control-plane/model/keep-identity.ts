/** Keeps an object of the model before when the new one says the same. */

/** `before` when both hold equal plain data (maps compared by their entries in order), else `now`. */
export function keepIdentity<T>(before: T | undefined, now: T): T {
  return before !== undefined && equalData(before, now) ? before : now;
}

/** Plain data, compared by value. */
export function equalData(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && equalLists(a, b, equalData);
  if (a instanceof Map) return b instanceof Map && equalLists([...a], [...b], equalData);
  const keys = Object.keys(a);
  if (Array.isArray(b) || b instanceof Map || keys.length !== Object.keys(b).length) return false;
  return keys.every(
    (key) =>
      Object.hasOwn(b, key) && equalData((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
  );
}

export function equalLists<T>(a: readonly T[], b: readonly T[], equal: (a: T, b: T) => boolean): boolean {
  return a.length === b.length && a.every((item, at) => equal(item, b[at]!));
}

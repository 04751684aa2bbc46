/** A Struct as JSON text by key, keys of inner objects in one order: equal texts are equal values. For metadata that is compared. */

export function jsonTexts(values: Readonly<Record<string, unknown>> | undefined): Record<string, string> {
  const texts = Object.create(null) as Record<string, string>;
  for (const [key, value] of Object.entries(values ?? {})) texts[key] = JSON.stringify(sorted(value));
  return texts;
}

/** Keys of objects in one order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}

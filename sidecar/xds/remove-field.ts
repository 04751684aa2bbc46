/** Takes a field out of proto JSON by its path: to go on without one that has a fault. */

/** Does nothing when it is not there. An item of a list stays, as those behind it would have other places. */
export function removeField(json: unknown, path: string): void {
  const parts = path.match(/[^.[\]"]+/g) ?? [];
  let here = json;
  for (const part of parts.slice(0, -1)) here = fieldOf(here, part)?.[1];
  const last = fieldOf(here, parts.at(-1) ?? '');
  if (last !== undefined && !Array.isArray(here)) delete (here as Record<string, unknown>)[last[0]];
}

/** By the name in the .proto file or in lowerCamelCase. */
function fieldOf(value: unknown, name: string): readonly [string, unknown] | undefined {
  return typeof value === 'object' && value !== null
    ? Object.entries(value).find(
        ([key]) => key === name || key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) === name,
      )
    : undefined;
}

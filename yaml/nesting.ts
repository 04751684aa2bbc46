/** How deep a value from a file may be nested, and whether it is. Not how a text is read: that is read-documents.ts. */

/** Maps and lists within each other, from files of users: as many messages as protobuf takes within each other. Code behind this bound may call itself for each level. */
export const maxNesting = 100;

export const nestingFault = `is nested too deep: more than ${maxNesting} maps and lists stand within each other`;

/** Whether `value` is nested deeper than `levels`; one that holds itself is. */
export function isNestedDeeper(value: unknown, levels: number = maxNesting): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  for (const inner of Object.values(value)) if (isNestedDeeper(inner, levels - 1)) return true;
  return false;
}

/** Where a field of a document stands in its text, for messages. */
import { type Document, isCollection, isMap, isScalar, isSeq, type Node } from 'yaml';

/** From the start of the text: the key of a field of a map, the item of a list; of what is missing, the nearest thing around it. */
export function fieldOffset(document: Document.Parsed, path: readonly PropertyKey[]): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range[0] ?? 0;
  for (const part of path) {
    if (!isCollection(node)) break;
    let next: unknown;
    let place: unknown;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part));
      if (pair === undefined) break;
      [next, place] = [pair.value, pair.key];
    } else if (isSeq(node)) {
      next = node.items[Number(part)];
      place = next;
    }
    const range = (place as Node | null | undefined)?.range;
    if (range === undefined || range === null) break;
    offset = range[0];
    node = next;
  }
  return offset;
}

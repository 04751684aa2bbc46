/** YAML (and so JSON) text of one document to a plain value, with the places of its parts: for faults that name line and column. */
import { isMap, isScalar, isSeq, type Node } from 'yaml';
import { documentFaults, documentValue, readDocuments } from '../../yaml/read-documents.ts';

export type YamlText =
  | { readonly ok: false; readonly faults: readonly string[] }
  | {
      readonly ok: true;
      readonly value: unknown;
      /** Where a field path stands, or its nearest parent that is there, from the start of the text; -1: nowhere. */
      offset(path: string): number;
      /** `file:line:column` of an offset; the file of none. */
      place(offset: number): string;
    };

export function parseYamlText(text: string, file: string): YamlText {
  const { documents, fault, lines } = readDocuments(text);
  const place = (offset: number): string => {
    if (offset < 0) return file;
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const [document, second] = documents;
  const faults = [...(document === undefined ? [] : documentFaults(document)), ...(fault === null ? [] : [fault])];
  if (second !== undefined)
    faults.push({ offset: second.range[0], message: 'a second document begins here; one is expected' });
  if (faults.length > 0)
    return { ok: false, faults: faults.map(({ offset, message }) => `${place(offset)}: ${message}`) };
  try {
    return {
      ok: true,
      value: document === undefined ? null : documentValue(document),
      offset: (path) => nodeOffset(document?.contents, path) ?? -1,
      place,
    };
  } catch (error) {
    return { ok: false, faults: [`${file}: ${(error as Error).message}`] };
  }
}

function nodeOffset(root: unknown, path: string): number | null {
  let node = root as Node | null;
  for (const part of path.match(/[^.[\]"]+/g) ?? []) {
    let next: unknown;
    if (isSeq(node)) next = node.items[Number(part)];
    else if (isMap(node)) {
      const pair = node.items.find(
        ({ key }) => isScalar(key) && (String(key.value) === part || snakeCase(String(key.value)) === part),
      );
      next = pair?.value;
      // A scalar is best named by its own place, a missing value by its key's.
      if (next === null || next === undefined) next = pair?.key;
    }
    if (next === null || next === undefined) break;
    node = next as Node;
  }
  return node?.range?.[0] ?? null;
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** YAML (and so JSON) text to a plain value, with the places of its parts: for faults that name line and column. */
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';

export type YamlText =
  | { readonly ok: false; readonly faults: readonly string[] }
  | {
      readonly ok: true;
      readonly value: unknown;
      /** `file:line:column` of a field path, or of its nearest parent that is there. */
      place(path: string): string;
    };

export function parseYamlText(text: string, file: string): YamlText {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  if (document.errors.length > 0)
    return { ok: false, faults: document.errors.map((error) => `${at(error.pos[0])}: ${error.message}`) };
  try {
    // Aliases that multiply without end are refused here.
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    return {
      ok: true,
      value,
      place: (path) => {
        const offset = nodeOffset(document.contents, path);
        return offset === null ? file : at(offset);
      },
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

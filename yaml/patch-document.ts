/** Changes fields of a document where they stand, so that comments, order and the writing of all else stay. What is changed, and why, is its caller's. */
import { Document, isAlias, isCollection, isMap, isNode, isScalar, isSeq, type Node, visit } from 'yaml';

/** One step of a JSON Patch, its path in parts. */
export interface DocumentChange {
  readonly op: 'add' | 'replace' | 'remove';
  readonly path: readonly string[];
  readonly value?: unknown;
}

/**
 * The document's text with these changes. `patched`: its value with them, which is written anew where the writing cannot be kept: where parts of it stand for others (aliases and merges), a change of one would be
 * one of all; and where it is JSON, a line would hold a container. `source`: as it was written. `kept`: whether its writing was.
 */
export function patchedText(
  document: Document.Parsed,
  changes: readonly DocumentChange[],
  patched: unknown,
  source: string,
): { readonly text: string; readonly kept: boolean } {
  const flow = isCollection(document.contents) && document.contents.flow === true;
  if (flow || hasAliases(document))
    return {
      text: new Document(patched, { version: '1.1', aliasDuplicateObjects: false }).toString(style),
      kept: false,
    };
  for (const change of changes) apply(document, change);
  return { text: document.toString({ ...style, flowCollectionPadding: !/[{[][^\s{}[\]]/.test(source) }), kept: true };
}

const style = { lineWidth: 0, aliasDuplicateObjects: false } as const;

function hasAliases(document: Document.Parsed): boolean {
  let found = false;
  visit(document, (_, node) => {
    if (!isAlias(node)) return undefined;
    found = true;
    return visit.BREAK;
  });
  return found;
}

function apply(document: Document.Parsed, { op, path, value }: DocumentChange): void {
  const last = path.at(-1)!;
  const parent: unknown =
    path.length === 1 ? document.contents : document.getIn(steps(document, path.slice(0, -1)), true);
  const node = op === 'remove' ? null : document.createNode(value, { aliasDuplicateObjects: false });
  if (isSeq(parent)) {
    const index = Number(last);
    if (op === 'remove') parent.items.splice(index, 1);
    else if (op === 'add') parent.items.splice(index, 0, node);
    else parent.items[index] = likeBefore(node!, parent.items[index]);
  } else if (isMap(parent)) {
    const key = keyOf(parent.items, last);
    if (op === 'remove') parent.delete(key);
    else parent.set(key, likeBefore(node!, parent.get(key, true)));
  } else throw new Error(`no place for ${op} ${path.join('/')}`);
}

/** Keys of a document may be numbers to YAML, and an index is one to lists. */
function steps(document: Document.Parsed, path: readonly string[]): readonly unknown[] {
  const found: unknown[] = [];
  for (const part of path) {
    const parent: unknown = found.length === 0 ? document.contents : document.getIn(found, true);
    found.push(isMap(parent) ? keyOf(parent.items, part) : Number(part));
  }
  return found;
}

function keyOf(items: ReadonlyArray<{ readonly key: unknown }>, name: string): unknown {
  const found = items.find(({ key }) => String(isScalar(key) ? key.value : key) === name);
  return found === undefined ? name : isScalar(found.key) ? found.key.value : found.key;
}

/** What was said of the one before is said of this one. */
function likeBefore(node: Node, before: unknown): Node {
  if (isNode(before)) {
    if (before.commentBefore) node.commentBefore = before.commentBefore;
    if (before.comment && isScalar(before) && isScalar(node)) node.comment = before.comment;
    if (before.spaceBefore === true) node.spaceBefore = true;
  }
  return node;
}

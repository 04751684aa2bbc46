/**
 * Switches a FaultPolicy off or on by its `spec.until`, in the text where it stands: everything else stays as it was written. Off: `until` is now, in the place of an `until` or `for` that it has. On: the `until` goes, so that it has
 * no end. Knows no files.
 */
import { type Document, isMap, isScalar, type Pair, type YAMLMap } from 'yaml';
import { readDocuments } from '../../yaml/read-documents.ts';

/** Null: the policy (`namespace/name`) is not in this text, or the text is broken. */
export function switchFaultText(text: string, policy: string, on: boolean, nowMs: number): string | null {
  const spec = specOf(text, policy);
  if (spec === null) return null;
  const left = withoutEnd(text, spec);
  if (on) return left;
  const first = specOf(left, policy)?.items[0];
  if (first === undefined) return null;
  return insertBefore(left, start(first), spec.flow === true, `until: "${time(nowMs)}"`);
}

function specOf(text: string, policy: string): YAMLMap | null {
  const { documents, fault } = readDocuments(text);
  if (fault !== null || documents.some(({ errors }) => errors.length > 0)) return null;
  const spec: unknown = documents.find((document) => nameOf(document) === policy)?.get('spec', true);
  return isMap(spec) ? (spec as YAMLMap) : null;
}

function nameOf(document: Document.Parsed): string | null {
  if (!isMap(document.contents) || document.get('kind') !== 'FaultPolicy') return null;
  return `${String(document.getIn(['metadata', 'namespace']) ?? 'default')}/${String(document.getIn(['metadata', 'name']))}`;
}

/** To the second, as one would write it. */
function time(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/\.\d+Z$/, 'Z');
}

const start = ({ key }: Pair): number => (isScalar(key) ? (key.range?.[0] ?? 0) : 0);

function withoutEnd(text: string, { items, flow }: YAMLMap): string {
  const going = items.filter(({ key }) => isScalar(key) && (key.value === 'until' || key.value === 'for'));
  let left = text;
  for (const pair of going.toReversed()) {
    const { range } = pair.value as { readonly range?: readonly [number, number, number] | null };
    let from = start(pair);
    let to = range?.[1] ?? from;
    if (flow === true) {
      const after = /^\s*,[ \t]*/.exec(left.slice(to));
      if (after !== null) to += after[0].length;
      else from -= /,?\s*$/.exec(left.slice(0, from))![0].length;
    } else {
      // The whole line, with a comment that stands on it.
      from = left.lastIndexOf('\n', from - 1) + 1;
      const end = left.indexOf('\n', to);
      to = end === -1 ? left.length : end + 1;
    }
    left = left.slice(0, from) + left.slice(to);
  }
  return left;
}

function insertBefore(text: string, at: number, flow: boolean, entry: string): string {
  if (flow) return `${text.slice(0, at)}${entry}, ${text.slice(at)}`;
  const column = at - (text.lastIndexOf('\n', at - 1) + 1);
  return `${text.slice(0, at)}${entry}\n${' '.repeat(column)}${text.slice(at)}`;
}

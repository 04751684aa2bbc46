/** JSON that a stranger wrote, strictly: one object in UTF-8, no name twice in any object (RFC 7515 4 and 5.2 leave no guess which one counts), not deeper than a bound. */

export type JsonObject = Readonly<Record<string, unknown>>;

/** Nobody's claims nest deeper; who walks them need not fear for the stack. */
const mostDepth = 32;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The object, or null. Never throws. */
export function parseJsonObject(bytes: Uint8Array): JsonObject | null {
  try {
    const text = utf8.decode(bytes);
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    return isPlain(text) ? (value as JsonObject) : null;
  } catch {
    return null;
  }
}

/** Own member of an object; undefined for everything else, `__proto__` and its kin included. */
export function member(object: unknown, name: string): unknown {
  if (typeof object !== 'object' || object === null || Array.isArray(object) || !Object.hasOwn(object, name))
    return undefined;
  return (object as Record<string, unknown>)[name];
}

/** A member that is a text, '' where it is not there; null: it is something else. */
export function textMember(object: unknown, name: string): string | null {
  const value = member(object, name);
  if (value === undefined) return '';
  return typeof value === 'string' ? value : null;
}

/** No name twice, and not too deep. `text` is JSON: JSON.parse has said so. */
function isPlain(text: string): boolean {
  /** One entry per open object or array; null for arrays. */
  const open: Array<Set<string> | null> = [];
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x7b: // {
        open.push(new Set());
        break;
      case 0x5b: // [
        open.push(null);
        break;
      case 0x7d: // }
      case 0x5d: // ]
        open.pop();
        break;
      case 0x22: {
        const end = stringEnd(text, i);
        const names = open[open.length - 1];
        if (names !== null && names !== undefined && isName(text, end)) {
          const name = JSON.parse(text.slice(i, end)) as string;
          if (names.has(name)) return false;
          names.add(name);
        }
        i = end - 1;
        break;
      }
    }
    if (open.length > mostDepth) return false;
  }
  return true;
}

/** Where the string that begins at `start` is over, its last quote included. */
function stringEnd(text: string, start: number): number {
  let i = start + 1;
  for (; text.charCodeAt(i) !== 0x22; i++) if (text.charCodeAt(i) === 0x5c) i++;
  return i + 1;
}

/** In JSON, only a name has a colon behind it. */
function isName(text: string, end: number): boolean {
  let i = end;
  while (text.charCodeAt(i) <= 0x20) i++;
  return text.charCodeAt(i) === 0x3a;
}

/** The query of a path, pair by pair, as it stands: pairs that are not meant keep their spelling and order. */

interface Query {
  /** Without the `?`. */
  readonly path: string;
  /** null: there is no query. */
  readonly pairs: readonly string[] | null;
}

function split(pathWithQuery: string): Query {
  const at = pathWithQuery.indexOf('?');
  if (at < 0) return { path: pathWithQuery, pairs: null };
  return { path: pathWithQuery.slice(0, at), pairs: pathWithQuery.slice(at + 1).split('&') };
}

function decoded(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function nameOf(pair: string): string {
  const at = pair.indexOf('=');
  return decoded(at < 0 ? pair : pair.slice(0, at));
}

/** Every value of a name. */
export function queryValues(pathWithQuery: string, name: string): string[] {
  const { pairs } = split(pathWithQuery);
  if (pairs === null) return [];
  return pairs
    .filter((pair) => nameOf(pair) === name)
    .map((pair) => (pair.includes('=') ? decoded(pair.slice(pair.indexOf('=') + 1)) : ''));
}

/** The path without the pairs of these names, and with `added` at the end, as they stand: see {@link isQueryText}. */
export function changedQuery(
  pathWithQuery: string,
  removed: ReadonlySet<string>,
  added: ReadonlyArray<readonly [string, string]> = [],
): string {
  const { path, pairs } = split(pathWithQuery);
  const kept = pairs === null ? [] : pairs.filter((pair) => !removed.has(nameOf(pair)));
  const all = [...kept, ...added.map(([name, value]) => `${name}=${value}`)];
  return all.length === 0 ? path : `${path}?${all.join('&')}`;
}

/** Whether a text may stand as a name or value in a query as it is (RFC 3986 3.4): what else it holds is percent-encoded. */
export function isQueryText(text: string, part: 'name' | 'value'): boolean {
  return part === 'name' ? queryName.test(text) : queryValue.test(text);
}

const queryName = /^(?:[A-Za-z0-9._~!$'()*+,;:@/?-]|%[0-9A-Fa-f]{2})+$/;
const queryValue = /^(?:[A-Za-z0-9._~!$'()*+,;:@/?=-]|%[0-9A-Fa-f]{2})*$/;

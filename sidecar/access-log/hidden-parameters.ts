/** Paths as logs show them: a token in the query is for the service alone (RFC 6750 5.3), so its value is not written. The rest of the path stays as it is. */

/** The parameter that carries a bearer token (RFC 6750 2.3). */
export const accessTokenParameter = 'access_token';

const hidden = '(hidden)';

/** `names`: of parameters whose values are hidden. */
export function hideParameters(path: string, names: ReadonlySet<string>): string {
  const query = path.indexOf('?');
  if (query < 0) return path;
  let found = false;
  const pairs = path
    .slice(query + 1)
    .split('&')
    .map((pair) => {
      const equals = pair.indexOf('=');
      if (equals < 0 || !names.has(decoded(pair.slice(0, equals)))) return pair;
      found = true;
      return `${pair.slice(0, equals)}=${hidden}`;
    });
  return found ? `${path.slice(0, query)}?${pairs.join('&')}` : path;
}

function decoded(name: string): string {
  if (!name.includes('%')) return name;
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

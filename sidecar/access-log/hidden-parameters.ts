/** Paths as logs show them: a token in the query is for the service alone (RFC 6750 5.3), so its value is not written. The rest of the path stays as it is. */

/** The parameter that carries a bearer token (RFC 6750 2.3). */
export const accessTokenParameter = 'access_token';

const hidden = '(hidden)';

/** `names`: of parameters whose values are hidden, in lower case; they are found in whatever case callers write them. */
export function hideParameters(path: string, names: ReadonlySet<string>): string {
  const query = path.indexOf('?');
  if (query < 0) return path;
  let found = false;
  const pairs = path
    .slice(query + 1)
    .split('&')
    .map((pair) => {
      const equals = pair.indexOf('=');
      if (equals < 0 || !isHidden(plainName(pair.slice(0, equals)), names)) return pair;
      found = true;
      return `${pair.slice(0, equals)}=${hidden}`;
    });
  return found ? `${path.slice(0, query)}?${pairs.join('&')}` : path;
}

/** A pair of a query, or of a fragment, as OAuth has them too (RFC 6749 4.2.2). */
const pairInText = /([?&#])([^?&#=\s"<>\\]+)=[^&#\s"<>\\]*/g;

/** The same in text that may have addresses anywhere. `instead`: of a value. */
export function hideParametersIn(text: string, names: ReadonlySet<string>, instead = hidden): string {
  return text.replace(pairInText, (pair, before: string, name: string) =>
    isHidden(plainName(name), names) ? `${before}${name}=${instead}` : pair,
  );
}

/** Of `user[password]` the name is `password` too, as frameworks nest parameters. */
function isHidden(name: string, names: ReadonlySet<string>): boolean {
  if (names.has(name)) return true;
  return name.endsWith(']') && names.has(name.slice(name.lastIndexOf('[') + 1, -1));
}

/** In lower case. */
function plainName(name: string): string {
  if (!name.includes('%')) return name.toLowerCase();
  try {
    return decodeURIComponent(name).toLowerCase();
  } catch {
    return name.toLowerCase();
  }
}

/**
 * One canonical form of the path decides routing and is what is forwarded (hardening.md, "host and path"). What the configuration does not ask for is left as it is.
 * Order as in Envoy: escaped slashes, then RFC 3986 normalization, then doubled slashes. What is escaped twice is unescaped once at most.
 */
import type { HttpConnectionManagerConfig } from '../config/listener-config.ts';

type PathRules = Pick<HttpConnectionManagerConfig, 'normalizePath' | 'mergeSlashes' | 'escapedSlashes'>;

export type NormalizedPath =
  | { readonly kind: 'ok'; readonly path: string }
  | { readonly kind: 'reject'; readonly message: string }
  /** The caller is told to ask for this path. */
  | { readonly kind: 'redirect'; readonly path: string };

/** Whether the rules can change any path at all. */
export function changesPaths(rules: PathRules): boolean {
  return rules.normalizePath || rules.mergeSlashes || rules.escapedSlashes !== 'keep';
}

/** `target`: a path that begins with `/`, with its query, which stays as it is. */
export function normalizePath(target: string, rules: PathRules): NormalizedPath {
  // Most paths have nothing of what follows.
  if (!/[%\\]|\/[./]/.test(target)) return { kind: 'ok', path: target };
  const query = target.indexOf('?');
  let path = query < 0 ? target : target.slice(0, query);
  const rest = query < 0 ? '' : target.slice(query);
  let redirect = false;
  if (rules.escapedSlashes !== 'keep' && /%2f|%5c/i.test(path)) {
    if (rules.escapedSlashes === 'reject')
      return { kind: 'reject', message: 'The path has an escaped slash (%2F or %5C), which is refused here.' };
    path = path.replace(/%2f/gi, '/').replace(/%5c/gi, '\\');
    redirect = rules.escapedSlashes === 'unescape_and_redirect';
  }
  if (rules.normalizePath) path = removeDotSegments(unescapeUnreserved(path.replaceAll('\\', '/')));
  if (rules.mergeSlashes) path = path.replace(/\/{2,}/g, '/');
  // An authority must not come out of a path: `//host` in a location is another host.
  if (redirect) return { kind: 'redirect', path: path.replace(/^[/\\]{2,}/, '/') + rest };
  return { kind: 'ok', path: path + rest };
}

/** RFC 3986 6.2.2: `%2e` is `.`, `%7E` is `~`; other escapes stay, in upper case. */
function unescapeUnreserved(path: string): string {
  return path.replace(/%([0-9a-f]{2})/gi, (escape, digits: string) => {
    const char = String.fromCharCode(Number.parseInt(digits, 16));
    return /[A-Za-z0-9._~-]/.test(char) ? char : escape.toUpperCase();
  });
}

/** RFC 3986 5.2.4: `..` above the root stays at the root. */
function removeDotSegments(path: string): string {
  if (!path.includes('/.')) return path;
  const out: string[] = [];
  const segments = path.slice(1).split('/');
  for (const [i, segment] of segments.entries()) {
    const last = i === segments.length - 1;
    if (segment === '..') {
      out.pop();
      if (last) out.push('');
    } else if (segment === '.') {
      if (last) out.push('');
    } else out.push(segment);
  }
  return `/${out.join('/')}`;
}

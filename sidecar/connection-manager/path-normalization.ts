/**
 * One canonical form of the path decides routing and is what is forwarded (hardening.md, "host and path"). What the configuration does not ask for is left as it is, but a
 * fragment is always refused.
 */
import type { HttpConnectionManagerConfig } from '../config/listener-config.ts';

export type NormalizedPath = { readonly kind: 'ok'; readonly path: string } | { readonly kind: 'reject'; readonly message: string } | { readonly kind: 'redirect'; readonly path: string };

export function normalizePath(
  target: string,
  config: Pick<HttpConnectionManagerConfig, 'normalizePath' | 'mergeSlashes' | 'escapedSlashes'>,
): NormalizedPath {
  if (target.includes('#')) return { kind: 'reject', message: 'The path has a fragment (#), which a request may not carry.' };
  if (!config.normalizePath && !config.mergeSlashes && config.escapedSlashes === 'keep') return { kind: 'ok', path: target };
  const query = target.indexOf('?');
  let path = query < 0 ? target : target.slice(0, query);
  const rest = query < 0 ? '' : target.slice(query);
  if (!path.startsWith('/')) return { kind: 'ok', path: target };
  let redirect = false;
  if (/%2f|%5c/i.test(path)) {
    if (config.escapedSlashes === 'reject') return { kind: 'reject', message: 'The path has an escaped slash (%2F or %5C), which is refused here.' };
    if (config.escapedSlashes !== 'keep') {
      path = path.replace(/%2f/gi, '/').replace(/%5c/gi, '\\');
      redirect = config.escapedSlashes === 'unescape_and_redirect';
    }
  }
  if (config.normalizePath) {
    path = path.replaceAll('\\', '/').replace(/%([0-9a-f]{2})/gi, (escape, digits: string) => {
      const char = String.fromCharCode(Number.parseInt(digits, 16));
      return /[A-Za-z0-9._~-]/.test(char) ? char : escape.toUpperCase();
    });
    const dotless = removeDotSegments(path);
    if (dotless === null) return { kind: 'reject', message: 'The path leads above its root (/..).' };
    path = dotless;
  }
  if (config.mergeSlashes) path = path.replace(/\/{2,}/g, '/');
  return redirect ? { kind: 'redirect', path: path + rest } : { kind: 'ok', path: path + rest };
}

/** RFC 3986 5.2.4; null when `..` leads above the root. */
function removeDotSegments(path: string): string | null {
  if (!path.includes('/.')) return path;
  const out: string[] = [];
  const segments = path.slice(1).split('/');
  for (const [i, segment] of segments.entries()) {
    const last = i === segments.length - 1;
    if (segment === '..') {
      if (out.length === 0) return null;
      out.pop();
      if (last) out.push('');
    } else if (segment === '.') {
      if (last) out.push('');
    } else out.push(segment);
  }
  return `/${out.join('/')}`;
}

/** `prefix_rewrite`: what a route matched of the path is replaced; the query stays. */
import type { RouteMatchConfig } from '../config/route-config.ts';

/** A prefix is replaced by `rewrite`; an exact path as a whole; what a regular expression matched is the whole path too (Envoy). */
export function rewritePath(matched: RouteMatchConfig['path'], path: string, rewrite: string): string {
  if (matched.kind === 'prefix' || matched.kind === 'separated-prefix')
    return rewrite + path.slice(matched.value.length);
  const query = path.indexOf('?');
  return query < 0 ? rewrite : rewrite + path.slice(query);
}

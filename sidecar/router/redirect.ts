/** Where a redirecting route sends a caller. */
import type { RequestHead } from '../codec/message-head.ts';
import type { RedirectActionConfig, RouteMatchConfig } from '../config/route-config.ts';
import { rewritePath } from './path-rewrite.ts';

/** The value of `location`. A changed scheme or host drops the port that the caller named, unless one is configured (Envoy). */
export function redirectLocation(
  action: RedirectActionConfig,
  matched: RouteMatchConfig['path'],
  head: RequestHead,
  secure: boolean,
): string {
  const scheme = action.scheme === '' ? (secure ? 'https' : head.scheme) : action.scheme;
  const portAt = /:\d*$/.exec(head.authority)?.index ?? head.authority.length;
  const host = action.host === '' ? head.authority.slice(0, portAt) : action.host;
  let port = '';
  if (action.port !== 0) port = `:${action.port}`;
  else if (action.host === '' && action.scheme === '') port = head.authority.slice(portAt);
  let { path } = head;
  if (action.path !== '') {
    const query = path.indexOf('?');
    path = query < 0 || action.path.includes('?') ? action.path : action.path + path.slice(query);
  } else if (action.prefixRewrite !== '') path = rewritePath(matched, path, action.prefixRewrite);
  if (action.stripQuery) {
    const query = path.indexOf('?');
    if (query >= 0) path = path.slice(0, query);
  }
  return `${scheme}://${host}${port}${path}`;
}

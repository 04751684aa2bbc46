/** Where a redirecting route sends a caller. */
import { portOf } from '../codec/authority.ts';
import type { RequestHead } from '../codec/message-head.ts';
import type { RedirectActionConfig, RouteMatchConfig } from '../config/route-config.ts';
import { rewritePath } from './path-rewrite.ts';

/** The value of `location`. Another port replaces the one that the caller named; so does another scheme, when that one is the default of the caller's (Envoy). */
export function redirectLocation(
  action: RedirectActionConfig,
  matched: RouteMatchConfig['path'],
  head: RequestHead,
  secure: boolean,
): string {
  const protocol = callersProtocol(head, secure);
  const scheme = action.scheme === '' ? protocol : action.scheme;
  const port = action.port === 0 ? '' : `:${action.port}`;
  const host = action.host === '' ? callersHost(head.authority, protocol, scheme, port) : action.host;
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

/** What the caller spoke to whoever took its request first: `x-forwarded-proto`, where an untrusted caller's was replaced. */
function callersProtocol(head: RequestHead, secure: boolean): string {
  const forwarded = head.fields.get('x-forwarded-proto')?.toLowerCase();
  if (forwarded === 'http' || forwarded === 'https') return forwarded;
  return secure ? 'https' : head.scheme;
}

function callersHost(authority: string, protocol: string, scheme: string, newPort: string): string {
  const port = portOf(authority);
  const isDefault = port === (protocol === 'https' ? '443' : '80');
  if (port === '' || (newPort === '' && !(scheme !== protocol && isDefault))) return authority;
  return authority.slice(0, -port.length - 1);
}

/**
 * Who may ask the admin port for what. Looking is free to whoever gets there, but for pages of a browser whose host name was made to point here (DNS rebinding). Changing is for programs of this machine that no
 * web page sent, or for who shows the admin token. It knows no endpoints.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { RequestHead } from '../codec/message-head.ts';

export interface AdminAccess {
  /** Where the port listens, as configured: a name in Host that is this one is ours. */
  readonly host: string;
  /** '': there is none, and only this machine changes anything. */
  readonly token: string;
}

/** Why this is not answered, in one line for the caller; null: it is. `peer`: its IP address. */
export function adminRefusal({ host, token }: AdminAccess, head: RequestHead, peer: string): string | null {
  const looks = head.method === 'GET' || head.method === 'HEAD';
  // No web page can send this field here without being asked first.
  if (token !== '' && showsToken(head, token)) return null;
  const named = hostOf(head.authority);
  if (named !== '' && isIP(named) === 0 && named !== 'localhost' && named !== host.toLowerCase())
    return `Host ${JSON.stringify(named.slice(0, 100))} is not an address of the admin port: call it by its IP address or as localhost`;
  if (looks) return null;
  if (!isLoopback(peer) || isHandedOn(peer))
    return token === ''
      ? 'changes are made from this machine only; for others give the sidecar a token (--admin-token-file FILE or OUTRIGGER_ADMIN_TOKEN)'
      : 'changes are made from this machine, or with the admin token (authorization: Bearer TOKEN)';
  if (!isLoopback(named)) return 'changes are made with Host localhost or 127.0.0.1 only';
  const site = head.fields.get('sec-fetch-site');
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    return 'a page of another site may change nothing here (Sec-Fetch-Site)';
  const origin = head.fields.get('origin');
  if (origin !== undefined && !isLoopback(hostOf(/^https?:\/\/([^/]*)$/.exec(origin)?.[1] ?? '')))
    return 'a page of another site may change nothing here (Origin)';
  return null;
}

function showsToken(head: RequestHead, token: string): boolean {
  const shown = head.fields.getAll('authorization');
  const given = shown.length === 1 ? /^bearer +(\S+)$/i.exec(shown[0]!)?.[1] : undefined;
  return given !== undefined && timingSafeEqual(sha256(given), sha256(token));
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text, 'latin1').digest();
}

/** Without port and brackets, in lower case, and without the dot that ends an absolute name. */
function hostOf(authority: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d*)?$/.exec(authority);
  const host = bracketed === null ? authority.replace(/:\d*$/, '') : bracketed[1]!;
  return host.toLowerCase().replace(/\.$/, '');
}

/** The sidecar's own source for inbound connections that it hands on (`inbound|passthrough||`): who called is somebody else, somewhere. */
function isHandedOn(peer: string): boolean {
  return peer.replace(/^::ffff:/i, '') === '127.0.0.6' || peer === '::6';
}

function isLoopback(host: string): boolean {
  const address = host.replace(/^::ffff:/i, '');
  return host === 'localhost' || host === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}

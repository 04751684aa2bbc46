/** The host and port that a request names, in Host, in `:authority` or in its target: one judgement for both versions of HTTP, so that neither lets in what the other refuses. */

/**
 * `host[:port]`, where host is a name, an IPv4 address, or an IPv6 address in brackets. No user information, no list. One host has one spelling but for case, a port and a dot at the end: several dots
 * there, and characters written as `%xx` that need not be (RFC 3986 2.3, 6.2.2.2), would be another text to a rule and the same host to whoever reads it behind us.
 */
export function isAuthority(text: string): boolean {
  if (!/^(?:[A-Za-z0-9\-._~%!$&'()*+;=]+|\[[0-9A-Fa-f:.%A-Za-z_~-]+\])(?::\d{0,5})?$/.test(text)) return false;
  if (text.includes('..') && /\.\.(?::|$)/.test(text)) return false;
  return !text.includes('%') || !/%(?:2[DE]|3\d|4[1-9A-F]|5[\dAF]|6[1-9A-F]|7[\dAE])/i.test(text);
}

/** Digits behind the last colon, '' for none. */
export function portOf(authority: string): string {
  const colon = authority.lastIndexOf(':');
  return colon > authority.lastIndexOf(']') ? authority.slice(colon + 1) : '';
}

function hostOf(authority: string): string {
  const colon = authority.lastIndexOf(':');
  return colon > authority.lastIndexOf(']') ? authority.slice(0, colon) : authority;
}

/** Case does not matter, nor whether a default port is written. For CONNECT (`defaultPort` ''), Host may leave the port out. */
export function sameHost(host: string, authority: string, defaultPort: string): boolean {
  if (host === authority) return true;
  if (hostOf(host).toLowerCase() !== hostOf(authority).toLowerCase()) return false;
  const port = portOf(host);
  if (defaultPort === '') return port === '' || port === portOf(authority);
  return (port || defaultPort) === (portOf(authority) || defaultPort);
}

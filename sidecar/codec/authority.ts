/** The host and port that a request names, in Host, in `:authority` or in its target: one judgement for both versions of HTTP, so that neither lets in what the other refuses. */

/** `host[:port]`, where host is a name, an IPv4 address, or an IPv6 address in brackets. No user information, no list. */
export function isAuthority(text: string): boolean {
  return /^(?:[A-Za-z0-9\-._~%!$&'()*+;=]+|\[[0-9A-Fa-f:.%A-Za-z_~-]+\])(?::\d{0,5})?$/.test(text);
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

/**
 * Whether a plaintext connection begins as HTTP does (Envoy's http_inspector): with the request line of HTTP/1, or the preface of HTTP/2. Only to choose a filter chain: whether it is good HTTP is
 * for the codec to find out. Never throws, whatever the bytes.
 */

/** `''`: it is none. `more`: cannot be told from these bytes yet. */
export type PlaintextProtocol = '' | 'http/1.0' | 'http/1.1' | 'h2c';

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
/** A request line that is longer is HTTP all the same: which one, its codec says. */
const mostLineBytes = 16 * 1024;

/** Those that are registered, and those that servers of today know beside. */
const methods: readonly string[] =
  'ACL BIND CHECKOUT CONNECT COPY DELETE GET HEAD LINK LOCK M-SEARCH MERGE MKACTIVITY MKCALENDAR MKCOL MOVE NOTIFY OPTIONS PATCH POST PROPFIND PROPPATCH PURGE PUT QUERY REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND UNLINK UNLOCK UNSUBSCRIBE'.split(
    ' ',
  );
const longestMethod = methods.reduce((most, { length }) => Math.max(most, length), 0);

export function plaintextProtocol(bytes: Buffer): PlaintextProtocol | 'more' {
  if (bytes.length === 0) return 'more';
  const compared = Math.min(bytes.length, preface.length);
  if (bytes.compare(preface, 0, compared, 0, compared) === 0) return compared === preface.length ? 'h2c' : 'more';
  const start = bytes.toString('latin1', 0, Math.min(bytes.length, longestMethod + 1));
  const space = start.indexOf(' ');
  if (space < 0) return methods.some((method) => method.startsWith(start)) ? 'more' : '';
  if (!methods.includes(start.slice(0, space))) return '';
  const end = bytes.indexOf(0x0a);
  if (end < 0) return bytes.length >= mostLineBytes ? 'http/1.1' : 'more';
  const line = bytes.toString('latin1', 0, end);
  const version = / HTTP\/1\.([01])\r?$/.exec(line)?.[1];
  if (version === undefined) return '';
  return version === '1' ? 'http/1.1' : 'http/1.0';
}

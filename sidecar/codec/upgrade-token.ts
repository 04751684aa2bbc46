/** Which upgrades are never taken, whichever version of HTTP asks for them (Upgrade, extended CONNECT). What a listener allows is its configuration's. */

/** Of a token in lower case: HTTP/2 in a tunnel would carry requests past every rule (RFC 9113 3.1 drops h2c). */
export function tunnelsHttp2(token: string): boolean {
  return /^(?:h2c?$|h2c-|http\/2)/.test(token);
}

/** Which bytes may stand in a token (method, field name) and in a field value. RFC 9110 5.6.2, 5.5. */

/** 1 for tchar. Index by byte. */
export const tokenBytes = new Uint8Array(256);
for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
  tokenBytes[char.charCodeAt(0)] = 1;

/** 1 for what a field value may hold: HTAB, SP, VCHAR, obs-text. No NUL, CR, LF, or other control. */
export const valueBytes = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) valueBytes[byte] = byte === 0x09 || (byte >= 0x20 && byte !== 0x7f) ? 1 : 0;

/** 1 for what a request target may hold: visible ASCII without '#' (a fragment is never sent). Non-ASCII bytes are refused as Envoy does. */
export const targetBytes = new Uint8Array(256);
for (let byte = 0x21; byte < 0x7f; byte++) targetBytes[byte] = 1;
targetBytes['#'.charCodeAt(0)] = 0;

/**
 * A header name as HTTP/2 receives it, with what the rules of RFC 9113 8.2 and 8.3 need to know about it, found once per name
 * and not once per request.
 */
import { type HeaderName, headerName } from '../../codec/header-name.ts';

export const kindRegular = 0;
/** Not a lower-case token. */
export const kindInvalid = 1;
/** `connection` and its kin, which HTTP/2 forbids (RFC 9113 8.2.2). */
export const kindConnectionSpecific = 2;
export const kindTe = 3;
export const kindContentLength = 4;
export const kindCookie = 5;
export const kindHost = 6;
/** Kinds from here on are pseudo-headers. */
export const kindMethod = 8;
export const kindScheme = 9;
export const kindAuthority = 10;
export const kindPath = 11;
export const kindProtocol = 12;
export const kindStatus = 13;
const kindUnknownPseudo = 14;

const special = new Map<string, number>([
  ['connection', kindConnectionSpecific],
  ['keep-alive', kindConnectionSpecific],
  ['proxy-connection', kindConnectionSpecific],
  ['transfer-encoding', kindConnectionSpecific],
  ['upgrade', kindConnectionSpecific],
  ['te', kindTe],
  ['content-length', kindContentLength],
  ['cookie', kindCookie],
  ['host', kindHost],
  [':method', kindMethod],
  [':scheme', kindScheme],
  [':authority', kindAuthority],
  [':path', kindPath],
  [':protocol', kindProtocol],
  [':status', kindStatus],
]);

export class FieldName {
  readonly name: HeaderName;
  readonly kind: number;
  #neverIndexedTwin: FieldName | null = null;

  constructor(name: HeaderName, kind: number) {
    this.name = name;
    this.kind = kind;
  }

  /** See {@link HeaderName.neverIndexed}. */
  asNeverIndexed(): FieldName {
    this.#neverIndexedTwin ??= new FieldName(this.name.asNeverIndexed(), this.kind);
    return this.#neverIndexedTwin;
  }
}

const invalidName = new FieldName(headerName('invalid'), kindInvalid);

const lowerCaseToken = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;

/** As in header-name.ts: bounded, so that a peer that invents names cannot grow the table. */
const maxKnownNames = 4096;
const maxKnownLength = 64;
const known = new Map<string, FieldName>();

/** The name object for the bytes of a name; for all invalid names the same one. */
export function fieldName(text: string): FieldName {
  const found = known.get(text);
  if (found !== undefined) return found;
  let kind = special.get(text);
  if (kind === undefined) {
    if (text.charCodeAt(0) === 0x3a) kind = kindUnknownPseudo;
    else if (lowerCaseToken.test(text)) kind = kindRegular;
    else return invalidName;
  }
  const made = new FieldName(headerName(text), kind);
  if (text.length <= maxKnownLength && known.size < maxKnownNames) known.set(text, made);
  return made;
}

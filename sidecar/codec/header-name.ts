/**
 * Header names, interned: one object per spelling, so that HTTP/1.1 keeps the case that a peer wrote
 * while everything else compares the lower-case form. Not a list of headers; see header-fields.ts.
 */

/** One spelling of a header name. Get it from {@link headerName}; never construct it elsewhere. */
export class HeaderName {
  /** The spelling that goes on an HTTP/1 wire, as the peer or the configuration wrote it. */
  readonly raw: string;
  /** Lower case; what rules, filters and HTTP/2 see. */
  readonly lower: string;

  constructor(raw: string, lower: string) {
    this.raw = raw;
    this.lower = lower;
  }
}

/**
 * Bound on spellings kept for good. A peer that invents names gets short-lived objects after this,
 * so that it cannot grow the table (hardening.md, "resource exhaustion").
 */
const maxInternedNames = 4096;
/** Longer names are not worth keeping: nobody repeats them in honest traffic. */
const maxInternedLength = 64;

const interned = new Map<string, HeaderName>();

/** The name object for a spelling. The caller has checked that it is a token (RFC 9110 5.6.2). */
export function headerName(raw: string): HeaderName {
  const known = interned.get(raw);
  if (known !== undefined) return known;
  const name = new HeaderName(raw, raw.toLowerCase());
  if (raw.length <= maxInternedLength && interned.size < maxInternedNames) interned.set(raw, name);
  return name;
}

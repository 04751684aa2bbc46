/** What the fields of one head say about the message itself: framing, persistence, host, upgrade. Filled in by head-parser.ts. */

/** `contentLength` when there is no Content-Length. */
export const noLength = -1;

export class FieldFacts {
  contentLength = noLength;
  chunked = false;
  /** `connection: close` and `keep-alive` were among the options. */
  close = false;
  keepAlive = false;
  /** The one token of Upgrade in lower case when `connection: upgrade` goes with it, else ''. */
  upgrade = '';
  /** Host as received; null when there is none. */
  host: string | null = null;
  /** Of a `Keep-Alive: timeout=` hint; 0: none. */
  keepAliveSeconds = 0;

  /** Something that must not stand in trailers. */
  get framesOrRoutes(): boolean {
    return this.chunked || this.contentLength !== noLength || this.host !== null;
  }

  /** Reads the options of a Connection field; true when `upgrade` is among them. */
  readConnection(value: string): boolean {
    let upgrade = false;
    for (const option of value.toLowerCase().split(',')) {
      const word = option.trim();
      if (word === 'close') this.close = true;
      else if (word === 'keep-alive') this.keepAlive = true;
      else if (word === 'upgrade') upgrade = true;
    }
    return upgrade;
  }

  readKeepAlive(value: string): void {
    const hint = /(?:^|[,\s])timeout=(\d{1,6})(?=$|[,\s])/i.exec(value);
    if (hint !== null) this.keepAliveSeconds = Number(hint[1]);
  }
}

/** The number of a Content-Length that is digits only and exact in a double; -2 for anything else (RFC 9110 8.6). */
export function contentLengthOf(value: string): number {
  const { length } = value;
  if (length === 0 || length > 16) return -2;
  let number = 0;
  for (let i = 0; i < length; i++) {
    const digit = value.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -2;
    number = number * 10 + digit;
  }
  return number <= Number.MAX_SAFE_INTEGER ? number : -2;
}

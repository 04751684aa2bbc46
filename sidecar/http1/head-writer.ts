/** Writes heads of HTTP/1 messages as one string of bytes. Decides nothing about framing: it is told. */
import type { HeaderFields } from '../codec/header-fields.ts';
import { wellKnown } from '../codec/header-name.ts';
import { reasonPhrase } from './reason-phrase.ts';

/** How the body that follows is framed on the wire. */
export type Framing = 'as-in-fields' | 'chunked' | 'none' | 'zero-length';

/**
 * Field lines with the empty line. `transfer-encoding` is written where it stands when the body is chunked, dropped otherwise, added last if it was
 * not there. `authority`, when not null, is written as Host: in place, or first.
 */
export function fieldLines(fields: HeaderFields, framing: Framing, authority: string | null, connection: string): string {
  const { names, values } = fields;
  let text = '';
  let hostWritten = authority === null;
  let chunkedWritten = framing !== 'chunked';
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!;
    switch (name.known) {
      case wellKnown.host:
        if (authority === null) break;
        if (!hostWritten) text += `${name.raw}: ${authority}\r\n`;
        hostWritten = true;
        continue;
      case wellKnown.transferEncoding:
        if (!chunkedWritten) text += `${name.raw}: chunked\r\n`;
        chunkedWritten = true;
        continue;
      case wellKnown.contentLength:
        if (framing === 'chunked' || framing === 'zero-length') continue;
        break;
      case wellKnown.connection:
        // Written from what this connection does; `upgrade` is kept by whoever passes it in `connection`.
        continue;
    }
    text += `${name.raw}: ${values[i]!}\r\n`;
  }
  if (!hostWritten) text = `Host: ${authority!}\r\n${text}`;
  if (!chunkedWritten) text += 'transfer-encoding: chunked\r\n';
  if (framing === 'zero-length') text += 'content-length: 0\r\n';
  if (connection !== '') text += `connection: ${connection}\r\n`;
  return `${text}\r\n`;
}

export function statusLine(minor: number, status: number, reason: string): string {
  return `HTTP/1.${minor} ${status} ${reason === '' ? reasonPhrase(status) : reason}\r\n`;
}

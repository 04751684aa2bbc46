/**
 * Writes the body of one message behind its head, in the framing that the head announced, and holds the owner to it: what does not fit a
 * Content-Length is never sent, because the peer would read it as the next message.
 */
import type { HeaderFields } from '../codec/header-fields.ts';
import type { SocketWriter } from '../transport/socket-writer.ts';

/** How a body is framed on the wire. */
export const framing = {
  /** No body: the message ends with its head. */
  none: 0,
  counted: 1,
  chunked: 2,
  /** Until the connection closes. */
  untilClose: 3,
  /** After 101 or a successful CONNECT: no HTTP any more. */
  tunnel: 4,
} as const;

export class BodyWriter {
  readonly #writer: SocketWriter;
  framing = 0;
  /** Of a counted body: bytes still owed. */
  #left = 0;

  constructor(writer: SocketWriter) {
    this.#writer = writer;
  }

  /** Writes a head and sets how its body will be framed. `length` counts for counted bodies only. */
  start(head: string, kind: number, length: number): void {
    this.framing = kind;
    this.#left = length;
    this.#writer.writeLatin1(head);
  }

  /** Writes text that is no part of a body: an informational head. */
  writeText(text: string): void {
    this.#writer.writeLatin1(text);
  }

  /** Writes a piece of the body. False when it does not fit what the head announced: nothing of the message may follow, the connection must close. */
  data(chunk: Buffer, end: boolean): boolean {
    const writer = this.#writer;
    const { length } = chunk;
    switch (this.framing) {
      case framing.chunked:
        if (length > 0) {
          writer.writeLatin1(`${length.toString(16)}\r\n`);
          writer.writeBytes(chunk);
          writer.writeLatin1(end ? '\r\n0\r\n\r\n' : '\r\n');
        } else if (end) writer.writeLatin1('0\r\n\r\n');
        return true;
      case framing.counted: {
        const left = this.#left - length;
        this.#left = left;
        if (left < 0 || (end && left > 0)) return false;
        writer.writeBytes(chunk);
        return true;
      }
      case framing.none:
        return length === 0;
      default:
        writer.writeBytes(chunk);
        return true;
    }
  }

  /** Ends the body with trailers, or without where they can't be carried. False as with {@link data}. */
  trailers(trailers: HeaderFields): boolean {
    if (this.framing !== framing.chunked) return this.framing !== framing.counted || this.#left === 0;
    const { names, values } = trailers;
    let text = '0';
    for (let i = 0; i < names.length; i++) text += names[i]!.wirePrefix + values[i]!;
    text += '\r\n\r\n';
    this.#writer.writeLatin1(text);
    return true;
  }
}

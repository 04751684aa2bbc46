/** The body of an outgoing HTTP/1 message: counted, chunked, raw or none. Both sides of the codec use it. */
import type { HeaderFields } from '../codec/header-fields.ts';
import { maxCopiedBytes, outputSlab } from '../transport/output-slab.ts';
import type { SocketWriter } from '../transport/socket-writer.ts';

export type BodyFraming = 'none' | 'counted' | 'chunked' | 'raw';

export class MessageEncoder {
  readonly #writer: SocketWriter;
  #framing: BodyFraming = 'none';
  /** Bytes of a counted body that are still owed. */
  #left = 0;

  constructor(writer: SocketWriter) {
    this.#writer = writer;
  }

  get framing(): BodyFraming {
    return this.#framing;
  }

  start(framing: BodyFraming, length: number): void {
    this.#framing = framing;
    this.#left = length;
  }

  /** The body is whole as far as its framing says: nothing that was promised is missing. */
  get complete(): boolean {
    return this.#framing !== 'counted' || this.#left === 0;
  }

  /** Writes data. What goes beyond Content-Length is dropped; gives false then, as the message cannot be trusted. */
  data(chunk: Buffer): boolean {
    const { length } = chunk;
    if (length === 0) return true;
    switch (this.#framing) {
      case 'none':
        return false;
      case 'counted':
        if (length > this.#left) {
          this.#left = -1;
          return false;
        }
        this.#left -= length;
        this.#writer.writeBytes(chunk);
        return true;
      case 'raw':
        this.#writer.writeBytes(chunk);
        return true;
      case 'chunked':
        this.#chunk(chunk);
        return true;
    }
  }

  #chunk(chunk: Buffer): void {
    const size = chunk.length.toString(16);
    const total = size.length + chunk.length + 4;
    if (total > maxCopiedBytes) {
      this.#writer.writeLatin1(`${size}\r\n`);
      this.#writer.writeBytes(chunk);
      this.#writer.writeLatin1('\r\n');
      return;
    }
    let at = this.#writer.reserve(total);
    const { buffer } = outputSlab;
    for (let i = 0; i < size.length; i++) buffer[at++] = size.charCodeAt(i);
    buffer[at++] = 13;
    buffer[at++] = 10;
    buffer.set(chunk, at);
    at += chunk.length;
    buffer[at++] = 13;
    buffer[at] = 10;
  }

  /** Ends the message; trailers only go with chunks. */
  end(trailers: HeaderFields | null): void {
    if (this.#framing !== 'chunked') return;
    let text = '0\r\n';
    if (trailers !== null) for (let i = 0; i < trailers.length; i++) text += `${trailers.names[i]!.raw}: ${trailers.values[i]!}\r\n`;
    this.#writer.writeLatin1(`${text}\r\n`);
  }
}

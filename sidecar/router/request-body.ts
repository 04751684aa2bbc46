/**
 * The part of a request's body that is kept: until a connection takes it, and, while it is small, until the response begins, so that the request can be sent again as it
 * was. Holds views of read buffers; nothing is copied.
 */
import type { ClientStream } from '../codec/codec.ts';
import type { HeaderFields } from '../codec/header-fields.ts';
import { holdLoan, type LoanBlock, releaseLoan } from '../transport/read-loan.ts';

/** Bytes of a body that are kept so that it can be sent again. */
export const maxReplayBytes = 64 * 1024;

const emptyChunk = Buffer.alloc(0);

export class RequestBody {
  readonly #chunks: Buffer[] = [];
  /** Read buffers that chunks are part of. */
  #held: LoanBlock[] | null = null;
  #trailers: HeaderFields | null = null;
  bytes = 0;
  ended = false;
  /** Everything that came is here. */
  whole = true;

  add(chunk: Buffer, endStream: boolean): void {
    if (chunk.length > 0) {
      const held = holdLoan(chunk);
      if (held !== null) (this.#held ??= []).push(held);
      this.#chunks.push(chunk);
      this.bytes += chunk.length;
    }
    if (endStream) this.ended = true;
  }

  addTrailers(trailers: HeaderFields): void {
    this.#trailers = trailers;
    this.ended = true;
  }

  /** Forgets what it holds: it can't be sent again from now on. */
  drop(): void {
    this.whole = false;
    this.#chunks.length = 0;
    this.#trailers = null;
    this.bytes = 0;
    if (this.#held !== null) for (const block of this.#held) releaseLoan(block);
    this.#held = null;
  }

  /** Sends all of it. */
  sendTo(stream: ClientStream): void {
    const chunks = this.#chunks;
    const trailers = this.#trailers;
    // From now on the stream may have them too, for as long as it takes: they are not given back.
    this.#held = null;
    const last = this.ended && trailers === null ? chunks.length - 1 : -1;
    for (let i = 0; i < chunks.length; i++) stream.sendData(chunks[i]!, i === last);
    if (trailers !== null) stream.sendTrailers(trailers);
    else if (this.ended && chunks.length === 0) stream.sendData(emptyChunk, true);
  }
}

/**
 * The part of a request's body that is kept: until a connection takes it, and, while it is small, until the response begins, so that the request can be sent again as it
 * was. Holds views of read buffers; only small pieces that follow each other are copied together.
 */
import { ChunkQueue } from '../codec/chunk-queue.ts';
import type { ClientStream } from '../codec/codec.ts';
import type { HeaderFields } from '../codec/header-fields.ts';
import { holdLoan, type LoanBlock, releaseLoan } from '../transport/read-loan.ts';
import type { StreamFilter } from './stream-filter.ts';

/** Bytes of a body that are kept so that it can be sent again, where no retries are configured. */
export const maxReplayBytes = 64 * 1024;

const emptyChunk = Buffer.alloc(0);

export class RequestBody {
  readonly #chunks = new ChunkQueue();
  /** Read buffers that chunks are part of. */
  #held: LoanBlock[] | null = null;
  #trailers: HeaderFields | null = null;
  ended = false;
  /** Everything that came is here. */
  whole = true;

  get bytes(): number {
    return this.#chunks.bytes;
  }

  add(chunk: Buffer, endStream: boolean): void {
    if (chunk.length > 0) {
      const held = holdLoan(chunk);
      if (held !== null) (this.#held ??= []).push(held);
      this.#chunks.push(chunk);
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
    this.#chunks.clear();
    this.#trailers = null;
    if (this.#held !== null) for (const block of this.#held) releaseLoan(block);
    this.#held = null;
  }

  /** Hands all of it to a filter, which keeps what it needs; from now on this holds nothing. */
  sendToFilter(filter: StreamFilter): void {
    const chunks = this.#chunks.pieces();
    const trailers = this.#trailers;
    // They came in a read that is over: who has them now cannot give them back.
    this.#held = null;
    const last = this.ended && trailers === null ? chunks.length - 1 : -1;
    for (let i = 0; i < chunks.length; i++) filter.onRequestData(chunks[i]!, i === last);
    if (trailers !== null) filter.onRequestTrailers(trailers);
    else if (this.ended && chunks.length === 0) filter.onRequestData(emptyChunk, true);
  }

  /** Sends all of it. */
  sendTo(stream: ClientStream): void {
    const chunks = this.#chunks.pieces();
    const trailers = this.#trailers;
    // From now on the stream may have them too, for as long as it takes: they are not given back.
    this.#held = null;
    const last = this.ended && trailers === null ? chunks.length - 1 : -1;
    for (let i = 0; i < chunks.length; i++) stream.sendData(chunks[i]!, i === last);
    if (trailers !== null) stream.sendTrailers(trailers);
    else if (this.ended && chunks.length === 0) stream.sendData(emptyChunk, true);
  }
}

/**
 * Puts the field block of HEADERS and its CONTINUATION frames together (RFC 9113 4.3): bounded in frames and in bytes, because until the
 * last piece is there nothing can be judged (CVE-2024-27316).
 */
import { ConnectionFault } from './connection-fault.ts';
import { enhanceYourCalm } from './error-code.ts';

export class HeaderBlockReader {
  readonly #maxFrames: number;
  readonly #maxBytes: number;
  /** Stream whose block is open, 0 for none: then only its CONTINUATION may come. */
  openStreamId = 0;
  /** Blocks that more than one frame made, or may. */
  blocksBegun = 0;
  endStream = false;
  dependsOnItself = false;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #frames = 0;

  constructor(maxFrames: number, maxBytes: number) {
    this.#maxFrames = maxFrames;
    this.#maxBytes = maxBytes;
  }

  begin(streamId: number, endStream: boolean, dependsOnItself: boolean, piece: Buffer): void {
    this.blocksBegun++;
    this.openStreamId = streamId;
    this.endStream = endStream;
    this.dependsOnItself = dependsOnItself;
    this.#frames = 0;
    this.#bytes = 0;
    this.#add(piece);
  }

  /** The payload of a CONTINUATION; the whole block when it is the last, else null. */
  append(piece: Buffer, last: boolean): Buffer | null {
    if (++this.#frames > this.#maxFrames) {
      throw new ConnectionFault(
        enhanceYourCalm,
        'http2.continuation_flood',
        `more than ${this.#maxFrames} CONTINUATION frames in a header block`,
      );
    }
    this.#add(piece);
    if (!last) return null;
    const block = Buffer.concat(this.#pieces, this.#bytes);
    this.#pieces = [];
    this.openStreamId = 0;
    return block;
  }

  #add(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#bytes > this.#maxBytes) {
      throw new ConnectionFault(
        enhanceYourCalm,
        'http2.header_block_too_large',
        `a header block of more than ${this.#maxBytes} bytes`,
      );
    }
    this.#pieces.push(piece);
  }
}

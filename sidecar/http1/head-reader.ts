/**
 * Reads one head after the other off a connection: straight from the read buffer when a head is whole in it, else gathered first. Holds heads to the
 * size limit. Used by both sides.
 */
import { HeadFault } from './head-fault.ts';
import { faulty, type HeadParser, incomplete } from './head-parser.ts';
import { PartialSection } from './partial-section.ts';

const CR = 13;
const LF = 10;

export class HeadReader {
  readonly #parser: HeadParser;
  readonly #maxHeadBytes: number;
  #partial: PartialSection | null = null;
  /** The empty line that may stand before a request came (RFC 9112 2.2). */
  #emptyLine = false;
  /** A head was read to its end: its parts stand in the parser. */
  complete = false;
  fault: HeadFault | null = null;

  constructor(parser: HeadParser, maxHeadBytes: number) {
    this.#parser = parser;
    this.#maxHeadBytes = maxHeadBytes;
  }

  /** A head has begun and not ended. */
  get partial(): boolean {
    return this.#partial !== null;
  }

  /** Takes bytes from `at`; gives the index behind what it took, or {@link faulty}. */
  readRequest(bytes: Buffer, at: number): number {
    this.complete = false;
    if (this.#partial !== null) return this.#gather(bytes, at, true);
    if (bytes[at] === CR) return this.#skipEmptyLine(bytes, at);
    const next = this.#parser.parseRequest(bytes, at);
    return next >= 0 && next - at <= this.#maxHeadBytes ? this.#done(next) : this.#notWhole(bytes, at, next, true);
  }

  readResponse(bytes: Buffer, at: number): number {
    this.complete = false;
    if (this.#partial !== null) return this.#gather(bytes, at, false);
    const next = this.#parser.parseResponse(bytes, at);
    return next >= 0 && next - at <= this.#maxHeadBytes ? this.#done(next) : this.#notWhole(bytes, at, next, false);
  }

  #done(next: number): number {
    this.#emptyLine = false;
    this.complete = true;
    return next;
  }

  #notWhole(bytes: Buffer, at: number, next: number, request: boolean): number {
    if (next === faulty) return this.#refuse(this.#parser.fault!);
    if (next !== incomplete) return this.#refuse(tooLarge);
    this.#partial = new PartialSection();
    return this.#gather(bytes, at, request);
  }

  #skipEmptyLine(bytes: Buffer, at: number): number {
    if (this.#emptyLine) return this.#refuse(emptyLines);
    if (at + 1 === bytes.length) {
      this.#partial = new PartialSection();
      return this.#gather(bytes, at, true);
    }
    if (bytes[at + 1] !== LF) return this.#refuse(bareBreak);
    this.#emptyLine = true;
    return at + 2;
  }

  #gather(bytes: Buffer, at: number, request: boolean): number {
    const partial = this.#partial!;
    at = partial.take(bytes, at, this.#maxHeadBytes);
    if (partial.bareLf) return this.#refuse(bareBreak);
    if (!partial.complete) {
      if (partial.length <= this.#maxHeadBytes) return at;
      return this.#refuse(request && !partial.bytes.includes(LF) ? longTarget : tooLarge);
    }
    this.#partial = null;
    if (partial.length > this.#maxHeadBytes) return this.#refuse(tooLarge);
    if (request && partial.length === 2) {
      this.#emptyLine = true;
      return at;
    }
    const next = request ? this.#parser.parseRequest(partial.bytes, 0) : this.#parser.parseResponse(partial.bytes, 0);
    // The section ends with an empty line, so that the parser can only find it whole or faulty.
    if (next !== partial.length) return this.#refuse(next === faulty ? this.#parser.fault! : bareBreak);
    return this.#done(at);
  }

  #refuse(fault: HeadFault): number {
    this.#partial = null;
    this.fault = fault;
    return faulty;
  }
}

const tooLarge = new HeadFault('http1.headers_too_large', 'The head is larger than the limit allows.', 431);
const longTarget = new HeadFault('http1.headers_too_large', 'The request line is larger than the limit allows.', 414);
const emptyLines = new HeadFault(
  'http1.codec_error',
  'More than one empty line stands before the request line (RFC 9112 2.2).',
);
const bareBreak = new HeadFault('http1.codec_error', 'A line of the head does not end with CRLF (RFC 9112 2.2).');

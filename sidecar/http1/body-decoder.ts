/**
 * Cuts the body of an HTTP/1 message out of the bytes of a connection: counted, chunked with trailers, or until the connection closes.
 * A state machine that takes bytes in any split. Knows nothing of sockets; the connection feeds it step by step and hears data and the end.
 */
import type { HeaderFields } from '../codec/header-fields.ts';
import { HeadFault } from './head-fault.ts';
import { faulty, type HeadParser, incomplete } from './head-parser.ts';
import { PartialSection } from './partial-section.ts';
import { valueBytes } from './token-table.ts';

export interface BodyOwner {
  onBodyData(chunk: Buffer, end: boolean): void;
  onBodyTrailers(trailers: HeaderFields): void;
}

// States. RFC 9112 7.1: chunk-size [ chunk-ext ] CRLF data CRLF … 0 CRLF trailers CRLF
const counted = 0;
const untilClose = 1;
/** Before the first digit of a chunk size. */
const sizeStart = 2;
const size = 3;
/** White space between size and `;`. */
const sizeBlank = 4;
const extension = 5;
const sizeLf = 6;
const chunkData = 7;
const chunkCr = 8;
const chunkLf = 9;
const trailers = 10;
const done = 11;

const CR = 13;
const LF = 10;
const SEMICOLON = 59;

/** Digits of a chunk size, leading zeros included. */
const maxSizeDigits = 16;
/** Extensions of all chunks of one message together: they are skipped, so many of them are an attack (hardening.md). */
const maxExtensionBytes = 16 * 1024;

/** Value of a hex digit by byte; -1 for others. */
const hexDigits = new Int8Array(256).fill(-1);
for (let i = 0; i < 16; i++) {
  hexDigits[i.toString(16).charCodeAt(0)] = i;
  hexDigits[i.toString(16).toUpperCase().charCodeAt(0)] = i;
}

const emptyChunk = Buffer.alloc(0);

export class BodyDecoder {
  readonly #owner: BodyOwner;
  readonly #parser: HeadParser;
  readonly #maxTrailerBytes: number;
  fault: HeadFault | null = null;
  /** Bytes that the last {@link decode} passed on; all others that it took are done with. */
  passedBytes = 0;
  #state = done;
  /** Bytes left of the counted body or of the chunk; while a size is read, its value so far. */
  #left = 0;
  #sizeDigits = 0;
  #extensionBytes = 0;
  #partial: PartialSection | null = null;

  constructor(owner: BodyOwner, parser: HeadParser, maxTrailerBytes: number) {
    this.#owner = owner;
    this.#parser = parser;
    this.#maxTrailerBytes = maxTrailerBytes;
  }

  /** `length` > 0. */
  startCounted(length: number): void {
    this.#left = length;
    this.#state = counted;
  }

  startChunked(): void {
    this.#extensionBytes = 0;
    this.#startSize();
  }

  startUntilClose(): void {
    this.#state = untilClose;
  }

  /** The end of the connection is the end of the body. */
  get endsWithConnection(): boolean {
    return this.#state === untilClose;
  }

  /**
   * Takes bytes from `at` and gives the index behind what it took, or {@link faulty}. Calls its owner at most once, as the last thing it does: call it again
   * for the rest when the owner still wants more.
   */
  decode(bytes: Buffer, at: number): number {
    const { length } = bytes;
    this.passedBytes = 0;
    switch (this.#state) {
      case counted: {
        const left = this.#left;
        const available = length - at;
        if (available < left) {
          this.#left = left - available;
          this.passedBytes = available;
          this.#owner.onBodyData(at === 0 ? bytes : bytes.subarray(at), false);
          return length;
        }
        this.#state = done;
        this.passedBytes = left;
        this.#owner.onBodyData(at === 0 && available === left ? bytes : bytes.subarray(at, at + left), true);
        return at + left;
      }
      case untilClose:
        this.passedBytes = length - at;
        this.#owner.onBodyData(at === 0 ? bytes : bytes.subarray(at), false);
        return length;
      default:
        return this.#decodeChunked(bytes, at);
    }
  }

  #decodeChunked(bytes: Buffer, at: number): number {
    const { length } = bytes;
    while (at < length) {
      const byte = bytes[at]!;
      switch (this.#state) {
        case sizeStart:
        case size: {
          const digit = hexDigits[byte]!;
          if (digit >= 0) {
            this.#left = this.#left * 16 + digit;
            if (++this.#sizeDigits > maxSizeDigits || this.#left > Number.MAX_SAFE_INTEGER)
              return this.#refuse(badSize);
            this.#state = size;
          } else if (this.#state === sizeStart) return this.#refuse(badSize);
          else if (byte === CR) this.#state = sizeLf;
          else if (byte === SEMICOLON) this.#state = extension;
          else if (byte === 32 || byte === 9) this.#state = sizeBlank;
          else return this.#refuse(badSize);
          at++;
          break;
        }
        case sizeBlank:
          if (byte === SEMICOLON) this.#state = extension;
          else if ((byte !== 32 && byte !== 9) || ++this.#extensionBytes > maxExtensionBytes)
            return this.#refuse(badSize);
          at++;
          break;
        case extension:
          if (byte === CR) this.#state = sizeLf;
          else if (valueBytes[byte] !== 1) return this.#refuse(badSize);
          else if (++this.#extensionBytes > maxExtensionBytes) return this.#refuse(longExtensions);
          at++;
          break;
        case sizeLf:
          if (byte !== LF) return this.#refuse(badSize);
          this.#state = this.#left === 0 ? trailers : chunkData;
          at++;
          break;
        case chunkData:
          return this.#takeChunk(bytes, at);
        case chunkCr:
          if (byte !== CR) return this.#refuse(badChunkEnd);
          this.#state = chunkLf;
          at++;
          break;
        case chunkLf:
          if (byte !== LF) return this.#refuse(badChunkEnd);
          this.#startSize();
          at++;
          break;
        case trailers:
          return this.#takeTrailers(bytes, at);
        default:
          return at;
      }
    }
    return at;
  }

  #takeChunk(bytes: Buffer, at: number): number {
    const left = this.#left;
    const available = bytes.length - at;
    if (available < left) {
      this.#left = left - available;
      this.passedBytes = available;
      this.#owner.onBodyData(at === 0 ? bytes : bytes.subarray(at), false);
      return bytes.length;
    }
    const end = at + left;
    this.passedBytes = left;
    const chunk = bytes.subarray(at, end);
    if (isPlainEnd(bytes, end)) {
      this.#state = done;
      this.#owner.onBodyData(chunk, true);
      return end + 7;
    }
    this.#state = chunkCr;
    this.#owner.onBodyData(chunk, false);
    return end;
  }

  #takeTrailers(bytes: Buffer, at: number): number {
    const partial = this.#partial;
    if (partial === null) {
      if (bytes[at] === CR && at + 1 < bytes.length && bytes[at + 1] === LF) {
        this.#state = done;
        this.#owner.onBodyData(emptyChunk, true);
        return at + 2;
      }
      const next = this.#parser.parseTrailers(bytes, at);
      if (next !== incomplete) return this.#endTrailers(next, next - at);
      this.#partial = new PartialSection();
      return this.#takeTrailers(bytes, at);
    }
    at = partial.take(bytes, at, this.#maxTrailerBytes);
    if (partial.bareLf) return this.#refuse(badTrailerLine);
    if (!partial.complete) return partial.length > this.#maxTrailerBytes ? this.#refuse(longTrailers) : at;
    this.#partial = null;
    const next = this.#parser.parseTrailers(partial.bytes, 0);
    return this.#endTrailers(next < 0 ? next : at, partial.length);
  }

  #endTrailers(next: number, sectionBytes: number): number {
    if (next === faulty) return this.#refuse(this.#parser.fault!);
    if (sectionBytes > this.#maxTrailerBytes) return this.#refuse(longTrailers);
    this.#state = done;
    const { fields } = this.#parser;
    if (fields.length === 0) this.#owner.onBodyData(emptyChunk, true);
    else this.#owner.onBodyTrailers(fields);
    return next;
  }

  #startSize(): void {
    this.#left = 0;
    this.#sizeDigits = 0;
    this.#state = sizeStart;
  }

  #refuse(fault: HeadFault): number {
    this.fault = fault;
    return faulty;
  }
}

/** Behind the data stands the end without trailers: CRLF 0 CRLF CRLF. Then data and end are one event. */
function isPlainEnd(bytes: Buffer, at: number): boolean {
  return (
    at + 7 <= bytes.length &&
    bytes[at] === CR &&
    bytes[at + 1] === LF &&
    bytes[at + 2] === 48 &&
    bytes[at + 3] === CR &&
    bytes[at + 4] === LF &&
    bytes[at + 5] === CR &&
    bytes[at + 6] === LF
  );
}

const badSize = new HeadFault('http1.codec_error', 'A chunk size is malformed (RFC 9112 7.1).');
const longExtensions = new HeadFault(
  'http1.codec_error',
  `The chunk extensions are longer than ${maxExtensionBytes} bytes together (RFC 9112 7.1.1).`,
);
const badChunkEnd = new HeadFault('http1.codec_error', 'Bytes stand behind a chunk where CRLF must (RFC 9112 7.1).');
const badTrailerLine = new HeadFault(
  'http1.codec_error',
  'A line of the trailer section does not end with CRLF (RFC 9112 2.2).',
);
const longTrailers = new HeadFault(
  'http1.trailers_too_large',
  'The trailer section is larger than the limit allows.',
  431,
);

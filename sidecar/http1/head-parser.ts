/**
 * Parses heads and trailer sections straight over the bytes of a connection. Strict by RFC 9112: what is ambiguous is refused, never repaired.
 * One per connection: results stand in its fields until the next call, and the field block of the last head is remembered, since
 * a peer sends much the same block again and again, and so do others of its kind. Knows no sockets and no bodies; what the first line means is judged in request-target.ts.
 */
import { HeaderFields } from '../codec/header-fields.ts';
import { type HeaderName, wellKnown } from '../codec/header-name.ts';
import { tunnelsHttp2 } from '../codec/upgrade-token.ts';
import { contentLengthOf, FieldFacts, noLength } from './field-facts.ts';
import { HeadFault } from './head-fault.ts';
import { latin1Slice } from './latin1-slice.ts';
import { nameFromBytes } from './name-table.ts';
import { targetBytes, tokenBytes, valueBytes } from './token-table.ts';

/** The section goes on behind the bytes at hand. */
export const incomplete = -1;
/** The section is refused; see {@link HeadParser.fault}. */
export const faulty = -2;

const CR = 13;
const LF = 10;
const SP = 32;
const HTAB = 9;
const COLON = 58;
const DIGIT_0 = 48;

/** Methods longer than this are none that exist. */
const maxMethodBytes = 64;
/** Only blocks this small are remembered, and only out of reads not much larger: the memory is pinned meanwhile, and buffers that are lent and written to again (transport/socket-reader.ts) are larger. */
const maxMemoBytes = 2048;
const maxMemoReadBytes = 4096;
/** After so many different blocks in a row the memory is not looked at again but for every 64th head. */
const memoPatience = 8;

/** A field block, and what was read in it: nobody changes it. */
interface FieldBlock {
  readonly bytes: Buffer;
  readonly at: number;
  readonly length: number;
  readonly names: readonly HeaderName[];
  readonly values: readonly string[];
  readonly facts: FieldFacts;
}

/** `latest`: of those that a connection met for the first time. Peers of one kind send the same blocks: their values are then the same strings, in memory once, and compared at a glance. */
interface KnownBlocks {
  latest: FieldBlock | null;
}

const requestBlocks: KnownBlocks = { latest: null };
const responseBlocks: KnownBlocks = { latest: null };

/** Where values stand, for the head being parsed: start and end in turn. */
let marks = new Int32Array(512);

export class HeadParser {
  readonly #maxFields: number;
  fault: HeadFault | null = null;
  // Request line
  method = '';
  target = '';
  // Status line
  status = 0;
  reason = '';
  /** HTTP/1.<minor>. */
  minor = 1;
  // Fields: a list of its own for each head, and what they say of framing.
  fields: HeaderFields = new HeaderFields();
  facts: FieldFacts = new FieldFacts();

  #memo: FieldBlock | null = null;
  #memoMisses = 0;

  constructor(maxFields: number) {
    this.#maxFields = maxFields;
    if (marks.length < maxFields * 2 + 2) marks = new Int32Array(maxFields * 2 + 2);
  }

  /** Parses a whole request head from `at`. Gives the index behind it, {@link incomplete}, or {@link faulty}. */
  parseRequest(bytes: Buffer, at: number): number {
    const { length } = bytes;
    const start = at;
    let byte = bytes[at]!;
    while (tokenBytes[byte] === 1) {
      if (++at === length) return at - start > maxMethodBytes ? this.#refuse(longMethod) : incomplete;
      byte = bytes[at]!;
    }
    if (byte !== SP || at === start) return this.#refuse(badMethod);
    if (at - start > maxMethodBytes) return this.#refuse(longMethod);
    const methodLength = at - start;
    const targetStart = ++at;
    if (at === length) return incomplete;
    byte = bytes[at]!;
    while (targetBytes[byte] === 1) {
      if (++at === length) return incomplete;
      byte = bytes[at]!;
    }
    if (byte !== SP || at === targetStart) return this.#refuse(badTarget);
    const targetEnd = at;
    // `HTTP/1.x` CRLF
    at++;
    if (at + 10 > length)
      return versionFault(bytes, at, Math.min(at + 8, length)) === null
        ? incomplete
        : this.#refuse(versionFault(bytes, at, Math.min(at + 8, length))!);
    const fault = versionFault(bytes, at, at + 8);
    if (fault !== null) return this.#refuse(fault);
    if (bytes[at + 8] !== CR || bytes[at + 9] !== LF) return this.#refuse(badLine);
    this.minor = bytes[at + 7]! - DIGIT_0;
    const next = this.#parseFields(bytes, at + 10, requestBlocks);
    if (next < 0) return next;
    this.method = methodOf(bytes, start, methodLength);
    this.target = latin1Slice(bytes, targetStart, targetEnd);
    return next;
  }

  /** Parses a whole response head from `at`. Gives the index behind it, {@link incomplete}, or {@link faulty}. */
  parseResponse(bytes: Buffer, at: number): number {
    const { length } = bytes;
    const versionEnd = Math.min(at + 8, length);
    const fault = versionFault(bytes, at, versionEnd);
    if (fault !== null) return this.#refuse(fault);
    // `HTTP/1.x` SP 3DIGIT [SP reason] CRLF
    if (at + 13 > length) return incomplete;
    const hundreds = bytes[at + 9]! - DIGIT_0;
    const tens = bytes[at + 10]! - DIGIT_0;
    const ones = bytes[at + 11]! - DIGIT_0;
    if (bytes[at + 8] !== SP || hundreds < 1 || hundreds > 5 || tens < 0 || tens > 9 || ones < 0 || ones > 9)
      return this.#refuse(badStatusLine);
    this.minor = bytes[at + 7]! - DIGIT_0;
    const status = hundreds * 100 + tens * 10 + ones;
    at += 12;
    let reasonStart = at;
    let byte = bytes[at]!;
    if (byte === SP) {
      reasonStart = ++at;
      if (at === length) return incomplete;
      byte = bytes[at]!;
      while (valueBytes[byte] === 1) {
        if (++at === length) return incomplete;
        byte = bytes[at]!;
      }
    }
    const reasonEnd = at;
    if (byte !== CR) return this.#refuse(badStatusLine);
    if (at + 1 === length) return incomplete;
    if (bytes[at + 1] !== LF) return this.#refuse(badLine);
    const next = this.#parseFields(bytes, at + 2, responseBlocks);
    if (next < 0) return next;
    this.status = status;
    const plainOk =
      status === 200 && reasonEnd - reasonStart === 2 && bytes[reasonStart] === 79 && bytes[reasonStart + 1] === 75;
    this.reason = plainOk ? 'OK' : latin1Slice(bytes, reasonStart, reasonEnd);
    return next;
  }

  /** Parses a trailer section with its closing empty line; the fields stand in `fields` then. */
  parseTrailers(bytes: Buffer, at: number): number {
    const next = this.#parseFields(bytes, at, null);
    if (next === faulty && this.fault === tooManyFields) this.fault = tooManyTrailers;
    if (next >= 0 && this.facts.framesOrRoutes) return this.#refuse(badTrailer);
    return next;
  }

  #refuse(fault: HeadFault): number {
    this.fault = fault;
    return faulty;
  }

  /** `blocks`: those that the block is one of; null: it is remembered by nobody. */
  #parseFields(bytes: Buffer, at: number, blocks: KnownBlocks | null): number {
    const start = at;
    if (blocks !== null && this.#memoMisses < memoPatience) {
      const block = this.#knownBlock(bytes, at, blocks);
      if (block !== null) {
        this.#memoMisses = 0;
        this.facts = block.facts;
        this.fields = new HeaderFields(block.names.slice(), block.values.slice());
        return at + block.length;
      }
    }
    const { length } = bytes;
    const maxFields = this.#maxFields;
    const names: HeaderName[] = [];
    let count = 0;
    for (;;) {
      if (at === length) return incomplete;
      let byte = bytes[at]!;
      if (byte === CR) {
        if (at + 1 === length) return incomplete;
        if (bytes[at + 1] !== LF) return this.#refuse(badLine);
        at += 2;
        break;
      }
      const nameStart = at;
      let hash = 0;
      while (tokenBytes[byte] === 1) {
        hash = (Math.imul(hash, 31) + byte) | 0;
        if (++at === length) return incomplete;
        byte = bytes[at]!;
      }
      if (byte !== COLON || at === nameStart) return this.#refuse(nameFault(byte, at === nameStart));
      const name = nameFromBytes(bytes, nameStart, at, hash);
      if (++at === length) return incomplete;
      byte = bytes[at]!;
      while (byte === SP || byte === HTAB) {
        if (++at === length) return incomplete;
        byte = bytes[at]!;
      }
      let valueEnd = at;
      const valueStart = at;
      while (valueBytes[byte] === 1) {
        if (++at === length) return incomplete;
        byte = bytes[at]!;
      }
      if (byte !== CR) return this.#refuse(byte === LF ? badLine : badValue);
      if (at + 1 === length) return incomplete;
      if (bytes[at + 1] !== LF) return this.#refuse(badLine);
      valueEnd = at;
      while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HTAB)) valueEnd--;
      at += 2;
      if (count === maxFields) return this.#refuse(tooManyFields);
      names.push(name);
      marks[2 * count] = valueStart - start;
      marks[2 * count + 1] = valueEnd - start;
      count++;
    }
    const text = latin1Slice(bytes, start, at);
    const values: string[] = [];
    for (let i = 0; i < count; i++) values.push(text.substring(marks[2 * i]!, marks[2 * i + 1]!));
    this.facts = new FieldFacts();
    const fault = readFacts(this.facts, names, values);
    if (fault !== null) return this.#refuse(fault);
    this.fields = new HeaderFields(names, values);
    if (blocks !== null) this.#remember(bytes, start, at, blocks);
    return at;
  }

  #knownBlock(bytes: Buffer, at: number, blocks: KnownBlocks): FieldBlock | null {
    const memo = this.#memo;
    if (memo !== null && isAt(memo, bytes, at)) return memo;
    const { latest } = blocks;
    // Others may take more fields than this connection.
    if (latest === null || latest === memo || latest.names.length > this.#maxFields) return null;
    if (!isAt(latest, bytes, at)) return null;
    this.#memo = latest;
    return latest;
  }

  #remember(bytes: Buffer, start: number, end: number, blocks: KnownBlocks): void {
    this.#memoMisses++;
    if (this.#memoMisses > memoPatience && (this.#memoMisses & 63) !== 0) return;
    if (end - start > maxMemoBytes || bytes.length > maxMemoReadBytes) return;
    if (this.#memoMisses > memoPatience) this.#memoMisses = memoPatience - 1;
    const { names, values } = this.fields;
    const { facts } = this;
    const block = { bytes, at: start, length: end - start, names: names.slice(), values: values.slice(), facts };
    this.#memo = block;
    blocks.latest = block;
  }
}

/** A block that is the same to its last byte, and so to its empty line, says the same. */
function isAt({ bytes: known, at: knownAt, length }: FieldBlock, bytes: Buffer, at: number): boolean {
  const end = at + length;
  return end <= bytes.length && bytes[end - 1] === LF && known.compare(bytes, at, end, knownAt, knownAt + length) === 0;
}

const badMethod = new HeadFault(
  'http1.codec_error',
  'The request line does not begin with a method and one space (RFC 9112 3).',
);
const longMethod = new HeadFault(
  'http1.codec_error',
  `The method is longer than ${maxMethodBytes} bytes (RFC 9112 3).`,
  501,
);
const badTarget = new HeadFault(
  'http1.codec_error',
  'The request target is empty, has a character that may not stand in it, or no HTTP version follows (RFC 9112 3.2).',
);
const badLine = new HeadFault('http1.codec_error', 'A line of the head does not end with CRLF (RFC 9112 2.2).');
const badStatusLine = new HeadFault('http1.codec_error', 'The status line is malformed (RFC 9112 4).');
const badVersion = new HeadFault('http1.codec_error', 'The HTTP version is malformed (RFC 9112 2.3).');
const otherVersion = new HeadFault('http1.codec_error', 'The HTTP version is not 1.0 or 1.1.', 505);
const foldedLine = new HeadFault('http1.codec_error', 'A field line is folded (obs-fold, RFC 9112 5.2).');
const spaceBeforeColon = new HeadFault(
  'http1.codec_error',
  'There is white space before the colon of a field (RFC 9112 5.1).',
);
const badName = new HeadFault(
  'http1.codec_error',
  'A field name is empty or has a character that may not stand in it (RFC 9110 5.1).',
);
const badValue = new HeadFault('http1.codec_error', 'A field value has a control character (RFC 9110 5.5).');
const tooManyFields = new HeadFault('http1.too_many_headers', 'The head has more fields than the limit allows.', 431);
const tooManyTrailers = new HeadFault(
  'http1.too_many_trailers',
  'The trailer section has more fields than the limit allows.',
  431,
);
const badTrailer = new HeadFault(
  'http1.codec_error',
  'A trailer field says how the message is framed or routed (RFC 9110 6.5.1).',
);
const severalHosts = new HeadFault('http1.codec_error', 'There is more than one Host (RFC 9112 3.2).');
const severalLengths = new HeadFault('http1.codec_error', 'There is more than one Content-Length (RFC 9112 6.3).');
const badLength = new HeadFault('http1.codec_error', 'Content-Length is not a plain decimal number (RFC 9110 8.6).');
const badEncoding = new HeadFault(
  'http1.invalid_transfer_encoding',
  'Transfer-Encoding is not exactly chunked (RFC 9112 6.1).',
  501,
);
const lengthAndEncoding = new HeadFault(
  'http1.content_length_and_chunked_not_allowed',
  'Content-Length stands beside Transfer-Encoding (RFC 9112 6.3).',
);

function nameFault(byte: number, empty: boolean): HeadFault {
  if (byte === SP || byte === HTAB) return empty ? foldedLine : spaceBeforeColon;
  return byte === LF || byte === CR ? badLine : badName;
}

/** Judges what there is of `HTTP/1.x` between `at` and `end` (at most 8 bytes). */
function versionFault(bytes: Buffer, at: number, end: number): HeadFault | null {
  if (
    end - at === 8 &&
    (bytes[at + 7] === 49 || bytes[at + 7] === 48) &&
    bytes[at + 5] === 49 &&
    bytes[at] === 72 &&
    bytes[at + 1] === 84 &&
    bytes[at + 2] === 84 &&
    bytes[at + 3] === 80 &&
    bytes[at + 4] === 47 &&
    bytes[at + 6] === 46
  ) {
    return null;
  }
  const text = latin1Slice(bytes, at, end);
  if (text.length < 8) return 'HTTP/1.1'.startsWith(text.replace(/\d/g, '1')) ? null : badVersion;
  return /^HTTP\/\d\.\d$/.test(text) ? otherVersion : badVersion;
}

/** The method as a string that exists already, for those that are met every day. */
function methodOf(bytes: Buffer, start: number, length: number): string {
  const first = bytes[start]!;
  const second = bytes[start + 1]!;
  if (length === 3) {
    if (first === 71 && second === 69 && bytes[start + 2] === 84) return 'GET';
    if (first === 80 && second === 85 && bytes[start + 2] === 84) return 'PUT';
  } else if (length === 4) {
    if (first === 80 && second === 79 && bytes[start + 2] === 83 && bytes[start + 3] === 84) return 'POST';
    if (first === 72 && second === 69 && bytes[start + 2] === 65 && bytes[start + 3] === 68) return 'HEAD';
  }
  return latin1Slice(bytes, start, start + length);
}

/** Gathers what fields say about the message; null when they agree. */
function readFacts(facts: FieldFacts, names: HeaderName[], values: string[]): HeadFault | null {
  let upgrade = '';
  let upgradeOption = false;
  for (let i = 0; i < names.length; i++) {
    const { known } = names[i]!;
    if (known === 0) continue;
    const value = values[i]!;
    switch (known) {
      case wellKnown.host:
        if (facts.host !== null) return severalHosts;
        facts.host = value;
        break;
      case wellKnown.contentLength:
        if (facts.contentLength !== noLength) return severalLengths;
        facts.contentLength = contentLengthOf(value);
        if (facts.contentLength < 0) return badLength;
        break;
      case wellKnown.transferEncoding:
        // Only `chunked`, once: anything else could be read in another way by the next hop.
        if (facts.chunked || (value !== 'chunked' && value.toLowerCase() !== 'chunked')) return badEncoding;
        facts.chunked = true;
        break;
      case wellKnown.connection:
        if (value === 'keep-alive') facts.keepAlive = true;
        else if (facts.readConnection(value)) upgradeOption = true;
        break;
      case wellKnown.keepAlive:
        facts.readKeepAlive(value);
        break;
      case wellKnown.upgrade:
        // Two Upgrade fields, or a list, leave the choice open: then there is none.
        upgrade = upgrade === '' ? value.toLowerCase() : ',';
        break;
      default:
        break;
    }
  }
  if (facts.chunked && facts.contentLength !== noLength) return lengthAndEncoding;
  if (upgradeOption && !tunnelsHttp2(upgrade) && /^[^\s,]+$/.test(upgrade)) facts.upgrade = upgrade;
  return null;
}

/**
 * Writes protobuf's wire format, for the few messages that are made by hand because a library and descriptors for them would cost a sidecar more memory than all they say: metrics as Prometheus takes them, spans and log records for
 * OpenTelemetry, entries for Envoy's access log service. Knows no message but protobuf's own for times.
 * Nested messages are written in place; their length is put before them when they end. Source: protobuf.dev/programming-guides/encoding.
 */

const varint = 0;
const fixed64 = 1;
const lengthDelimited = 2;
const fixed32 = 5;
const twoTo32 = 2 ** 32;

export class ProtobufWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(firstBytes = 4096) {
    this.#buffer = Buffer.allocUnsafe(firstBytes);
  }

  /** What was written, as it is in here: good until more is. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** What is written next is another message, in the same memory. */
  clear(): void {
    this.#length = 0;
  }

  /** Bytes of memory that it has. */
  get capacity(): number {
    return this.#buffer.length;
  }

  /** A copy of what was written, with its length in front, as messages stand one behind the other in a stream. */
  takeDelimited(): Buffer {
    const length = this.#length;
    this.#varint(length);
    const prefix = this.#length - length;
    const taken = Buffer.allocUnsafe(this.#length);
    this.#buffer.copy(taken, 0, length, this.#length);
    this.#buffer.copy(taken, prefix, 0, length);
    this.#length = 0;
    return taken;
  }

  /** Fields that are encoded. */
  encoded(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Not written when it is 0, as proto3 wants. From 0 to 2^53 - 1. */
  uint(field: number, value: number): void {
    if (value === 0) return;
    this.#tag(field, varint);
    this.#varint(value);
  }

  bool(field: number, value: boolean): void {
    this.#tag(field, varint);
    this.#varint(value ? 1 : 0);
  }

  /** A whole number of either sign (int64); written also when it is 0, for oneofs. */
  int(field: number, value: number): void {
    this.#tag(field, varint);
    if (value >= 0) this.#varint(value);
    else {
      let rest = BigInt.asUintN(64, BigInt(value));
      this.#room(10);
      for (; rest > 0x7fn; rest >>= 7n) this.#buffer[this.#length++] = Number(rest & 0x7fn) | 0x80;
      this.#buffer[this.#length++] = Number(rest);
    }
  }

  /** A whole number of either sign (sint64), of no more than 52 bits. */
  sint(field: number, value: number): void {
    this.int(field, value < 0 ? -2 * value - 1 : 2 * value);
  }

  double(field: number, value: number): void {
    this.#tag(field, fixed64);
    this.#room(8);
    this.#length = this.#buffer.writeDoubleLE(value, this.#length);
  }

  /** Of two halves of 32 bits: together they are more than a number holds. */
  fixed64(field: number, high: number, low: number): void {
    this.#tag(field, fixed64);
    this.#room(8);
    this.#uint32(low);
    this.#uint32(high);
  }

  /** A moment in nanoseconds (fixed64), as OpenTelemetry has it. Microseconds are as fine as clocks are here, and as a number holds exactly: each half is multiplied by itself. */
  unixNanos(field: number, wallMs: number): void {
    const micros = Math.max(0, Math.round(wallMs * 1000));
    const low = (micros % twoTo32) * 1000;
    this.fixed64(field, Math.floor(micros / twoTo32) * 1000 + Math.floor(low / twoTo32), low % twoTo32);
  }

  /** google.protobuf.Timestamp or Duration. */
  time(field: number, ms: number): void {
    const begun = this.begin(field);
    const seconds = Math.floor(ms / 1000);
    if (seconds !== 0) this.int(1, seconds);
    this.uint(2, Math.floor((ms - seconds * 1000) * 1_000_000));
    this.end(begun);
  }

  fixed32(field: number, value: number): void {
    this.#tag(field, fixed32);
    this.#room(4);
    this.#uint32(value);
  }

  #uint32(value: number): void {
    const buffer = this.#buffer;
    buffer[this.#length++] = value;
    buffer[this.#length++] = value >>> 8;
    buffer[this.#length++] = value >>> 16;
    buffer[this.#length++] = value >>> 24;
  }

  /** Not written when it is empty. */
  string(field: number, value: string): void {
    if (value !== '') this.stringAlways(field, value);
  }

  /** Also when it is empty, for oneofs. */
  stringAlways(field: number, value: string): void {
    if (value.length <= 0x7f && this.#shortAscii(field, value)) return;
    const bytes = Buffer.byteLength(value);
    this.#tag(field, lengthDelimited);
    this.#varint(bytes);
    this.#room(bytes);
    this.#length += this.#buffer.write(value, this.#length);
  }

  /** Of short text a loop is faster than a call out of JavaScript. False: it is not ASCII, and nothing is written. */
  #shortAscii(field: number, value: string): boolean {
    const begun = this.#length;
    const { length } = value;
    this.#tag(field, lengthDelimited);
    this.#room(1 + length);
    const buffer = this.#buffer;
    let at = this.#length;
    buffer[at++] = length;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) {
        this.#length = begun;
        return false;
      }
      buffer[at++] = code;
    }
    this.#length = at;
    return true;
  }

  bytes(field: number, value: Uint8Array): void {
    this.#tag(field, lengthDelimited);
    this.#varint(value.length);
    this.encoded(value);
  }

  /** Bytes from their hexadecimal digits; not written when there are none. */
  hex(field: number, digits: string): void {
    if (digits === '') return;
    const bytes = digits.length >> 1;
    this.#tag(field, lengthDelimited);
    this.#varint(bytes);
    this.#room(bytes);
    for (let i = 0; i < 2 * bytes; i += 2)
      this.#buffer[this.#length++] = (nibble(digits.charCodeAt(i)) << 4) | nibble(digits.charCodeAt(i + 1));
  }

  /** A nested message that `fill` writes. */
  message(field: number, fill: () => void): void {
    const begun = this.begin(field);
    fill();
    this.end(begun);
  }

  /** Begins a nested message, where a function for it would be too much. Gives what end() wants. */
  begin(field: number): number {
    this.#tag(field, lengthDelimited);
    this.#room(1);
    // Most are shorter than 128 bytes: one byte for their length is kept free.
    return ++this.#length;
  }

  end(begun: number): void {
    const bytes = this.#length - begun;
    let more = 0;
    for (let rest = bytes; rest > 0x7f; rest = Math.floor(rest / 128)) more++;
    if (more > 0) {
      this.#room(more);
      this.#buffer.copyWithin(begun + more, begun, this.#length);
    }
    this.#length = begun - 1;
    this.#putVarint(bytes);
    this.#length += bytes;
  }

  #tag(field: number, wireType: number): void {
    this.#varint(field * 8 + wireType);
  }

  #varint(value: number): void {
    this.#room(10);
    this.#putVarint(value);
  }

  /** Where there is room for it. */
  #putVarint(value: number): void {
    let rest = value;
    if (rest <= 0x7f) {
      this.#buffer[this.#length++] = rest;
      return;
    }
    // Beyond 2^31 bit operations would cut it.
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) this.#buffer[this.#length++] = (rest % 128) | 0x80;
    this.#buffer[this.#length++] = rest;
  }

  #room(bytes: number): void {
    const wanted = this.#length + bytes;
    if (wanted <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(wanted, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

/** Of the code of a hexadecimal digit. */
function nibble(code: number): number {
  return (code & 0xf) + (code >> 6) * 9;
}

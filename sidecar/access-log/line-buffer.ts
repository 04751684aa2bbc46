/**
 * Where lines are put together, character by character, one behind the other as they go to the disk: to join dozens of short strings costs an object for each, and to look through a value for what must be escaped and to
 * copy it is one walk here. Used over and over.
 */
import { quoteJson } from './escape.ts';
import type { LineText } from './line-text.ts';

const quote = 0x22;
const backslash = 0x5c;
const digit0 = 0x30;
const lineBreak = 0x0a;
/** Whole numbers up to it are small ones of V8's. */
const mostSmall = 0x3fffffff;
/** Texts are copied by words, the last of which may go beyond their ends. */
const wordBytes = 4;

export class LineBuffer {
  #bytes: Buffer;
  /** Of the same memory. */
  #view: DataView;
  #length = 0;

  /** `capacity`: bytes that it begins with; it grows with what is written. */
  constructor(capacity = 4096) {
    this.#bytes = Buffer.allocUnsafeSlow(capacity);
    this.#view = viewOf(this.#bytes);
  }

  /** In bytes. */
  get length(): number {
    return this.#length;
  }

  /** Bytes that there is room for. */
  get capacity(): number {
    return this.#bytes.length;
  }

  /** What was written. The buffer is empty then. */
  take(): string {
    const text = this.#bytes.toString('utf8', 0, this.#length);
    this.#length = 0;
    return text;
  }

  /** The bytes [0, length) of what is returned were written. The buffer goes on, empty, in `next`. */
  takeBytes(next: Buffer): Buffer {
    const bytes = this.#bytes;
    this.#use(next);
    this.#length = 0;
    return bytes;
  }

  /** A copy of what was written. The buffer is empty then. */
  copyOut(): Buffer {
    const copy = Buffer.from(this.#bytes.subarray(0, this.#length));
    this.#length = 0;
    return copy;
  }

  /** Drops what was written behind the first `length` bytes. */
  cutTo(length: number): void {
    this.#length = length;
  }

  endLine(): void {
    this.#room(1);
    this.#bytes[this.#length++] = lineBreak;
  }

  /** Text that is the same in many lines. */
  text({ words, length }: LineText): void {
    this.#room(length + wordBytes);
    const view = this.#view;
    let at = this.#length;
    const end = at + length;
    for (let i = 0; at < end; i++, at += wordBytes) view.setInt32(at, words[i]!, true);
    this.#length = end;
  }

  /** Keeps what was written behind the first `from` bytes in `text`. */
  keepIn(text: LineText, from: number): void {
    text.set(this.#bytes, from, this.#length);
  }

  /** As it stands. */
  raw(text: string): void {
    const { length } = text;
    this.#room(length);
    const bytes = this.#bytes;
    let at = this.#length;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) {
        this.#wide(text);
        return;
      }
      bytes[at++] = code;
    }
    this.#length = at;
  }

  /** A JSON string. */
  quoted(text: string): void {
    const { length } = text;
    this.#room(length + 2);
    const bytes = this.#bytes;
    let at = this.#length;
    bytes[at++] = quote;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code < 0x20 || code > 0x7e || code === quote || code === backslash) {
        this.raw(quoteJson(text));
        return;
      }
      bytes[at++] = code;
    }
    bytes[at++] = quote;
    this.#length = at;
  }

  number(value: number): void {
    if (!(value >= 0 && value <= mostSmall) || value % 1 !== 0) {
      this.raw(String(value));
      return;
    }
    this.#whole(value);
  }

  /** A number to three decimal places, without zeros at its end. */
  decimal(value: number): void {
    const thousandths = Math.round(value * 1000);
    if (!(thousandths >= 0 && thousandths <= mostSmall)) {
      this.raw(String(thousandths / 1000));
      return;
    }
    const whole = (thousandths / 1000) | 0;
    let rest = thousandths - whole * 1000;
    this.#whole(whole);
    if (rest === 0) return;
    this.#room(4);
    const bytes = this.#bytes;
    bytes[this.#length++] = 0x2e;
    for (let unit = 100; rest > 0; unit = (unit / 10) | 0) {
      const digit = (rest / unit) | 0;
      bytes[this.#length++] = digit0 + digit;
      rest -= digit * unit;
    }
  }

  /** Of a whole number up to mostSmall. */
  #whole(value: number): void {
    let digits = 1;
    for (let rest = value; rest >= 10; rest = (rest / 10) | 0) digits++;
    this.#room(digits);
    let at = (this.#length += digits);
    let rest = value | 0;
    do {
      const next = (rest / 10) | 0;
      this.#bytes[--at] = digit0 + rest - next * 10;
      rest = next;
    } while (rest > 0);
  }

  #wide(text: string): void {
    this.#room(3 * text.length);
    this.#length += this.#bytes.write(text, this.#length);
  }

  #room(bytes: number): void {
    const wanted = this.#length + bytes;
    if (wanted <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(wanted, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#use(larger);
  }

  #use(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
  }
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}

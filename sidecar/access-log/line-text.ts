/** Text of many lines as the words of its bytes (UTF-8, little-endian): a line is mostly what the line before was, and words are copied several times as fast as characters are looked at. */

export class LineText {
  words: Int32Array;
  /** In bytes; those of the last word beyond it have no meaning. */
  length = 0;

  constructor(text = '') {
    this.words = new Int32Array(0);
    const bytes = Buffer.from(text);
    this.set(bytes, 0, bytes.length);
  }

  /** The bytes [from, to). */
  set(bytes: Uint8Array, from: number, to: number): void {
    this.length = to - from;
    const words = (this.length + 3) >> 2;
    if (this.words.length < words) this.words = new Int32Array(words);
    for (let i = 0, at = from; i < words; i++, at += 4)
      // Beyond the end of the bytes: 0.
      this.words[i] = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
  }
}

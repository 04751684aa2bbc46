/** Ids: texts with random hexadecimal digits in some places. Several are made at a time, so that one string is made for all of them. */
import { randomFillSync } from 'node:crypto';

/** The system is asked for many bytes at a time. One pool for the process. */
const pool = Buffer.allocUnsafeSlow(2048);
const poolWords = new DataView(pool.buffer, pool.byteOffset, pool.length);
let poolAt = pool.length;

/** A text that is alive keeps those that it was made with alive: of many, much would grow old with few requests, which V8 then looks through over and over. */
const batchSize = 16;

/** Digits are made four at a time, one in each byte of a word. */
const fourDigits = 0x0f0f0f0f;

export class RandomTexts {
  readonly #length: number;
  /** Of each four digits: where they stand, and which bits of the first are given (RFC 9562 5.4). */
  readonly #places: Uint16Array;
  readonly #keeps: Int32Array;
  readonly #sets: Int32Array;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #batch = '';
  #next = 0;

  /** `template`: digits in the places of `x`, which come in fours; a `v` or `w` in the first place of four is the version and the variant of a random UUID. All else stands as it is. */
  constructor(template: string) {
    const fours = [...template.matchAll(/[xvw]xxx/g)];
    const byFirst = (x: number, v: number, w: number): Int32Array =>
      Int32Array.from(fours, ([four]) => ({ x, v, w })[four[0] as 'x' | 'v' | 'w']);
    this.#length = template.length;
    this.#places = Uint16Array.from(fours, ({ index }) => index);
    this.#keeps = byFirst(fourDigits, fourDigits & ~0xf, fourDigits & ~0xc);
    this.#sets = byFirst(0, 0x4, 0x8);
    this.#bytes = Buffer.from(template.repeat(batchSize));
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length);
  }

  next(): string {
    if (this.#next === this.#batch.length) {
      this.#fill();
      this.#batch = this.#bytes.toString('latin1');
      this.#next = 0;
    }
    const from = this.#next;
    this.#next = from + this.#length;
    return this.#batch.slice(from, this.#next);
  }

  #fill(): void {
    const places = this.#places;
    const keeps = this.#keeps;
    const sets = this.#sets;
    const view = this.#view;
    for (let text = 0; text < batchSize; text++) {
      const start = text * this.#length;
      let word = 0;
      for (let i = 0; i < places.length; i++) {
        // Each word of the pool has eight digits.
        word = (i & 1) === 0 ? randomWord() : word >> 4;
        // In each byte a number below 16; `letters`: 1 in those above 9.
        const digits = (word & keeps[i]!) | sets[i]!;
        const letters = ((digits + 0x06060606) >> 4) & 0x01010101;
        view.setInt32(start + places[i]!, digits + 0x30303030 + letters * 0x27, true);
      }
    }
  }
}

function randomWord(): number {
  if (poolAt === pool.length) {
    randomFillSync(pool);
    poolAt = 0;
  }
  const word = poolWords.getInt32(poolAt, true);
  poolAt += 4;
  return word;
}

/** Ids: texts with random hexadecimal digits in some places. Several are made at a time, so that one string is made for all of them. */
import { randomPool, takeRandom } from './random-pool.ts';

/** A text that is alive keeps those that it was made with alive: of many, much would grow old with few requests, which V8 then looks through over and over. */
const batchSize = 16;

/** The two digits of each byte, as they stand in memory. */
const digitPairs = Uint16Array.from({ length: 256 }, (_, byte) =>
  Buffer.from(byte.toString(16).padStart(2, '0')).readUInt16LE(),
);

export class RandomTexts {
  readonly #length: number;
  /** Of each pair of digits: where it stands, and what its byte must be (RFC 9562 5.4). */
  readonly #places: Uint16Array;
  readonly #keeps: Uint8Array;
  readonly #sets: Uint8Array;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #batch = '';
  #next = 0;

  /** `template`: digits in the places of `x`, which come in pairs; a `v` or `w` in the first place of a pair is the version and the variant of a random UUID. All else stands as it is. */
  constructor(template: string) {
    const pairs = [...template.matchAll(/[xvw]x/g)];
    this.#length = template.length;
    this.#places = Uint16Array.from(pairs, ({ index }) => index);
    this.#keeps = Uint8Array.from(pairs, ([pair]) => (pair === 'xx' ? 0xff : pair === 'vx' ? 0x0f : 0x3f));
    this.#sets = Uint8Array.from(pairs, ([pair]) => (pair === 'xx' ? 0 : pair === 'vx' ? 0x40 : 0x80));
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
    let from = takeRandom(batchSize * places.length);
    for (let text = 0; text < batchSize; text++) {
      const start = text * this.#length;
      for (let i = 0; i < places.length; i++) {
        const byte = (randomPool[from++]! & keeps[i]!) | sets[i]!;
        view.setUint16(start + places[i]!, digitPairs[byte]!, true);
      }
    }
  }
}

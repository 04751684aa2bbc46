/** Request ids: random UUIDs (version 4), some at a time: one text is made for all of them. */
import { randomPool, takeRandom } from '../runtime/random-pool.ts';

/** An id that is alive keeps the text that it was made with alive: of long ones much would grow old with few requests, which V8 then looks through over and over. */
const batchSize = 16;
const idLength = 36;
const text = Buffer.alloc(batchSize * idLength, '-');
const hexDigits = Uint8Array.from(Buffer.from('0123456789abcdef'));
let batch = '';
let next = 0;

export function newRequestId(): string {
  if (next === batch.length) {
    batch = newBatch();
    next = 0;
  }
  const at = next;
  next += idLength;
  return batch.slice(at, next);
}

function newBatch(): string {
  let from = takeRandom(batchSize * 16);
  for (let id = 0; id < batchSize; id++) {
    let to = id * idLength;
    for (let i = 0; i < 16; i++) {
      let byte = randomPool[from++]!;
      // Version and variant. RFC 9562 5.4.
      if (i === 6) byte = (byte & 0x0f) | 0x40;
      else if (i === 8) byte = (byte & 0x3f) | 0x80;
      if (i === 4 || i === 6 || i === 8 || i === 10) to++;
      text[to++] = hexDigits[byte >> 4]!;
      text[to++] = hexDigits[byte & 15]!;
    }
  }
  return text.toString('latin1');
}

/** A caller's id is kept when it can be printed anywhere; else it would forge log lines. */
export function acceptableRequestId(id: string): boolean {
  return /^[\x21-\x7e]{1,128}$/.test(id);
}

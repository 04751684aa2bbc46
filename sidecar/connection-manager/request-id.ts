/** Request ids: random UUIDs (version 4), made many at a time, so that the system is asked for random bytes once for all of them. */
import { randomFillSync } from 'node:crypto';

const batchSize = 128;
const idLength = 36;
const random = Buffer.allocUnsafeSlow(batchSize * 16);
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
  randomFillSync(random);
  let from = 0;
  for (let id = 0; id < batchSize; id++) {
    let to = id * idLength;
    for (let i = 0; i < 16; i++) {
      let byte = random[from++]!;
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

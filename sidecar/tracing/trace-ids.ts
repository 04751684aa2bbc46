/** Ids of traces and spans: random hexadecimal digits, some at a time. */
import { randomPool, takeRandom } from '../runtime/random-pool.ts';

const spanDigits = 16;
const traceDigits = 32;
/** Short: an id that is alive keeps all of it alive (as of request ids). */
const batchBytes = 256;
let batch = '';
let next = 0;

/** 32 digits, not all of them 0. */
export function newTraceId(): string {
  return digits(traceDigits);
}

/** 16 digits, not all of them 0. */
export function newSpanId(): string {
  return digits(spanDigits);
}

function digits(length: number): string {
  for (;;) {
    if (next + length > batch.length) {
      batch = randomHex();
      next = 0;
    }
    const id = batch.slice(next, next + length);
    next += length;
    if (!isZero(id)) return id;
  }
}

function randomHex(): string {
  const from = takeRandom(batchBytes);
  return randomPool.toString('hex', from, from + batchBytes);
}

/** W3C and B3 both say that such an id is none. */
export function isZero(id: string): boolean {
  for (let i = 0; i < id.length; i++) if (id.charCodeAt(i) !== 0x30) return false;
  return true;
}

/** `length` digits of `text` from `start` on are hexadecimal, in lower case. */
export function isHex(text: string, start: number, length: number): boolean {
  if (text.length < start + length) return false;
  for (let i = start; i < start + length; i++) {
    const code = text.charCodeAt(i);
    if (!((code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66))) return false;
  }
  return true;
}

/** Ids of traces and spans: random hexadecimal digits. */
import { RandomTexts } from '../runtime/random-texts.ts';

const spanIds = new RandomTexts('xxxxxxxxxxxxxxxx');

/** 16 digits, not all of them 0. */
export function newSpanId(): string {
  for (;;) {
    const id = spanIds.next();
    if (!isZero(id)) return id;
  }
}

/** The digits [from, to) are all 0: W3C and B3 both say that such an id is none. */
export function isZero(text: string, from = 0, to = text.length): boolean {
  for (let i = from; i < to; i++) if (text.charCodeAt(i) !== 0x30) return false;
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

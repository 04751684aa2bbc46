/** Request ids: random UUIDs (version 4). */
import { RandomTexts } from '../runtime/random-texts.ts';

const ids = new RandomTexts('xxxxxxxx-xxxx-vxxx-wxxx-xxxxxxxxxxxx');

export function newRequestId(): string {
  return ids.next();
}

/** A caller's id is kept when it can be printed anywhere; else it would forge log lines. */
export function acceptableRequestId(id: string): boolean {
  return /^[\x21-\x7e]{1,128}$/.test(id);
}

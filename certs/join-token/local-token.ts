/**
 * The control plane's own join token, for programs of the same user on the same machine: good for any service account of the trust domain, as often as wanted, as long as this control plane runs. It is made anew
 * at each start, held as a hash, and never stored beside other tokens; the file that hands it to its readers is the caller's.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IssuingClock } from '../authority/issuing-clock.ts';
import { type NarrowedToken, narrowingKey, readNarrowedToken } from './narrowed-token.ts';

export class LocalToken {
  /** Its public part. */
  readonly id: string;
  readonly #hash: Buffer;
  readonly #narrowingKey: Buffer;

  private constructor(id: string, text: string) {
    this.id = id;
    this.#hash = sha256(text);
    this.#narrowingKey = narrowingKey(text);
  }

  /** The text is given here and never again. */
  static make(clock: IssuingClock): { readonly text: string; readonly token: LocalToken } {
    const id = Buffer.from(clock.randomBytes(8)).toString('hex');
    const text = `ojt_${id}_${Buffer.from(clock.randomBytes(32)).toString('base64url')}`;
    return { text, token: new LocalToken(id, text) };
  }

  matches(text: string): boolean {
    return timingSafeEqual(sha256(text), this.#hash);
  }

  /** What `text` says where it was made of this token; null: it was not. Expired or not. */
  narrowed(text: string): NarrowedToken | null {
    return readNarrowedToken(text, this.#narrowingKey);
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/**
 * Tokens of one provider whose signature was found good, so that a token which comes with every request costs one check, not one each. Bounded; the one that was not used for
 * longest goes first. Known by their hash: no token is kept. What is true only for a time (not expired, for this audience) is judged anew each time.
 */
import { hash } from 'node:crypto';
import type { VerifiedJwt } from './verified-jwt.ts';

/** Of tokens' text, all together. */
const mostBytes = 4 << 20;

interface Entry {
  readonly jwt: VerifiedJwt;
  readonly bytes: number;
}

export class VerifiedTokens {
  readonly #mostTokens: number;
  /** Least recently used first. */
  readonly #byHash = new Map<string, Entry>();
  #bytes = 0;

  constructor(mostTokens: number) {
    this.#mostTokens = mostTokens;
  }

  get size(): number {
    return this.#byHash.size;
  }

  get(token: string): VerifiedJwt | null {
    const key = keyOf(token);
    const entry = this.#byHash.get(key);
    if (entry === undefined) return null;
    this.#byHash.delete(key);
    this.#byHash.set(key, entry);
    return entry.jwt;
  }

  add(token: string, jwt: VerifiedJwt): void {
    if (token.length > mostBytes / 16) return;
    const key = keyOf(token);
    this.#drop(key);
    this.#byHash.set(key, { jwt, bytes: token.length });
    this.#bytes += token.length;
    while (this.#byHash.size > this.#mostTokens || this.#bytes > mostBytes) {
      const [oldest] = this.#byHash.keys();
      this.#drop(oldest!);
    }
  }

  /** It has expired. */
  delete(token: string): void {
    this.#drop(keyOf(token));
  }

  #drop(key: string): void {
    const entry = this.#byHash.get(key);
    if (entry === undefined) return;
    this.#byHash.delete(key);
    this.#bytes -= entry.bytes;
  }
}

function keyOf(token: string): string {
  return hash('sha256', token, 'base64url');
}

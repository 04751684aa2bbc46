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

  /** `key`: {@link tokenKey} of the token. */
  get(key: string): VerifiedJwt | null {
    const entry = this.#byHash.get(key);
    if (entry === undefined) return null;
    this.#byHash.delete(key);
    this.#byHash.set(key, entry);
    return entry.jwt;
  }

  /** `bytes`: of the token's text. */
  add(key: string, bytes: number, jwt: VerifiedJwt): void {
    if (bytes > mostBytes / 16) return;
    this.#drop(key);
    this.#byHash.set(key, { jwt, bytes });
    this.#bytes += bytes;
    while (this.#byHash.size > this.#mostTokens || this.#bytes > mostBytes) {
      const [oldest] = this.#byHash.keys();
      this.#drop(oldest!);
    }
  }

  /** It has expired. */
  delete(key: string): void {
    this.#drop(key);
  }

  #drop(key: string): void {
    const entry = this.#byHash.get(key);
    if (entry === undefined) return;
    this.#byHash.delete(key);
    this.#bytes -= entry.bytes;
  }
}

/** What a token is known by. */
export function tokenKey(token: string): string {
  return hash('sha256', token, 'base64url');
}

/**
 * The tokens of one request while it is judged: each is hashed, looked for among those that were found good before, and taken apart once, however many providers are asked about it. Holds the
 * tokens that were accepted so far.
 */
import { type Jwt, parseJwt } from './jwt.ts';
import type { JwtFault } from './jwt-fault.ts';
import type { CacheCounts, JwtProvider } from './jwt-provider.ts';
import type { FoundToken } from './token-places.ts';
import type { VerifiedJwt } from './verified-jwt.ts';
import { tokenKey } from './verified-tokens.ts';

export interface AcceptedToken {
  readonly found: FoundToken;
  readonly provider: JwtProvider;
  readonly jwt: VerifiedJwt;
}

/** A provider that has found a token good before. */
interface Voucher {
  readonly provider: JwtProvider;
  readonly jwt: VerifiedJwt;
}

export class TokenInHand {
  readonly text: string;
  /** By which {@link VerifiedTokens} knows it. */
  readonly key: string;
  readonly voucher: Voucher | null;
  #parsed: Jwt | JwtFault | null = null;

  constructor(text: string, providers: readonly JwtProvider[]) {
    this.text = text;
    this.key = tokenKey(text);
    let voucher: Voucher | null = null;
    for (let i = 0; i < providers.length && voucher === null; i++) {
      const jwt = providers[i]!.known(this.key);
      if (jwt !== null) voucher = { provider: providers[i]!, jwt };
    }
    this.voucher = voucher;
  }

  /** Its parts, or what is wrong with it; says nothing about its signature. */
  get parsed(): Jwt | JwtFault {
    this.#parsed ??= parseJwt(this.text);
    return this.#parsed;
  }

  /** Whose it says it is, or what is wrong with it. */
  get issuer(): { readonly name: string } | JwtFault {
    if (this.voucher !== null) return { name: this.voucher.jwt.issuer };
    const { parsed } = this;
    return typeof parsed === 'string' ? parsed : { name: parsed.issuer };
  }
}

export class TokensInHand {
  readonly accepted: AcceptedToken[] = [];
  readonly #providers: readonly JwtProvider[];
  readonly #counts: CacheCounts;
  #tokens: TokenInHand[] | null = null;

  /** `providers`: all of the gate. */
  constructor(providers: readonly JwtProvider[], counts: CacheCounts) {
    this.#providers = providers;
    this.#counts = counts;
  }

  of(text: string): TokenInHand {
    const tokens = (this.#tokens ??= []);
    for (let i = 0; i < tokens.length; i++) if (tokens[i]!.text === text) return tokens[i]!;
    const token = new TokenInHand(text, this.#providers);
    if (token.voucher === null) this.#counts.miss();
    else this.#counts.hit();
    tokens.push(token);
    return token;
  }
}

/** One provider of tokens: judges whether a token is its own, good, and for whom it must be. */
import type { JwtProviderConfig } from '../../config/jwt-authn-config.ts';
import { compileStringMatcher, type StringMatcher } from '../../router/string-matcher.ts';
import { JwkSet } from './jwk-set.ts';
import type { Jwt, JwtClaims } from './jwt.ts';
import { type JwtFault, jwtFault } from './jwt-fault.ts';
import type { FoundToken } from './token-places.ts';
import type { TokenInHand } from './tokens-in-hand.ts';
import { type VerifiedJwt, verifiedJwt } from './verified-jwt.ts';
import { VerifiedTokens } from './verified-tokens.ts';

/** How often the signature did not have to be checked. */
export interface CacheCounts {
  hit(): void;
  miss(): void;
}

/** Audiences that are wanted; null: any will do. */
export type Audiences = ReadonlySet<string> | null;

export class JwtProvider {
  readonly config: JwtProviderConfig;
  readonly #keys: JwkSet;
  readonly #verified: VerifiedTokens;
  readonly #audiences: Audiences;
  readonly #isSubject: StringMatcher | null;

  constructor(config: JwtProviderConfig) {
    this.config = config;
    this.#keys = new JwkSet(config.jwks);
    this.#verified = new VerifiedTokens(config.cacheSize);
    this.#audiences = audiencesOf(config.audiences);
    this.#isSubject = config.subjects === null ? null : compileStringMatcher(config.subjects);
  }

  /** What it has found out about the token of that key before; null: nothing. */
  known(key: string): VerifiedJwt | null {
    return this.#verified.get(key);
  }

  /** `audiences` undefined: the provider's own. The order of the checks is Envoy's: it decides which fault is told. */
  judge(
    token: TokenInHand,
    { place }: FoundToken,
    audiences: Audiences | undefined,
    nowSeconds: number,
  ): VerifiedJwt | JwtFault {
    const { issuer, voucher } = token;
    if (typeof issuer === 'string') return issuer;
    if (!this.#isIssuer(issuer.name, place)) return jwtFault.unknownIssuer;
    const known = voucher?.provider === this ? voucher.jwt : this.known(token.key);
    const jwt = known ?? token.parsed;
    if (typeof jwt === 'string') return jwt;
    const fault = this.#claimsFault(jwt, audiences, nowSeconds);
    if (fault !== null) {
      if (known !== null && fault === jwtFault.expired) this.#verified.delete(token.key);
      return fault;
    }
    return known ?? this.#verify(jwt as Jwt, token);
  }

  #verify(jwt: Jwt, { key, text }: TokenInHand): VerifiedJwt | JwtFault {
    const fault = this.#keys.verify(jwt);
    if (fault !== null) return fault;
    const verified = verifiedJwt(jwt, this.config);
    if (verified === null) return jwtFault.unusableClaim;
    this.#verified.add(key, text.length, verified);
    return verified;
  }

  #isIssuer(issuer: string, { issuers }: FoundToken['place']): boolean {
    const { config } = this;
    return (issuers === null || issuers.has(issuer)) && (config.issuer === '' || config.issuer === issuer);
  }

  #claimsFault(claims: JwtClaims, audiences: Audiences | undefined, nowSeconds: number): JwtFault | null {
    const { config } = this;
    const { expires, notBefore } = claims;
    if (notBefore !== null && nowSeconds + config.clockSkewSeconds < notBefore) return jwtFault.notYetValid;
    if (expires !== null && nowSeconds > expires + config.clockSkewSeconds) return jwtFault.expired;
    const wanted = audiences === undefined ? this.#audiences : audiences;
    if (wanted !== null && !claims.audiences.some((each) => wanted.has(bareAudience(each))))
      return jwtFault.audienceNotAllowed;
    if (this.#isSubject !== null && !this.#isSubject(claims.subject)) return jwtFault.verificationFails;
    if (expires === null && (config.requireExpiration || config.maxLifetimeSeconds !== null))
      return jwtFault.verificationFails;
    if (expires !== null && config.maxLifetimeSeconds !== null && expires - nowSeconds > config.maxLifetimeSeconds)
      return jwtFault.verificationFails;
    return null;
  }
}

export function audiencesOf(audiences: readonly string[]): Audiences {
  return audiences.length === 0 ? null : new Set(audiences.map(bareAudience));
}

/** `https://orders.example/` and `orders.example` are one audience (Envoy). */
function bareAudience(audience: string): string {
  return audience.replace(/^https?:\/\//, '').replace(/\/$/, '');
}

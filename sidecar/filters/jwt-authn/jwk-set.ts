/** The keys that a provider's tokens are signed with (RFC 7517), and whether a token is signed by one of them. A key that cannot be used is left out; without any, no token is good. */
import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { member, parseJsonObject, textMember } from './json-object.ts';
import type { Jwt } from './jwt.ts';
import { type JwtFault, jwtFault } from './jwt-fault.ts';
import { type KeyKind, signatureAlgorithms } from './signature-algorithm.ts';

/** RFC 7518 3.3. */
const leastRsaBits = 2048;
/** Larger ones cost more to check than any issuer has a reason for. */
const mostRsaBits = 8192;
/** Keys that are tried for a token which names none: each costs a check. */
const mostTries = 16;

/** RFC 7518 3.4, RFC 8032 5.1.6. */
const curveSignatureBytes = { 'P-256': 64, 'P-384': 96, 'P-521': 132, Ed25519: 64 } as const;

interface VerificationKey {
  /** '': the set does not say. */
  readonly keyId: string;
  readonly algorithm: string;
  readonly kind: KeyKind;
  readonly key: KeyObject;
  /** How long its signatures are; OpenSSL would take shorter ones, of the same number, for RSASSA-PSS (RFC 8017 8.1.2 does not). */
  readonly signatureBytes: number;
}

export class JwkSet {
  readonly #keys: readonly VerificationKey[];

  constructor(text: string) {
    const keys = member(parseJsonObject(Buffer.from(text)), 'keys');
    this.#keys = Array.isArray(keys) ? keys.map(verificationKey).filter((key) => key !== null) : [];
  }

  get size(): number {
    return this.#keys.length;
  }

  /** Null: one of the keys has signed the token. */
  verify(jwt: Jwt): JwtFault | null {
    if (this.#keys.length === 0) return jwtFault.noKeys;
    const algorithm = signatureAlgorithms.get(jwt.algorithm)!;
    let tries = 0;
    for (const candidate of this.#keys) {
      const { keyId, algorithm: onlyFor, kind } = candidate;
      // A key without a name may be the one that the token means (Envoy).
      if (jwt.keyId !== '' && keyId !== '' && keyId !== jwt.keyId) continue;
      if (kind !== algorithm.keyKind || (onlyFor !== '' && onlyFor !== jwt.algorithm)) continue;
      if (++tries > mostTries) break;
      if (isSignedBy(candidate, jwt)) return null;
    }
    return tries === 0 ? jwtFault.noKeyMatches : jwtFault.verificationFails;
  }
}

function isSignedBy({ key, signatureBytes }: VerificationKey, { algorithm, signed, signature }: Jwt): boolean {
  if (signature.length !== signatureBytes) return false;
  const { hash, padding } = signatureAlgorithms.get(algorithm)!;
  try {
    return verify(
      hash,
      Buffer.from(signed, 'latin1'),
      padding === null
        ? { key, dsaEncoding: 'ieee-p1363' }
        : padding === 'pkcs1'
          ? { key, padding: constants.RSA_PKCS1_PADDING }
          : { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
      signature,
    );
  } catch {
    return false;
  }
}

/** Null: not a public key for signatures that is good enough. */
function verificationKey(jwk: unknown): VerificationKey | null {
  const keyId = textMember(jwk, 'kid');
  const onlyFor = textMember(jwk, 'alg');
  if (keyId === null || onlyFor === null) return null;
  if ((member(jwk, 'use') ?? 'sig') !== 'sig') return null;
  const operations = member(jwk, 'key_ops');
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) return null;
  const kind = kindOf(jwk);
  if (kind === null || (onlyFor !== '' && signatureAlgorithms.get(onlyFor)?.keyKind !== kind)) return null;
  try {
    const key = createPublicKey({ key: publicPart(jwk, kind), format: 'jwk' });
    if (kind !== 'RSA') return { keyId, algorithm: onlyFor, kind, key, signatureBytes: curveSignatureBytes[kind] };
    const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
    if (bits < leastRsaBits || bits > mostRsaBits) return null;
    return { keyId, algorithm: onlyFor, kind, key, signatureBytes: Math.ceil(bits / 8) };
  } catch {
    return null;
  }
}

function kindOf(jwk: unknown): KeyKind | null {
  const curve = member(jwk, 'crv');
  switch (member(jwk, 'kty')) {
    case 'RSA':
      return 'RSA';
    case 'EC':
      return curve === 'P-256' || curve === 'P-384' || curve === 'P-521' ? curve : null;
    case 'OKP':
      return curve === 'Ed25519' ? curve : null;
    default:
      return null;
  }
}

/** What a private key has besides is not looked at. */
function publicPart(jwk: unknown, kind: KeyKind): { [name: string]: unknown } {
  const take = (...names: string[]): { [name: string]: unknown } =>
    Object.fromEntries(names.map((name) => [name, member(jwk, name)]));
  if (kind === 'RSA') return take('kty', 'n', 'e');
  return kind === 'Ed25519' ? take('kty', 'crv', 'x') : take('kty', 'crv', 'x', 'y');
}

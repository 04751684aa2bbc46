/** Tokens (JWT) and the key sets that they are verified with, made by Node's own cryptography: ES256, RFC 7515 and 7517. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

export interface TokenIssuer {
  readonly issuer: string;
  /** JSON Web Key Set with the public key. */
  readonly jwks: string;
  /** Claims beside iss; `exp` is in an hour unless it is among them. */
  token(claims: Readonly<Record<string, unknown>>): string;
}

export function tokenIssuer(issuer: string, kid: string): TokenIssuer {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    issuer,
    jwks: JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid, alg: 'ES256', use: 'sig' }] }),
    token: (claims) => signed({ iss: issuer, exp: Math.floor(Date.now() / 1000) + 3_600, ...claims }, privateKey, kid),
  };
}

function signed(claims: object, key: KeyObject, kid: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const input = `${part({ alg: 'ES256', typ: 'JWT', kid })}.${part(claims)}`;
  const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}

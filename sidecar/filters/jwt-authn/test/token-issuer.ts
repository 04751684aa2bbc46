/** An issuer of tokens with keys of its own, for tests: signs whatever it is told to, also what no honest issuer would. */
import { constants, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { signatureAlgorithms } from '../signature-algorithm.ts';

export type Claims = Readonly<Record<string, unknown>>;

export class TokenIssuer {
  readonly algorithm: string;
  readonly keyId: string;
  readonly #privateKey: KeyObject;
  readonly publicJwk: Readonly<Record<string, unknown>>;

  constructor(algorithm: string, keyId: string, rsaBits = 2048) {
    const kind = signatureAlgorithms.get(algorithm)!.keyKind;
    const { privateKey, publicKey } =
      kind === 'RSA'
        ? generateKeyPairSync('rsa', { modulusLength: rsaBits })
        : kind === 'Ed25519'
          ? generateKeyPairSync('ed25519')
          : generateKeyPairSync('ec', { namedCurve: kind });
    this.algorithm = algorithm;
    this.keyId = keyId;
    this.#privateKey = privateKey;
    this.publicJwk = { ...publicKey.export({ format: 'jwk' }), kid: keyId };
  }

  token(claims: Claims, header: Claims = {}): string {
    const whole = { alg: this.algorithm, typ: 'JWT', ...(this.keyId === '' ? {} : { kid: this.keyId }), ...header };
    return this.sign(base64url(JSON.stringify(whole)), base64url(JSON.stringify(claims)));
  }

  /** Of parts that may be anything. */
  sign(header: string, payload: string): string {
    const { hash, padding } = signatureAlgorithms.get(this.algorithm)!;
    const key = this.#privateKey;
    const signature = sign(
      hash,
      Buffer.from(`${header}.${payload}`, 'latin1'),
      padding === null
        ? { key, dsaEncoding: 'ieee-p1363' }
        : padding === 'pkcs1'
          ? { key, padding: constants.RSA_PKCS1_PADDING }
          : { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
    );
    return `${header}.${payload}.${signature.toString('base64url')}`;
  }
}

export function jwks(...issuers: readonly TokenIssuer[]): string {
  return JSON.stringify({ keys: issuers.map((issuer) => issuer.publicJwk) });
}

export function base64url(text: string): string {
  return Buffer.from(text).toString('base64url');
}

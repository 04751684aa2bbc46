/**
 * Signature algorithms of tokens (RFC 7518 3.1, RFC 8037 3.1) and the one kind of key that each fits: a token cannot choose how its key is used. There is no `none`, and
 * no HMAC: who could check such a token could also make one.
 */

export type KeyKind = 'RSA' | 'P-256' | 'P-384' | 'P-521' | 'Ed25519';

export interface SignatureAlgorithm {
  readonly keyKind: KeyKind;
  /** null: the algorithm's own. */
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null;
  readonly padding: 'pkcs1' | 'pss' | null;
}

const rsa = (hash: SignatureAlgorithm['hash'], padding: 'pkcs1' | 'pss'): SignatureAlgorithm => ({
  keyKind: 'RSA',
  hash,
  padding,
});
const ecdsa = (keyKind: KeyKind, hash: SignatureAlgorithm['hash']): SignatureAlgorithm => ({
  keyKind,
  hash,
  padding: null,
});

export const signatureAlgorithms: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  ['RS256', rsa('sha256', 'pkcs1')],
  ['RS384', rsa('sha384', 'pkcs1')],
  ['RS512', rsa('sha512', 'pkcs1')],
  ['PS256', rsa('sha256', 'pss')],
  ['PS384', rsa('sha384', 'pss')],
  ['PS512', rsa('sha512', 'pss')],
  ['ES256', ecdsa('P-256', 'sha256')],
  ['ES384', ecdsa('P-384', 'sha384')],
  ['ES512', ecdsa('P-521', 'sha512')],
  ['EdDSA', { keyKind: 'Ed25519', hash: null, padding: null }],
]);

/** The signatures that we make and take: ECDSA and RSA (PKCS #1 v1.5) with SHA-256, SHA-384 or SHA-512. Nothing with SHA-1 or MD5 is known here. */
import { type KeyObject, sign, verify } from 'node:crypto';
import type { DerReader } from '../der/der-reader.ts';
import { derTag } from '../der/der-reader.ts';
import { derNull, derOid, derSequence } from '../der/der-writer.ts';
import { IdentityFault } from '../identity-fault.ts';
import { oid } from './object-identifiers.ts';

export interface SignatureAlgorithm {
  readonly oid: string;
  readonly keyType: 'ec' | 'rsa';
  readonly hash: 'sha256' | 'sha384' | 'sha512';
  /** The AlgorithmIdentifier. */
  readonly der: Uint8Array;
}

const algorithms: readonly SignatureAlgorithm[] = (
  [
    [oid.ecdsaWithSha256, 'ec', 'sha256'],
    [oid.ecdsaWithSha384, 'ec', 'sha384'],
    [oid.ecdsaWithSha512, 'ec', 'sha512'],
    [oid.sha256WithRsa, 'rsa', 'sha256'],
    [oid.sha384WithRsa, 'rsa', 'sha384'],
    [oid.sha512WithRsa, 'rsa', 'sha512'],
  ] as const
).map(([id, keyType, hash]) => ({
  oid: id,
  keyType,
  hash,
  // ECDSA has no parameters, RSA has NULL (RFC 5758 3.2, RFC 4055 5).
  der: keyType === 'ec' ? derSequence(derOid(id)) : derSequence(derOid(id), derNull()),
}));

/** Reads an AlgorithmIdentifier. Throws IdentityFault `unsupported-signature`. */
export function readSignatureAlgorithm(reader: DerReader): SignatureAlgorithm {
  const parts = reader.sequence();
  const id = parts.oid();
  const algorithm = algorithms.find((candidate) => candidate.oid === id);
  if (algorithm === undefined)
    throw new IdentityFault(
      'unsupported-signature',
      `the signature algorithm ${id} is not accepted; use ECDSA or RSA with SHA-256, SHA-384 or SHA-512`,
    );
  if (algorithm.keyType === 'rsa' && !parts.atEnd) parts.expect(derTag.null);
  parts.end();
  return algorithm;
}

/** What a key signs with: SHA-384 for P-384, else SHA-256. */
export function signatureAlgorithmOf(key: KeyObject): SignatureAlgorithm {
  const id =
    key.asymmetricKeyType === 'rsa'
      ? oid.sha256WithRsa
      : key.asymmetricKeyDetails?.namedCurve === 'secp384r1'
        ? oid.ecdsaWithSha384
        : oid.ecdsaWithSha256;
  return algorithms.find((candidate) => candidate.oid === id)!;
}

export function signBytes(algorithm: SignatureAlgorithm, bytes: Uint8Array, privateKey: KeyObject): Uint8Array {
  return sign(algorithm.hash, bytes, privateKey);
}

/** False also when the key is of another kind than the algorithm. */
export function signatureIsValid(
  algorithm: SignatureAlgorithm,
  bytes: Uint8Array,
  publicKey: KeyObject,
  signature: Uint8Array,
): boolean {
  return publicKey.asymmetricKeyType === algorithm.keyType && verify(algorithm.hash, bytes, publicKey, signature);
}

/** Public keys of certificates and requests: which kinds and sizes are taken, and their identifiers. */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { DerReader, derTag } from '../der/der-reader.ts';
import { IdentityFault } from '../identity-fault.ts';
import { oid } from './object-identifiers.ts';

/** For messages: what {@link readPublicKey} takes. */
const accepted = 'use ECDSA P-256 or P-384, or RSA of 2048 to 4096 bits';

/**
 * A SubjectPublicKeyInfo: ECDSA on P-256 or P-384 with an uncompressed point, or RSA of 2048 to 4096 bits with the exponent 65537, in its one DER form.
 * The upper bound is there because whoever sends a key decides what it costs us to check its signatures. Throws IdentityFault `unsupported-key` or `malformed`.
 */
export function readPublicKey(spki: Uint8Array): KeyObject {
  const outer = new DerReader(spki);
  const parts = outer.sequence();
  outer.end();
  const algorithm = parts.sequence();
  const keyOid = algorithm.oid();
  if (keyOid === oid.ecPublicKey) {
    const curve = algorithm.nextTag === derTag.oid ? algorithm.oid() : 'given by parameters';
    if (curve !== oid.p256 && curve !== oid.p384) throw unsupported(`a key on the curve ${curve}`);
    const point = parts.bitString();
    if (point[0] !== 0x04) throw unsupported('a key whose point is not in uncompressed form');
  } else if (keyOid === oid.rsaEncryption) {
    algorithm.expect(derTag.null);
    parts.bitString();
  } else throw unsupported(`a key of the algorithm ${keyOid}`);
  algorithm.end();
  parts.end();
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch {
    throw new IdentityFault(
      'malformed',
      'the public key does not hold together: its point is not on its curve, or its numbers are damaged',
    );
  }
  const { modulusLength, publicExponent } = key.asymmetricKeyDetails ?? {};
  if (
    keyOid === oid.rsaEncryption &&
    (modulusLength === undefined || modulusLength < 2048 || modulusLength > 4096 || publicExponent !== 65537n)
  )
    throw unsupported(`an RSA key of ${modulusLength ?? 0} bits with the exponent ${publicExponent ?? 0n}`);
  if (!key.export({ format: 'der', type: 'spki' }).equals(spki))
    throw new IdentityFault('malformed', 'the public key is not in its one DER form');
  return key;
}

export function publicKeyDer(key: KeyObject): Uint8Array {
  return key.export({ format: 'der', type: 'spki' });
}

/** SHA-256 of the key's bits without their algorithm, cut to 160 bits: RFC 7093 section 2, method 1. */
export function subjectKeyIdentifier(spki: Uint8Array): Uint8Array {
  const parts = new DerReader(spki).sequence();
  parts.sequence();
  return createHash('sha256').update(parts.bitString()).digest().subarray(0, 20);
}

function unsupported(what: string): IdentityFault {
  return new IdentityFault('unsupported-key', `${what} is not accepted; ${accepted}`);
}

/**
 * PKCS #10 certification requests (RFC 2986), both ways. All that a request says is: here is a public key, and I hold its private key. The subject, names and extensions that it may ask for are not even
 * read: who somebody is comes from the proof beside the request.
 */
import type { KeyObject } from 'node:crypto';
import { contextTag, DerReader, derTag } from '../der/der-reader.ts';
import { derBitString, derElement, derInteger, derSequence } from '../der/der-writer.ts';
import { IdentityFault } from '../identity-fault.ts';
import { emptyName } from './build-certificate.ts';
import { publicKeyDer, readPublicKey } from './public-key.ts';
import { readSignatureAlgorithm, signatureAlgorithmOf, signatureIsValid, signBytes } from './signature-algorithm.ts';

/** One with an RSA key of 4096 bits and a long subject has under 2 KiB. */
const maxRequestBytes = 8 * 1024;

/** The public key (SubjectPublicKeyInfo) whose holder signed the request. Throws IdentityFault `too-large`, `malformed`, `unsupported-key`, `unsupported-signature` or `bad-signature`. */
export function readCertificationRequest(der: Uint8Array): Uint8Array {
  if (der.length > maxRequestBytes)
    throw new IdentityFault(
      'too-large',
      `a certification request of ${der.length} bytes; the limit is ${maxRequestBytes}`,
    );
  const outer = new DerReader(der);
  const whole = outer.sequence();
  outer.end();
  const { whole: signed } = whole.expect(derTag.sequence);
  const algorithm = readSignatureAlgorithm(whole);
  const signature = whole.bitString();
  whole.end();

  const parts = new DerReader(signed).sequence();
  if (parts.smallInteger() !== 0)
    throw new IdentityFault('malformed', 'a certification request of another version than 1 (RFC 2986 4.1)');
  parts.expect(derTag.sequence);
  const spki = parts.expect(derTag.sequence).whole;
  parts.expect(contextTag(0, true));
  parts.end();
  if (!signatureIsValid(algorithm, signed, readPublicKey(spki), signature))
    throw new IdentityFault('bad-signature', 'the certification request is not signed by the key that it is for');
  return spki;
}

/** A request, as DER, for this key pair: an empty subject, no attributes. */
export function buildCertificationRequest(privateKey: KeyObject, publicKey: KeyObject): Uint8Array {
  const algorithm = signatureAlgorithmOf(privateKey);
  const toBeSigned = derSequence(
    derInteger(Uint8Array.of(0)),
    emptyName,
    publicKeyDer(publicKey),
    derElement(contextTag(0, true)),
  );
  return derSequence(toBeSigned, algorithm.der, derBitString(signBytes(algorithm, toBeSigned, privateKey)));
}

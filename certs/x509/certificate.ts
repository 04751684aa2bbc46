/** Reads X.509 certificates (RFC 5280): every field that identity and authority decide by, from the bytes themselves. Judges nothing beyond form; who may be trusted is `spiffe/verify-svid.ts`. */
import { createHash, type KeyObject } from 'node:crypto';
import { contextTag, DerReader, derTag } from '../der/der-reader.ts';
import { IdentityFault } from '../identity-fault.ts';
import { type Extensions, readExtensions } from './extensions.ts';
import { readPublicKey } from './public-key.ts';
import { readSignatureAlgorithm, type SignatureAlgorithm, signatureIsValid } from './signature-algorithm.ts';

const maxCertificateBytes = 32 * 1024;
const maxSerialBytes = 20;

export interface Certificate {
  readonly der: Uint8Array;
  /** Lower-case hexadecimal, without a sign octet. */
  readonly serial: string;
  /** The Name elements, whole. Names are the same exactly when their bytes are. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Made when first asked for, as it costs more than all the rest. Throws IdentityFault `unsupported-key` or `malformed`. */
  readonly publicKey: KeyObject;
  readonly publicKeyDer: Uint8Array;
  readonly extensions: Extensions;
  readonly signatureAlgorithm: SignatureAlgorithm;
  /** What is signed, and the signature. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

/** Throws IdentityFault `malformed`, `too-large` or `unsupported-signature`. */
export function readCertificate(der: Uint8Array): Certificate {
  if (der.length > maxCertificateBytes)
    throw new IdentityFault('too-large', `a certificate of ${der.length} bytes; the limit is ${maxCertificateBytes}`);
  const outer = new DerReader(der);
  const whole = outer.sequence();
  outer.end();
  const { whole: signed } = whole.expect(derTag.sequence);
  const signatureAlgorithm = readSignatureAlgorithm(whole);
  const signature = whole.bitString();
  whole.end();

  const parts = new DerReader(signed).sequence();
  const version = parts.nextTag === contextTag(0, true) ? parts.into(contextTag(0, true)).smallInteger() + 1 : 1;
  const serial = parts.integer();
  if (serial[0]! >= 0x80 || serial.every((octet) => octet === 0) || serial.length > maxSerialBytes)
    throw new IdentityFault(
      'malformed',
      'a certificate whose serial number is not positive, or longer than 20 octets (RFC 5280 4.1.2.2)',
    );
  if (readSignatureAlgorithm(parts).oid !== signatureAlgorithm.oid)
    throw new IdentityFault('malformed', 'a certificate that names two signature algorithms (RFC 5280 4.1.1.2)');
  const issuer = parts.expect(derTag.sequence).whole;
  const validity = parts.sequence();
  const notBeforeMs = validity.timeMs();
  const notAfterMs = validity.timeMs();
  validity.end();
  const subject = parts.expect(derTag.sequence).whole;
  const publicKeyDer = parts.expect(derTag.sequence).whole;
  for (const number of [1, 2]) if (parts.nextTag === contextTag(number, false)) parts.element();
  const hasExtensions = parts.nextTag === contextTag(3, true);
  if (hasExtensions && version !== 3)
    throw new IdentityFault('malformed', 'a certificate with extensions that is not of version 3');
  const extensions = readExtensions(hasExtensions ? parts.into(contextTag(3, true)) : null);
  parts.end();
  let publicKey: KeyObject | null = null;
  return {
    der,
    serial: Buffer.from(serial[0] === 0 ? serial.subarray(1) : serial).toString('hex'),
    issuer,
    subject,
    notBeforeMs,
    notAfterMs,
    get publicKey(): KeyObject {
      publicKey ??= readPublicKey(publicKeyDer);
      return publicKey;
    },
    publicKeyDer,
    extensions,
    signatureAlgorithm,
    signed,
    signature,
  };
}

/** Whether `issuer`'s name and key made this certificate. Says nothing about whether it may. */
export function isSignedBy(certificate: Certificate, issuer: Certificate): boolean {
  return (
    sameBytes(certificate.issuer, issuer.subject) &&
    signatureIsValid(certificate.signatureAlgorithm, certificate.signed, issuer.publicKey, certificate.signature)
  );
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** SHA-256 of the whole, lower-case hexadecimal. */
export function fingerprint(certificate: Certificate): string {
  return createHash('sha256').update(certificate.der).digest('hex');
}

/** Builds and signs X.509 certificates (RFC 5280) in the one shape that we issue. Reading is in `certificate.ts`; what may be signed for whom is decided elsewhere. */
import type { KeyObject } from 'node:crypto';
import { contextTag } from '../der/der-reader.ts';
import {
  derBitString,
  derBoolean,
  derElement,
  derInteger,
  derNamedBits,
  derOctetString,
  derOid,
  derPrintableString,
  derSequence,
  derSet,
  derTime,
  derUtf8String,
} from '../der/der-writer.ts';
import { oid } from './object-identifiers.ts';
import { subjectKeyIdentifier } from './public-key.ts';
import { signatureAlgorithmOf, signBytes } from './signature-algorithm.ts';

export interface CertificateContents {
  /** Octets of a positive number, at most 20. */
  readonly serial: Uint8Array;
  /** Name elements, whole. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** The one subjectAltName of type URI. */
  readonly uri: string;
  /** Further ones, of type DNS, for clients that call a server by name. Default none. */
  readonly dnsNames?: readonly string[];
  /** Bits of {@link keyUsageBit}. */
  readonly keyUsage: number;
  /** Null: a leaf, for TLS servers and clients. Else an authority with this many authorities allowed below it. */
  readonly pathLength: number | null;
  /** The issuer's subjectKeyIdentifier. */
  readonly authorityKeyId: Uint8Array;
}

/** A Name without parts. */
export const emptyName: Uint8Array = derSequence();

/** A Name for an authority: who made it, what it is, and a number so that two of the same trust domain have different names. */
export function authorityName(commonName: string, serial: Uint8Array): Uint8Array {
  return derSequence(
    derSet(derSequence(derOid(oid.organization), derUtf8String('Outrigger'))),
    derSet(derSequence(derOid(oid.commonName), derUtf8String(commonName))),
    derSet(derSequence(derOid(oid.nameSerialNumber), derPrintableString(Buffer.from(serial).toString('hex')))),
  );
}

/** The certificate, as DER. */
export function buildCertificate(contents: CertificateContents, signingKey: KeyObject): Uint8Array {
  const algorithm = signatureAlgorithmOf(signingKey);
  const subjectIsEmpty = contents.subject.length === emptyName.length;
  const extensions = [
    extension(oid.keyUsage, true, derNamedBits(contents.keyUsage)),
    ...(contents.pathLength === null
      ? leafExtensions
      : [
          extension(
            oid.basicConstraints,
            true,
            derSequence(derBoolean(true), derInteger(Uint8Array.of(contents.pathLength))),
          ),
        ]),
    extension(oid.subjectKeyIdentifier, false, derOctetString(subjectKeyIdentifier(contents.publicKey))),
    extension(
      oid.authorityKeyIdentifier,
      false,
      derSequence(derElement(contextTag(0, false), contents.authorityKeyId)),
    ),
    // Critical exactly when the subject is empty (RFC 5280 4.1.2.6, X509-SVID 3.1).
    extension(
      oid.subjectAltName,
      subjectIsEmpty,
      derSequence(
        derElement(contextTag(6, false), Buffer.from(contents.uri, 'latin1')),
        ...(contents.dnsNames ?? []).map((name) => derElement(contextTag(2, false), Buffer.from(name, 'latin1'))),
      ),
    ),
  ];
  const toBeSigned = derSequence(
    derElement(contextTag(0, true), derInteger(Uint8Array.of(2))),
    derInteger(contents.serial),
    algorithm.der,
    contents.issuer,
    derSequence(derTime(contents.notBeforeMs), derTime(contents.notAfterMs)),
    contents.subject,
    contents.publicKey,
    derElement(contextTag(3, true), derSequence(...extensions)),
  );
  return derSequence(toBeSigned, algorithm.der, derBitString(signBytes(algorithm, toBeSigned, signingKey)));
}

function extension(id: string, critical: boolean, value: Uint8Array): Uint8Array {
  return critical
    ? derSequence(derOid(id), derBoolean(true), derOctetString(value))
    : derSequence(derOid(id), derOctetString(value));
}

const leafExtensions: readonly Uint8Array[] = [
  extension(oid.extendedKeyUsage, false, derSequence(derOid(oid.serverAuth), derOid(oid.clientAuth))),
  // cA is FALSE by default, and DER leaves defaults out: an empty sequence says it.
  extension(oid.basicConstraints, true, derSequence()),
];

/** A serial number of 158 random bits in 20 octets: positive, and always of the same length (RFC 5280 4.1.2.2; CA/Browser Forum: at least 64 random bits). */
export function randomSerial(randomBytes: (length: number) => Uint8Array): Uint8Array {
  const serial = Uint8Array.from(randomBytes(20));
  serial[0] = (serial[0]! & 0x3f) | 0x40;
  return serial;
}

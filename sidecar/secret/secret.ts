/** A named secret: what a sidecar proves itself with, or what it judges others by. Made only from text that loads, so whoever gets one can use it. */
import type { X509Certificate } from 'node:crypto';
import type { SubjectAltNameMatch, TrustDomainRoots } from '../config/tls-config.ts';
import { certificatePemFault, keyPairFault, pemCertificates } from '../transport/pem-text.ts';
import { trustDomainsFault } from '../transport/trust-domains.ts';

/** What a secret says. */
export type SecretValue =
  | {
      readonly kind: 'certificate';
      /** Leaf first. */
      readonly chainPem: string;
      readonly keyPem: string;
    }
  | {
      readonly kind: 'validation';
      readonly trustedCaPem: string;
      /** Each trust domain by its own roots; absent: `trustedCaPem` counts for every peer. */
      readonly trustDomains?: readonly TrustDomainRoots[];
      /** Names wanted beside those of whoever refers to it. */
      readonly subjectAltNames: readonly SubjectAltNameMatch[];
    };

/** One version of a secret; a new version is a new object. */
export interface Secret {
  /** Under which it is stored; see SecretReference.key. */
  readonly key: string;
  /** As people call it. */
  readonly name: string;
  readonly version: string;
  readonly updatedWallMs: number;
  readonly value: SecretValue;
  /** The leaf, or each of the trusted CAs. */
  readonly certificates: readonly X509Certificate[];
  /** When the leaf's life began and ends; of CAs: when the last of them ends. */
  readonly notBeforeWallMs: number;
  readonly notAfterWallMs: number;
}

/** A part of a secret that cannot be used: `field` as it is called in Envoy's Secret. */
export interface SecretFault {
  readonly field:
    | 'tls_certificate'
    | 'tls_certificate.private_key'
    | 'validation_context.trusted_ca'
    | 'validation_context.custom_validator_config';
  readonly message: string;
}

/** Why a value cannot be used, never with key material; null when it can. */
export function secretFault(value: SecretValue): SecretFault | null {
  if (value.kind === 'validation') {
    const domains = value.trustDomains === undefined ? null : trustDomainsFault(value.trustDomains);
    if (domains !== null)
      return { field: 'validation_context.custom_validator_config', message: `trust domain ${domains}` };
    const message = certificatePemFault(value.trustedCaPem);
    return message === null ? null : { field: 'validation_context.trusted_ca', message };
  }
  const chain = certificatePemFault(value.chainPem);
  if (chain !== null) return { field: 'tls_certificate', message: chain };
  const key = keyPairFault(value.chainPem, value.keyPem);
  return key === null ? null : { field: 'tls_certificate.private_key', message: key };
}

/** The secret of a value without fault. */
export function makeSecret(
  key: string,
  name: string,
  version: string,
  updatedWallMs: number,
  value: SecretValue,
): Secret {
  const all = pemCertificates(value.kind === 'certificate' ? value.chainPem : value.trustedCaPem);
  const certificates = value.kind === 'certificate' ? all.slice(0, 1) : all;
  return Object.freeze({
    key,
    name,
    version,
    updatedWallMs,
    value,
    certificates,
    notBeforeWallMs: Math.min(...certificates.map((each) => Date.parse(each.validFrom))),
    notAfterWallMs: Math.max(...certificates.map((each) => Date.parse(each.validTo))),
  });
}

/** Whether two values say the same. */
export function sameSecretValue(a: SecretValue, b: SecretValue): boolean {
  if (a.kind === 'certificate') return b.kind === 'certificate' && a.chainPem === b.chainPem && a.keyPem === b.keyPem;
  return (
    b.kind === 'validation' &&
    a.trustedCaPem === b.trustedCaPem &&
    JSON.stringify(a.trustDomains) === JSON.stringify(b.trustDomains) &&
    JSON.stringify(a.subjectAltNames) === JSON.stringify(b.subjectAltNames)
  );
}

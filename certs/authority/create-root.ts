/** A root of our own: key and self-signed certificate for a trust domain, made on first start and at each root rotation. */
import { generateKeyPairSync } from 'node:crypto';
import { trustDomainId } from '../spiffe/spiffe-id.ts';
import { authorityName, buildCertificate, randomSerial } from '../x509/build-certificate.ts';
import { readCertificate } from '../x509/certificate.ts';
import { keyUsageBit } from '../x509/extensions.ts';
import { publicKeyDer, subjectKeyIdentifier } from '../x509/public-key.ts';
import type { IssuingClock } from './issuing-clock.ts';
import { backdateMs } from './sign-leaf.ts';
import { makeSigningAuthority, type SigningAuthority } from './signing-authority.ts';

export const defaultRootLifetimeMs: number = 10 * 365 * 24 * 3_600_000;

/** ECDSA P-256, valid for 10 years unless said otherwise, for leaves only (path length 0), with the trust domain's SPIFFE ID. Throws IdentityFault `invalid-spiffe-id`. */
export function createRoot(
  trustDomain: string,
  clock: IssuingClock,
  lifetimeMs: number = defaultRootLifetimeMs,
): SigningAuthority {
  const { text: uri } = trustDomainId(trustDomain);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const serial = randomSerial(clock.randomBytes);
  const name = authorityName('Outrigger root', serial);
  const spki = publicKeyDer(publicKey);
  const nowMs = clock.nowMs();
  const der = buildCertificate(
    {
      serial,
      issuer: name,
      subject: name,
      notBeforeMs: nowMs - backdateMs,
      notAfterMs: nowMs + lifetimeMs,
      publicKey: spki,
      uri,
      keyUsage: keyUsageBit.keyCertSign | keyUsageBit.cRLSign,
      pathLength: 0,
      authorityKeyId: subjectKeyIdentifier(spki),
    },
    privateKey,
  );
  return makeSigningAuthority({ chain: [readCertificate(der)], roots: [], key: privateKey, trustDomain }, nowMs);
}

/** Signs leaves: the certificates that workloads are known by. Who gets which identity is decided by the caller; this makes sure only that the result is one that every peer accepts. */
import { IdentityFault } from '../identity-fault.ts';
import { checkValidity } from '../spiffe/check-authority.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import { buildCertificate, emptyName, randomSerial } from '../x509/build-certificate.ts';
import { sameBytes } from '../x509/certificate.ts';
import { keyUsageBit } from '../x509/extensions.ts';
import { subjectKeyIdentifier } from '../x509/public-key.ts';
import type { IssuingClock } from './issuing-clock.ts';
import type { SigningAuthority } from './signing-authority.ts';

/** How far certificates reach back, for peers whose clocks are behind. */
export const backdateMs = 60_000;
export const defaultLeafLifetimeMs: number = 24 * 3_600_000;

export interface IssuedLeaf {
  /** DER: the leaf, and the authorities that a peer needs between it and a root. */
  readonly chain: readonly Uint8Array[];
  readonly id: SpiffeId;
  /** Lower-case hexadecimal. */
  readonly serial: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** {@link SigningAuthority.id} of who signed. */
  readonly authorityId: string;
}

/**
 * A certificate for this public key (SubjectPublicKeyInfo, from a request that was verified) and identity, for `lifetimeMs` from now or until the authority's own end, if that is sooner.
 * `dnsNames`: for a server that is called by name from outside of the mesh. Throws IdentityFault `wrong-trust-domain`, `not-a-leaf`, `not-yet-valid` or `expired`.
 */
export function signLeaf(
  authority: SigningAuthority,
  publicKey: Uint8Array,
  id: SpiffeId,
  lifetimeMs: number,
  clock: IssuingClock,
  dnsNames: readonly string[] = [],
): IssuedLeaf {
  const signer = authority.chain[0]!;
  const nowMs = clock.nowMs();
  if (id.trustDomain !== authority.trustDomain)
    throw new IdentityFault(
      'wrong-trust-domain',
      `${id.text} is not of the trust domain ${authority.trustDomain}, which this authority signs for`,
    );
  if (id.path === '') throw new IdentityFault('not-a-leaf', `${id.text} names a trust domain and nobody in it`);
  checkValidity(signer, Math.min(nowMs, signer.notAfterMs), `the authority ${authority.id}`);
  const notBeforeMs = wholeSeconds(Math.max(nowMs - backdateMs, signer.notBeforeMs));
  const notAfterMs = wholeSeconds(Math.min(nowMs + lifetimeMs, authority.notAfterMs));
  if (notAfterMs <= nowMs)
    throw new IdentityFault(
      'expired',
      `the authority ${authority.id} has expired (${new Date(authority.notAfterMs).toISOString()}) and signs nothing any more; give it a new one`,
    );
  const serial = randomSerial(clock.randomBytes);
  const leaf = buildCertificate(
    {
      serial,
      issuer: signer.subject,
      subject: emptyName,
      notBeforeMs,
      notAfterMs,
      publicKey,
      uri: id.text,
      dnsNames,
      keyUsage: keyUsageBit.digitalSignature,
      pathLength: null,
      authorityKeyId: signer.extensions.subjectKeyId ?? subjectKeyIdentifier(signer.publicKeyDer),
    },
    authority.key,
  );
  const between = authority.chain.filter((certificate) => !sameBytes(certificate.issuer, certificate.subject));
  return {
    chain: [leaf, ...between.map((certificate) => certificate.der)],
    id,
    serial: Buffer.from(serial).toString('hex'),
    notBeforeMs,
    notAfterMs,
    authorityId: authority.id,
  };
}

function wholeSeconds(timeMs: number): number {
  return Math.floor(timeMs / 1000) * 1000;
}

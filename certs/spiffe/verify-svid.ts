/** Who a peer is: the rules for a leaf (X509-SVID 5.2), and the path from it to a root of its own trust domain (5.1, RFC 5280 6.1). */
import { IdentityFault } from '../identity-fault.ts';
import { type Certificate, isSignedBy, sameBytes } from '../x509/certificate.ts';
import { keyUsageBit } from '../x509/extensions.ts';
import { oid } from '../x509/object-identifiers.ts';
import { checkAuthority, checkNoUnknownCritical, checkValidity } from './check-authority.ts';
import { parseSpiffeId, type SpiffeId } from './spiffe-id.ts';
import type { TrustBundle } from './trust-bundle.ts';

/** What the peer is to us: a server that we called, or a client that called us. */
export type PeerRole = 'server' | 'client';

/**
 * The one SPIFFE ID of a leaf, by every rule that needs no issuer: who has checked the path by other means (OpenSSL, against roots of one trust domain only) needs no more than this.
 * Throws IdentityFault `no-identity`, `several-identities`, `invalid-spiffe-id`, `not-a-leaf`, `key-usage`, `not-yet-valid`, `expired` or `unknown-critical-extension`.
 */
export function leafIdentity(leaf: Certificate, role: PeerRole, nowMs: number): SpiffeId {
  const { extensions } = leaf;
  const { uris, keyUsage, extendedKeyUsage } = extensions;
  if (uris.length === 0)
    throw new IdentityFault('no-identity', 'the certificate has no URI name, so it says no SPIFFE ID');
  if (uris.length > 1)
    throw new IdentityFault(
      'several-identities',
      `the certificate has ${uris.length} URI names; a SPIFFE identity is exactly one`,
    );
  const id = parseSpiffeId(uris[0]!);
  if (extensions.isCa)
    throw new IdentityFault(
      'not-a-leaf',
      `the certificate of ${id.text} is an authority's; an authority does not speak for itself`,
    );
  if (id.path === '') throw new IdentityFault('not-a-leaf', `${id.text} names a trust domain and nobody in it`);
  if (keyUsage === null || (keyUsage & keyUsageBit.digitalSignature) === 0)
    throw new IdentityFault(
      'key-usage',
      `the certificate of ${id.text} is not for signing: its keyUsage lacks digitalSignature`,
    );
  if ((keyUsage & (keyUsageBit.keyCertSign | keyUsageBit.cRLSign)) !== 0)
    throw new IdentityFault(
      'not-a-leaf',
      `the certificate of ${id.text} has an authority's keyUsage (keyCertSign or cRLSign)`,
    );
  const purpose = role === 'server' ? oid.serverAuth : oid.clientAuth;
  if (
    extendedKeyUsage !== null &&
    !extendedKeyUsage.includes(purpose) &&
    !extendedKeyUsage.includes(oid.anyExtendedKeyUsage)
  )
    throw new IdentityFault(
      'key-usage',
      `the certificate of ${id.text} is not for a TLS ${role}: its extended key usage lacks ${role}Auth`,
    );
  checkValidity(leaf, nowMs, `the certificate of ${id.text}`);
  checkNoUnknownCritical(leaf, `the certificate of ${id.text}`);
  return id;
}

const maxChain = 8;
/** A chain made to be long to follow is not followed to its end: an honest one of 8 takes 28 at most. */
const maxSteps = 64;

/**
 * Who holds this chain (leaf first, in any order behind it): the ID, when the path ends at a root of the ID's own trust domain. `bundleOf` gives null for a trust domain that is not trusted.
 * Throws IdentityFault: as {@link leafIdentity}, `wrong-trust-domain`, `untrusted`, and what is wrong with the authority that comes nearest.
 */
export function verifySvid(
  chain: readonly Certificate[],
  bundleOf: (trustDomain: string) => TrustBundle | null,
  role: PeerRole,
  nowMs: number,
): SpiffeId {
  const [leaf, ...others] = chain;
  if (leaf === undefined) throw new IdentityFault('no-identity', 'there is no certificate');
  if (chain.length > maxChain)
    throw new IdentityFault('too-large', `a chain of ${chain.length} certificates; the limit is ${maxChain}`);
  const id = leafIdentity(leaf, role, nowMs);
  const bundle = bundleOf(id.trustDomain);
  if (bundle === null)
    throw new IdentityFault(
      'wrong-trust-domain',
      `${id.text} is of the trust domain ${id.trustDomain}, whose roots are not trusted here`,
    );
  let fault = new IdentityFault(
    'untrusted',
    `no root of ${id.trustDomain} has signed the certificate of ${id.text}, nor an authority that it sent along`,
  );
  let stepsLeft = maxSteps;
  /** Whether a root is reached from `current`; every authority that fits is tried, as keys and names are shared by old and cross-signed ones. */
  const reachesRoot = (current: Certificate, left: readonly Certificate[], authoritiesBelow: number): boolean => {
    for (const root of bundle.roots) {
      if (!sameBytes(root.subject, current.issuer)) continue;
      try {
        if (!isSignedBy(current, root))
          throw new IdentityFault(
            'bad-signature',
            `the root that signed for ${id.text} by its name did not sign by its key`,
          );
        checkAuthority(root, authoritiesBelow, nowMs, `a root of ${id.trustDomain}`);
        return true;
      } catch (error) {
        fault = error as IdentityFault;
      }
    }
    for (const candidate of left) {
      if (stepsLeft-- <= 0) return false;
      if (!isSignedBy(current, candidate)) continue;
      try {
        checkAuthority(candidate, authoritiesBelow, nowMs, `an authority in the chain of ${id.text}`);
      } catch (error) {
        fault = error as IdentityFault;
        continue;
      }
      const rest = left.filter((each) => each !== candidate);
      if (reachesRoot(candidate, rest, authoritiesBelow + 1)) return true;
    }
    return false;
  };
  if (reachesRoot(leaf, others, 0)) return id;
  throw fault;
}

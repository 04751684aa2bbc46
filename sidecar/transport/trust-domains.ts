/**
 * Each trust domain is judged by its own roots only (Envoy's SPIFFE validator). OpenSSL verifies a chain against the roots of all of them, so who comes from one could be vouched for by
 * another's: the chain is followed again here, to a root of the trust domain that the certificate itself names. With one trust domain there is nothing to follow again.
 */
import type { X509Certificate } from 'node:crypto';
import { IdentityFault } from '../../certs/identity-fault.ts';
import type { SpiffeId } from '../../certs/spiffe/spiffe-id.ts';
import { type TrustBundle, trustBundleFromPem } from '../../certs/spiffe/trust-bundle.ts';
import { type PeerRole, verifySvid } from '../../certs/spiffe/verify-svid.ts';
import { type Certificate, readCertificate } from '../../certs/x509/certificate.ts';
import type { TrustDomainRoots } from '../config/tls-config.ts';

/** Longer chains are refused anyway (verify-svid.ts). */
const longestChain = 16;

/** Bundles of a configuration, read once. */
const bundles = new WeakMap<readonly TrustDomainRoots[], ReadonlyMap<string, TrustBundle>>();

/** Why these cannot be used, in a few words; null when they can. */
export function trustDomainsFault(domains: readonly TrustDomainRoots[]): string | null {
  if (domains.length === 0) return 'there is none';
  const seen = new Set<string>();
  for (const { name, rootsPem } of domains) {
    if (seen.has(name)) return `${JSON.stringify(name)} is there twice`;
    seen.add(name);
    try {
      trustBundleFromPem(name, rootsPem);
    } catch (error) {
      return `${JSON.stringify(name)}: ${(error as Error).message}`;
    }
  }
  return null;
}

/**
 * Throws IdentityFault unless `id`, which stands in `leaf`, is vouched for by its own trust domain. TLS has verified the chain against the roots of all `domains` together.
 */
export function checkTrustDomain(
  domains: readonly TrustDomainRoots[],
  leaf: X509Certificate,
  id: SpiffeId,
  role: PeerRole,
  nowWallMs: number,
): void {
  if (!domains.some(({ name }) => name === id.trustDomain))
    throw new IdentityFault(
      'wrong-trust-domain',
      `the peer is ${id.text}, of the trust domain ${id.trustDomain}, whose roots are not trusted here`,
    );
  if (domains.length === 1) return;
  verifySvid(chainOf(leaf), (name) => bundlesOf(domains).get(name) ?? null, role, nowWallMs);
}

function bundlesOf(domains: readonly TrustDomainRoots[]): ReadonlyMap<string, TrustBundle> {
  let known = bundles.get(domains);
  if (known === undefined) {
    known = new Map(domains.map(({ name, rootsPem }) => [name, trustBundleFromPem(name, rootsPem)]));
    bundles.set(domains, known);
  }
  return known;
}

/** As the peer sent it. */
function chainOf(leaf: X509Certificate): Certificate[] {
  const chain: Certificate[] = [];
  for (
    let each: X509Certificate | undefined = leaf;
    each !== undefined && chain.length < longestChain;
    each = each.issuerCertificate
  )
    chain.push(readCertificate(each.raw));
  return chain;
}

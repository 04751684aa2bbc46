/** Trust bundles as the control plane sends them → checked ones, and what peers are judged by. Everything in a message is a peer's: it is looked at root by root, or refused as a whole. */
import { IdentityFault } from '../../certs/identity-fault.ts';
import { makeTrustBundle, type TrustBundle, trustBundlePem } from '../../certs/spiffe/trust-bundle.ts';
import { readCertificate } from '../../certs/x509/certificate.ts';
import type { SecretValue } from '../secret/secret.ts';
import type { TrustBundle as TrustBundleMessage } from '../xds/api/outrigger/identity/v1/identity_pb.js';

const maxBundles = 256;

/** Our own trust domain's first. Throws IdentityFault. */
export function readBundles(messages: readonly TrustBundleMessage[], trustDomain: string): readonly TrustBundle[] {
  if (messages.length > maxBundles)
    throw new IdentityFault('too-large', `${messages.length} trust bundles came; the limit is ${maxBundles}`);
  const bundles = new Map<string, TrustBundle>();
  for (const { trustDomain: name, roots, sequence } of messages) {
    if (bundles.has(name)) throw new IdentityFault('malformed', `two trust bundles of ${JSON.stringify(name)} came`);
    bundles.set(name, makeTrustBundle(name, roots.map(readCertificate), sequence === 0n ? null : Number(sequence)));
  }
  const own = bundles.get(trustDomain);
  if (own === undefined)
    throw new IdentityFault('malformed', `the trust bundle of our own trust domain ${trustDomain} is missing`);
  bundles.delete(trustDomain);
  return [own, ...bundles.values()];
}

/**
 * What peers are judged by: each trust domain by its own roots, also when there is but our own. So every peer has to be somebody by all rules of SPIFFE, where plain roots would let in any certificate
 * below them.
 */
export function trustValue(bundles: readonly TrustBundle[]): SecretValue {
  const trustDomains = bundles.map((bundle) => ({ name: bundle.trustDomain, rootsPem: trustBundlePem(bundle) }));
  const trustedCaPem = trustDomains.map(({ rootsPem }) => rootsPem).join('');
  return { kind: 'validation', trustedCaPem, trustDomains, subjectAltNames: [] };
}

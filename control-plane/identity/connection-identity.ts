/** Who is at the other end of a gRPC connection, by its client certificate. OpenSSL has checked the path to our own roots in the handshake; the rest is looked at with each call, as certificates expire while connections live. */

import type { CertificateAuthority } from '../../certs/authority/certificate-authority.ts';
import { IdentityFault } from '../../certs/identity-fault.ts';
import type { SpiffeId } from '../../certs/spiffe/spiffe-id.ts';
import { leafIdentity } from '../../certs/spiffe/verify-svid.ts';
import { type Certificate, readCertificate } from '../../certs/x509/certificate.ts';

/** What is used of grpc-js's AuthContext. */
export interface ConnectionContext {
  readonly sslPeerCertificate?: { readonly raw: Uint8Array };
}

export interface ConnectionIdentity {
  readonly id: SpiffeId;
  readonly leaf: Certificate;
}

/**
 * Null: the caller showed no certificate, or none that our roots have signed. Throws IdentityFault when it is one that can't speak for anybody (any more), of another trust domain, or of a root that was taken out of
 * trust since the handshake.
 */
export function connectionIdentity(
  context: ConnectionContext,
  authority: CertificateAuthority,
  nowMs: number,
): ConnectionIdentity | null {
  const der = context.sslPeerCertificate?.raw;
  if (der === undefined) return null;
  const leaf = readCertificate(der);
  const id = leafIdentity(leaf, 'client', nowMs);
  if (id.trustDomain !== authority.trustDomain)
    throw new IdentityFault(
      'wrong-trust-domain',
      `${id.text} is not of the trust domain ${authority.trustDomain}; this control plane serves its own only`,
    );
  if (authority.signedByRetired(leaf))
    throw new IdentityFault(
      'untrusted',
      `who signed the certificate of ${id.text} is trusted no more; get a new one by another proof`,
    );
  return { id, leaf };
}

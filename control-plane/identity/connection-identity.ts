/** Who is at the other end of a gRPC connection, by its client certificate. OpenSSL has checked the path to our own roots in the handshake; the rest is looked at with each call, as certificates expire while connections live. */

import { IdentityFault } from '../../certs/identity-fault.ts';
import type { SpiffeId } from '../../certs/spiffe/spiffe-id.ts';
import { leafIdentity } from '../../certs/spiffe/verify-svid.ts';
import { readCertificate } from '../../certs/x509/certificate.ts';

/** What is used of grpc-js's AuthContext. */
export interface ConnectionContext {
  readonly sslPeerCertificate?: { readonly raw: Uint8Array };
}

/** Null: the caller showed no certificate, or none that our roots have signed. Throws IdentityFault when it is one that can't speak for anybody (any more), or of another trust domain. */
export function connectionIdentity(context: ConnectionContext, trustDomain: string, nowMs: number): SpiffeId | null {
  const der = context.sslPeerCertificate?.raw;
  if (der === undefined) return null;
  const id = leafIdentity(readCertificate(der), 'client', nowMs);
  if (id.trustDomain !== trustDomain)
    throw new IdentityFault(
      'wrong-trust-domain',
      `${id.text} is not of the trust domain ${trustDomain}; this control plane serves its own only`,
    );
  return id;
}

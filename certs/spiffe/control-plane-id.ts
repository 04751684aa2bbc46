/** The control plane's own identity: what its TLS door shows, what sidecars expect there exactly, and what nobody else is ever given. */
import { type SpiffeId, serviceAccountId } from './spiffe-id.ts';

/** Throws IdentityFault `invalid-spiffe-id`. */
export function controlPlaneId(trustDomain: string): SpiffeId {
  return serviceAccountId(trustDomain, 'outrigger', 'control-plane');
}

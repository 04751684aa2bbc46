/** Who may be an instance of a service: the one rule by which `node` and registrations agree with an identity. */
import { IdentityFault } from '../../certs/identity-fault.ts';
import { type SpiffeId, serviceAccountId } from '../../certs/spiffe/spiffe-id.ts';
import type { Caller } from './caller.ts';

/** The accounts of a service, in its own namespace. Never empty. */
export type ServiceAccounts = (namespace: string, service: string) => readonly string[];

/** Of services that name none, and of those that nobody has configured. */
export const accountNamedLikeTheService: ServiceAccounts = (_namespace, service) => [service];

/**
 * The identity by which a caller is an instance of this service: the first of the service's accounts that it speaks for. `what` begins the refusal, as `node.cluster`. Throws IdentityFault `not-allowed`, which
 * says who the caller is and whom the service takes.
 */
export function identityAs(
  caller: Caller,
  namespace: string,
  service: string,
  trustDomain: string,
  accounts: ServiceAccounts,
  what: string,
): SpiffeId {
  // A gRPC application may leave its cluster out where nobody asks who it is.
  if (service === '')
    throw new IdentityFault('not-allowed', `${what} is missing; write it as namespace/service, for ${caller.words}`);
  const accepted = accounts(namespace, service).map((account) => serviceAccountId(trustDomain, namespace, account));
  const own = accepted.find((id) => caller.speaksFor(id));
  if (own !== undefined) return own;
  throw new IdentityFault(
    'not-allowed',
    `${what} says ${namespace}/${service}, which takes ${accepted.map(({ text }) => text).join(' or ')}, and the caller is ${caller.words}; name the account in the Service's spec.serviceAccounts, or get a certificate for ${namespace}/${service}`,
  );
}

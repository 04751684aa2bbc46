/** The filters of an inbound chain that leads to the application, in the order in which they decide: token, DENY, outside service, ALLOW. Each only where a policy needs it. */
import type { HttpFilter } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { conditionsOf, encodeAllowFilter, encodeDenyFilter } from './encode-authorization.ts';
import { encodeExternalFilters, externalServices } from './encode-external-authorization.ts';
import { encodeTokenFilter } from './encode-request-authentication.ts';
import type { ProxyNode } from './proxy-node.ts';
import type { ProxyPolicies } from './proxy-policies.ts';
import { tokenProviders } from './token-provider.ts';

/** Of proxies without an identity: nobody proves one to them either. */
const defaultTrustDomain = 'cluster.local';

export interface PolicyFilters {
  readonly filters: readonly HttpFilter[];
  /** A rule looks at the path, or an outside service may. */
  readonly comparesPaths: boolean;
}

export function encodePolicyFilters(
  { authorizations, requests }: Pick<ProxyPolicies, 'authorizations' | 'requests'>,
  { kind, identity }: Pick<ProxyNode, 'kind' | 'identity'>,
  appPort: number,
): PolicyFilters {
  const providers = tokenProviders(requests);
  const context = { kind, trustDomain: identity?.trustDomain ?? defaultTrustDomain, appPort, providers };
  const { asked, refusals } = externalServices(authorizations);
  const filters = [
    encodeTokenFilter(providers),
    encodeDenyFilter(authorizations, context, refusals),
    ...encodeExternalFilters(asked),
    encodeAllowFilter(authorizations, context),
  ].filter((filter) => filter !== null);
  // A dry run must change nothing, the form of paths neither. What an outside service looks at is its own affair, so the path that it is told must be the application's.
  const comparesPaths = authorizations.some(
    (policy) =>
      !policy.dryRun &&
      (policy.external !== null ||
        conditionsOf(policy).some(({ attribute }) => attribute === 'path' || attribute === 'cel')),
  );
  return { filters, comparesPaths };
}

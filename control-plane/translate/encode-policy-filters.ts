/** The filters of an inbound chain that leads to the application, in the order in which they decide: token, DENY, outside service, ALLOW, rate limits, limits on what is under way, faults. Each only where a policy needs it: what is not allowed takes nothing from a limit, and what is limited meets no fault; a fault's delay is as one of the application. */
import type { RateLimit } from '../../proto/generated/envoy/config/route/v3/route_components_pb.js';
import type { HttpFilter } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { conditionsOf, encodeAllowFilter, encodeDenyFilter } from './encode-authorization.ts';
import { encodeExternalFilters, externalServices } from './encode-external-authorization.ts';
import { encodeFaultFilters } from './encode-faults.ts';
import { encodeInboundFilters } from './encode-inbound-limits.ts';
import { encodeRateLimits } from './encode-rate-limits.ts';
import { encodeTokenFilter } from './encode-request-authentication.ts';
import type { ProxyNode } from './proxy-node.ts';
import type { ProxyPolicies } from './proxy-policies.ts';
import { tokenProviders } from './token-provider.ts';

/** Of proxies without an identity: nobody proves one to them either. */
export const defaultTrustDomain = 'cluster.local';

export interface PolicyFilters {
  readonly filters: readonly HttpFilter[];
  /** A rule or a limit looks at the path, or an outside service may. */
  readonly comparesPaths: boolean;
  /** How the inbound route describes requests to the filters that limit. */
  readonly descriptions: readonly RateLimit[];
}

export function encodePolicyFilters(
  { authorizations, requests, faults, rateLimits, inbound }: Omit<ProxyPolicies, 'mode' | 'modeReason'>,
  { kind, identity, controlPlaneCluster }: Pick<ProxyNode, 'kind' | 'identity' | 'controlPlaneCluster'>,
  appPort: number,
): PolicyFilters {
  const providers = tokenProviders(requests);
  const trustDomain = identity?.trustDomain ?? defaultTrustDomain;
  const context = { kind, trustDomain, appPort, providers };
  const limits = encodeRateLimits(rateLimits, { trustDomain, controlPlaneCluster });
  const underWay = encodeInboundFilters(inbound, kind, trustDomain);
  const { asked, refusals } = externalServices(authorizations);
  const filters = [
    encodeTokenFilter(providers),
    encodeDenyFilter(authorizations, context, [...refusals, ...limits.refusals]),
    ...encodeExternalFilters(asked),
    encodeAllowFilter(authorizations, context),
    ...limits.filters,
    ...underWay.filters,
    ...encodeFaultFilters(faults, trustDomain),
  ].filter((filter) => filter !== null);
  // A dry run must change nothing, the form of paths neither. What an outside service looks at is its own affair, so the path that it is told must be the application's.
  const decidesByPath = authorizations.some(
    (policy) =>
      !policy.dryRun &&
      (policy.external !== null ||
        conditionsOf(policy).some(({ attribute }) => attribute === 'path' || attribute === 'cel')),
  );
  const comparesPaths = decidesByPath || limits.comparesPaths || underWay.comparesPaths;
  return { filters, comparesPaths, descriptions: limits.descriptions };
}

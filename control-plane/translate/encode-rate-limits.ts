/**
 * RateLimitPolicies → Envoy's local_ratelimit and ratelimit filters on the inbound chain, and the descriptions of requests (`rate_limits` of the inbound route) that they limit by. Limits with the same settings share a filter; what
 * tells filters apart in a route is their stage.
 */
import { create } from '@bufbuild/protobuf';
import { ApiVersion } from '../../proto/generated/envoy/config/core/v3/config_source_pb.js';
import {
  type RateLimit as RouteRateLimit,
  RateLimitSchema as RouteRateLimitSchema,
} from '../../proto/generated/envoy/config/route/v3/route_components_pb.js';
import { XRateLimitHeadersRFCVersion } from '../../proto/generated/envoy/extensions/common/ratelimit/v3/ratelimit_pb.js';
import { LocalRateLimitSchema } from '../../proto/generated/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.js';
import {
  RateLimit_XRateLimitHeadersRFCVersion,
  RateLimitSchema,
} from '../../proto/generated/envoy/extensions/filters/http/ratelimit/v3/rate_limit_pb.js';
import type { HttpFilter } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { UriSanInputSchema } from '../../proto/generated/envoy/extensions/matching/common_inputs/ssl/v3/ssl_inputs_pb.js';
import type { GlobalLimit, LimitKeys, LocalLimit, RequestMatch } from '../config-kind/policy-resource.ts';
import { limitName, maxLimitFilters, ruleKey } from '../model/limit-name.ts';
import type { RateLimits } from '../model/policy-set.ts';
import { durationOf } from './api-values.ts';
import { httpFilter } from './encode-http-manager.ts';
import { encodeRequestMatch } from './encode-request-match.ts';
import { packAny } from './encoded-resource.ts';
import { outboundCluster } from './resource-names.ts';

const builtInDomain = 'outrigger';
const callerKey = 'caller';

export interface EncodedRateLimits {
  readonly filters: readonly HttpFilter[];
  /** Of the inbound route. */
  readonly descriptions: readonly RouteRateLimit[];
  /** Why requests are denied where nobody can be asked and a policy fails closed. */
  readonly refusals: readonly string[];
  /** A limit looks at the path. */
  readonly comparesPaths: boolean;
}

interface NamedLimit<Limit extends LocalLimit | GlobalLimit> {
  readonly name: string;
  readonly limit: Limit;
}

export interface RateLimitContext {
  readonly trustDomain: string;
  /** Cluster that leads to the control plane; '' : not known. */
  readonly controlPlaneCluster: string;
}

export function encodeRateLimits(policies: readonly RateLimits[], context: RateLimitContext): EncodedRateLimits {
  const filters: HttpFilter[] = [];
  const descriptions: RouteRateLimit[] = [];
  const refusals: string[] = [];
  const describe = (stage: number, { name, limit }: NamedLimit<LocalLimit | GlobalLimit>): void =>
    void descriptions.push(description(stage, name, limit, context.trustDomain));

  const local = policies.filter((policy) => policy.local.length > 0);
  for (const group of Map.groupBy(local, ({ status, tellsLimits }) => `${status} ${tellsLimits}`).values()) {
    const stage = filters.length;
    if (stage >= maxLimitFilters) break;
    const limits = group.flatMap((policy) => named(policy, policy.local, 'local'));
    for (const each of limits) describe(stage, each);
    filters.push(localFilter(limits, group[0]!, stage));
  }

  const global = policies.filter((policy) => policy.global.length > 0);
  const settings = ({ status, tellsLimits, service, failOpen, timeoutMs }: RateLimits): string =>
    JSON.stringify([status, tellsLimits, service, failOpen, timeoutMs]);
  for (const group of Map.groupBy(global, settings).values()) {
    const first = group[0]!;
    const asked = askedCluster(first, context);
    if ('problem' in asked) {
      if (!first.failOpen)
        refusals.push(...group.map(({ namespace, name }) => `${namespace}/${name}: ${asked.problem}`));
      continue;
    }
    const stage = filters.length;
    if (stage >= maxLimitFilters) break;
    for (const policy of group) for (const each of named(policy, policy.global, 'global')) describe(stage, each);
    filters.push(globalFilter(asked.cluster, first, stage));
  }
  const comparesPaths = policies.some(({ local, global }) =>
    [...local, ...global].some(({ match }) => match.paths.length > 0),
  );
  return { filters, descriptions, refusals, comparesPaths };
}

function named<Limit extends LocalLimit | GlobalLimit>(
  policy: RateLimits,
  limits: readonly Limit[],
  scope: 'local' | 'global',
): Array<NamedLimit<Limit>> {
  return limits.map((limit, at) => ({ name: limitName(policy, scope, at), limit }));
}

function askedCluster(
  { service }: RateLimits,
  { controlPlaneCluster }: RateLimitContext,
): { readonly cluster: string } | { readonly problem: string } {
  if (service !== null)
    return service.problem === ''
      ? { cluster: outboundCluster(service.namespace, service.service, service.port) }
      : { problem: service.problem };
  return controlPlaneCluster === ''
    ? {
        problem:
          'the proxy says not which of its clusters leads to the control plane (node.metadata.control_plane_cluster, docs/authority.md)',
      }
    : { cluster: controlPlaneCluster };
}

/** Entries of a description, in order; a local limit has the same, with '' for any value. */
function description(
  stage: number,
  name: string,
  { match, by }: { readonly match: RequestMatch; readonly by: LimitKeys },
  trustDomain: string,
): RouteRateLimit {
  const headers = encodeRequestMatch(match, trustDomain);
  const matched = {
    actionSpecifier: {
      case: 'headerValueMatch' as const,
      value: { descriptorKey: 'match', descriptorValue: 'yes', headers },
    },
  };
  return create(RouteRateLimitSchema, {
    stage,
    actions: [
      { actionSpecifier: { case: 'genericKey', value: { descriptorKey: ruleKey, descriptorValue: name } } },
      ...(headers.length === 0 ? [] : [matched]),
      ...(by.caller
        ? [
            {
              actionSpecifier: {
                case: 'extension' as const,
                // Envoy takes inputs of matchers as descriptors; the key is the name.
                value: { name: callerKey, typedConfig: packAny(UriSanInputSchema, create(UriSanInputSchema)) },
              },
            },
          ]
        : []),
      ...(by.remoteAddress ? [{ actionSpecifier: { case: 'remoteAddress' as const, value: {} } }] : []),
      ...by.headers.map((headerName) => ({
        actionSpecifier: { case: 'requestHeaders' as const, value: { headerName, descriptorKey: headerName } },
      })),
    ],
  });
}

function entries({ name, limit: { match, by } }: NamedLimit<LocalLimit>): Array<{ key: string; value: string }> {
  const matches = match.paths.length + match.methods.length + match.headers.length + match.callers.length > 0;
  return [
    { key: ruleKey, value: name },
    ...(matches ? [{ key: 'match', value: 'yes' }] : []),
    ...(by.caller ? [{ key: callerKey, value: '' }] : []),
    ...(by.remoteAddress ? [{ key: 'remote_address', value: '' }] : []),
    ...by.headers.map((key) => ({ key, value: '' })),
  ];
}

function localFilter(
  limits: ReadonlyArray<NamedLimit<LocalLimit>>,
  { status, tellsLimits }: RateLimits,
  stage: number,
): HttpFilter {
  const always = { defaultValue: { numerator: 100 } };
  const name = 'envoy.filters.http.local_ratelimit';
  return httpFilter(
    stage === 0 ? name : `${name}.${stage}`,
    LocalRateLimitSchema,
    create(LocalRateLimitSchema, {
      statPrefix: stage === 0 ? 'rate_limits' : `rate_limits_${stage}`,
      status: { code: status },
      filterEnabled: always,
      filterEnforced: always,
      descriptors: limits.map((each) => ({
        entries: entries(each),
        tokenBucket: {
          maxTokens: each.limit.burst,
          tokensPerFill: each.limit.requests,
          fillInterval: durationOf(each.limit.perMs),
        },
      })),
      stage,
      enableXRatelimitHeaders: tellsLimits
        ? XRateLimitHeadersRFCVersion.DRAFT_VERSION_03
        : XRateLimitHeadersRFCVersion.OFF,
      rateLimitedAsResourceExhausted: true,
    }),
  );
}

function globalFilter(
  cluster: string,
  { service, failOpen, timeoutMs, status, tellsLimits }: RateLimits,
  stage: number,
): HttpFilter {
  const name = 'envoy.filters.http.ratelimit';
  return httpFilter(
    stage === 0 ? name : `${name}.${stage}`,
    RateLimitSchema,
    create(RateLimitSchema, {
      domain: service?.domain ?? builtInDomain,
      stage,
      timeout: durationOf(timeoutMs),
      failureModeDeny: !failOpen,
      rateLimitedAsResourceExhausted: true,
      rateLimitService: {
        grpcService: {
          targetSpecifier: { case: 'envoyGrpc', value: { clusterName: cluster } },
          timeout: durationOf(timeoutMs),
        },
        transportApiVersion: ApiVersion.V3,
      },
      enableXRatelimitHeaders: tellsLimits
        ? RateLimit_XRateLimitHeadersRFCVersion.DRAFT_VERSION_03
        : RateLimit_XRateLimitHeadersRFCVersion.OFF,
      rateLimitedStatus: { code: status },
    }),
  );
}

/** AuthorizationPolicies with action EXTERNAL → Envoy's ext_authz filter, by the cluster of the service that is asked. */
import { create } from '@bufbuild/protobuf';
import { ApiVersion } from '../../proto/generated/envoy/config/core/v3/config_source_pb.js';
import {
  type ExtAuthz,
  ExtAuthzSchema,
} from '../../proto/generated/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.js';
import type { HttpFilter } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import {
  type ListStringMatcher,
  ListStringMatcherSchema,
} from '../../proto/generated/envoy/type/matcher/v3/string_pb.js';
import type { Authorization, ExternalService } from '../model/policy-set.ts';
import { durationOf } from './api-values.ts';
import { httpFilter } from './encode-http-manager.ts';
import { KeptByParts } from './kept-by-parts.ts';
import { outboundCluster } from './resource-names.ts';
import { jwtFilterName } from './token-provider.ts';

const kept = new KeptByParts<HttpFilter>();

/** Services that can be asked, and why requests are denied where one cannot. */
export function externalServices(authorizations: readonly Authorization[]): {
  readonly asked: ReadonlyArray<Authorization & { readonly external: ExternalService }>;
  readonly refusals: readonly string[];
} {
  const all = authorizations.filter(
    (each): each is Authorization & { readonly external: ExternalService } => each.external !== null,
  );
  return {
    asked: all.filter(({ external }) => external.problem === ''),
    refusals: all
      .filter(({ external }) => external.problem !== '' && !external.failOpen)
      .map(({ namespace, name, external }) => `${namespace}/${name}: ${external.problem}`),
  };
}

/** One filter each: all of the services must agree. It is named for the policy, which so stands in our sidecar's answers and logs; to Envoy the type says what it is. */
export function encodeExternalFilters(
  asked: ReadonlyArray<Authorization & { readonly external: ExternalService }>,
): HttpFilter[] {
  return asked.map((policy) => {
    const policyName = `${policy.namespace}/${policy.name}`;
    return kept.get([policy], '', () => httpFilter(policyName, ExtAuthzSchema, extAuthz(policy.external, policyName)));
  });
}

function extAuthz(external: ExternalService, policyName: string): ExtAuthz {
  const { namespace, service, port, protocol, failOpen, timeoutMs, includeRequestHeaders, pathPrefix } = external;
  const cluster = outboundCluster(namespace, service, port);
  const authority = `${service}.${namespace}:${port}`;
  return create(ExtAuthzSchema, {
    transportApiVersion: ApiVersion.V3,
    failureModeAllow: failOpen,
    statPrefix: policyName.replace('/', '_'),
    // What earlier filters found of the token, for the service to decide by.
    metadataContextNamespaces: protocol === 'grpc' ? [jwtFilterName] : [],
    ...(includeRequestHeaders === null ? {} : { allowedHeaders: exactly(includeRequestHeaders) }),
    services:
      protocol === 'grpc'
        ? {
            case: 'grpcService',
            value: {
              targetSpecifier: { case: 'envoyGrpc', value: { clusterName: cluster, authority } },
              timeout: durationOf(timeoutMs),
            },
          }
        : {
            case: 'httpService',
            value: {
              serverUri: {
                uri: `http://${authority}`,
                httpUpstreamType: { case: 'cluster', value: cluster },
                timeout: durationOf(timeoutMs),
              },
              pathPrefix,
              authorizationResponse: { allowedUpstreamHeaders: exactly(external.headersToUpstream) },
            },
          },
  });
}

function exactly(names: readonly string[]): ListStringMatcher {
  return create(ListStringMatcherSchema, {
    patterns: names.map((name) => ({ matchPattern: { case: 'exact' as const, value: name }, ignoreCase: true })),
  });
}

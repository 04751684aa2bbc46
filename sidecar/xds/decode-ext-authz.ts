/** ExtAuthz and ExtAuthzPerRoute → ExtAuthzConfig. Unsupported fields were reported by check-fields.ts; here are the rules of what is there. */
import type { Message } from '@bufbuild/protobuf';
import type {
  ExtAuthzConfig,
  ExtAuthzRouteConfig,
  GrpcAuthorizationConfig,
  HttpAuthorizationConfig,
} from '../config/ext-authz-config.ts';
import type { RouteGateConfig } from '../config/gate-config.ts';
import type { StringMatchConfig } from '../config/route-config.ts';
import type { HeaderValue } from './api/envoy/config/core/v3/base_pb.js';
import { ApiVersion } from './api/envoy/config/core/v3/config_source_pb.js';
import type { GrpcService } from './api/envoy/config/core/v3/grpc_service_pb.js';
import type {
  ExtAuthz,
  ExtAuthzPerRoute,
  HttpService,
} from './api/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.js';
import type { ListStringMatcher } from './api/envoy/type/matcher/v3/string_pb.js';
import { bounded, durationMs, hasControlCharacter, settableHeader, stringMatch } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

const defaultTimeoutMs = 200;

export function extAuthz(message: Message, filterName: string, path: string, faults: Faults): ExtAuthzConfig {
  const filter = message as ExtAuthz;
  const { services } = filter;
  if (services.case === undefined) faults.add(path, 'needs grpc_service or http_service');
  if (filter.transportApiVersion !== ApiVersion.V3 && services.case === 'grpcService')
    faults.add(at(path, 'transport_api_version'), 'only V3 is supported');
  const older = services.case === 'httpService' ? services.value.authorizationRequest?.allowedHeaders : undefined;
  return Object.freeze({
    kind: 'ext-authz',
    filterName,
    statPrefix: filter.statPrefix,
    service:
      services.case === 'httpService'
        ? httpService(services.value, at(path, 'http_service'), faults)
        : grpcService(services.value, at(path, 'grpc_service'), faults),
    failureModeAllow: filter.failureModeAllow,
    failureModeAllowHeaderAdd: filter.failureModeAllowHeaderAdd,
    statusOnError:
      filter.statusOnError === undefined
        ? 403
        : bounded(filter.statusOnError.code, 403, 200, 599, at(path, 'status_on_error.code'), faults),
    allowedHeaders:
      filter.allowedHeaders === undefined
        ? matchers(older, at(path, 'http_service.authorization_request.allowed_headers'), faults)
        : matchers(filter.allowedHeaders, at(path, 'allowed_headers'), faults),
    disallowedHeaders: matchers(filter.disallowedHeaders, at(path, 'disallowed_headers'), faults) ?? [],
    metadataNamespaces: filter.metadataContextNamespaces,
    includeTlsSession: filter.includeTlsSession,
    takesDynamicMetadata: filter.enableDynamicMetadataIngestion ?? true,
  });
}

export function extAuthzPerRoute(
  message: Message,
  outer: RouteGateConfig | undefined,
  path: string,
  faults: Faults,
): ExtAuthzRouteConfig {
  const { override } = message as ExtAuthzPerRoute;
  if (override.case === undefined) faults.add(path, 'needs disabled or check_settings');
  if (override.case === 'disabled' && !override.value) faults.add(at(path, 'disabled'), 'can only be true');
  // What the levels above say of the context goes on, entry by entry (Envoy).
  const above = outer?.kind === 'ext-authz' ? outer.contextExtensions : new Map<string, string>();
  const own = override.case === 'checkSettings' ? Object.entries(override.value.contextExtensions) : [];
  return Object.freeze({
    kind: 'ext-authz',
    disabled: override.case === 'disabled',
    contextExtensions: new Map([...above, ...own]),
  });
}

export function grpcService(message: GrpcService | undefined, path: string, faults: Faults): GrpcAuthorizationConfig {
  const target = message?.targetSpecifier.case === 'envoyGrpc' ? message.targetSpecifier.value : undefined;
  if (message !== undefined && target === undefined) faults.add(path, 'needs envoy_grpc');
  const cluster = target?.clusterName ?? '';
  if (target !== undefined && cluster === '') faults.add(at(path, 'envoy_grpc.cluster_name'), 'must not be empty');
  if (hasControlCharacter(target?.authority ?? ''))
    faults.add(at(path, 'envoy_grpc.authority'), 'has a character that may not stand in a header value');
  return {
    kind: 'grpc',
    cluster,
    authority: target === undefined || target.authority === '' ? cluster : target.authority,
    timeoutMs: durationMs(message?.timeout, defaultTimeoutMs, at(path, 'timeout'), faults),
    initialMetadata: headers(message?.initialMetadata ?? [], at(path, 'initial_metadata'), faults),
  };
}

function httpService(message: HttpService, path: string, faults: Faults): HttpAuthorizationConfig {
  const uri = message.serverUri;
  const uriPath = at(path, 'server_uri');
  if (uri === undefined) faults.add(uriPath, 'is missing');
  const cluster = uri?.httpUpstreamType.case === 'cluster' ? uri.httpUpstreamType.value : '';
  if (uri !== undefined && cluster === '') faults.add(at(uriPath, 'cluster'), 'must not be empty');
  if (message.pathPrefix !== '' && !/^\/[!$-;=@-Z_a-z~%]*$/.test(message.pathPrefix))
    faults.add(at(path, 'path_prefix'), `${JSON.stringify(message.pathPrefix)} is not a path that begins with /`);
  const request = at(path, 'authorization_request');
  const response = at(path, 'authorization_response');
  const answer = message.authorizationResponse;
  return {
    kind: 'http',
    cluster,
    timeoutMs: durationMs(uri?.timeout, defaultTimeoutMs, at(uriPath, 'timeout'), faults),
    pathPrefix: message.pathPrefix,
    headersToAdd: headers(message.authorizationRequest?.headersToAdd ?? [], at(request, 'headers_to_add'), faults),
    upstreamHeaders: matchers(answer?.allowedUpstreamHeaders, at(response, 'allowed_upstream_headers'), faults) ?? [],
    upstreamHeadersToAppend:
      matchers(answer?.allowedUpstreamHeadersToAppend, at(response, 'allowed_upstream_headers_to_append'), faults) ??
      [],
    clientHeaders: matchers(answer?.allowedClientHeaders, at(response, 'allowed_client_headers'), faults),
    clientHeadersOnSuccess:
      matchers(answer?.allowedClientHeadersOnSuccess, at(response, 'allowed_client_headers_on_success'), faults) ?? [],
  };
}

/** null: there is no list, or an empty one. */
function matchers(
  message: ListStringMatcher | undefined,
  path: string,
  faults: Faults,
): readonly StringMatchConfig[] | null {
  if (message === undefined || message.patterns.length === 0) return null;
  return message.patterns.map((pattern, i) => stringMatch(pattern, at(at(path, 'patterns'), i), faults));
}

function headers(
  values: readonly HeaderValue[],
  path: string,
  faults: Faults,
): ReadonlyArray<readonly [string, string]> {
  return values.map(({ key, value }, i) => {
    if (!settableHeader(key))
      faults.add(at(at(path, i), 'key'), `${JSON.stringify(key)} is not a header that can be added`);
    if (hasControlCharacter(value))
      faults.add(at(at(path, i), 'value'), 'has a character that may not stand in a header value');
    return [key.toLowerCase(), value] as const;
  });
}

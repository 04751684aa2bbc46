/** Configurations for tests: Envoy's defaults, with what a test wants otherwise. */
import type {
  ExtAuthzConfig,
  GrpcAuthorizationConfig,
  HttpAuthorizationConfig,
} from '../../../config/ext-authz-config.ts';

/** Asks cluster `authz` over gRPC, unless it says otherwise. */
export function extAuthzConfig(overrides: Partial<ExtAuthzConfig> = {}): ExtAuthzConfig {
  return {
    kind: 'ext-authz',
    filterName: 'envoy.filters.http.ext_authz',
    statPrefix: '',
    service: grpcService(),
    failureModeAllow: false,
    failureModeAllowHeaderAdd: false,
    statusOnError: 403,
    allowedHeaders: null,
    disallowedHeaders: [],
    metadataNamespaces: [],
    includeTlsSession: false,
    takesDynamicMetadata: true,
    ...overrides,
  };
}

export function grpcService(overrides: Partial<GrpcAuthorizationConfig> = {}): GrpcAuthorizationConfig {
  return { kind: 'grpc', cluster: 'authz', authority: 'authz', timeoutMs: 5000, initialMetadata: [], ...overrides };
}

export function httpService(overrides: Partial<HttpAuthorizationConfig> = {}): HttpAuthorizationConfig {
  return {
    kind: 'http',
    cluster: 'authz',
    timeoutMs: 5000,
    pathPrefix: '',
    headersToAdd: [],
    upstreamHeaders: [],
    upstreamHeadersToAppend: [],
    clientHeaders: null,
    clientHeadersOnSuccess: [],
    ...overrides,
  };
}

/** Our frozen form of Envoy's ExtAuthz filter: which outside service is asked whether a request may pass, what it is told, and what happens when it does not answer. */
import type { StringMatchConfig } from './route-config.ts';

export interface ExtAuthzConfig {
  readonly kind: 'ext-authz';
  /** As configured in `http_filters`: what routes call it by. */
  readonly filterName: string;
  /** Stands in the names of its statistics; '': nothing. */
  readonly statPrefix: string;
  readonly service: GrpcAuthorizationConfig | HttpAuthorizationConfig;
  /** A request passes when the service fails. */
  readonly failureModeAllow: boolean;
  /** The application is told of it, by `x-envoy-auth-failure-mode-allowed`. */
  readonly failureModeAllowHeaderAdd: boolean;
  readonly statusOnError: number;
  /** Headers of the request that the service is told; null: all (gRPC), or only those that every HTTP service is told. */
  readonly allowedHeaders: readonly StringMatchConfig[] | null;
  /** Comes before `allowedHeaders`. */
  readonly disallowedHeaders: readonly StringMatchConfig[];
  /** Of what gates before it found out, by their namespaces. */
  readonly metadataNamespaces: readonly string[];
  readonly includeTlsSession: boolean;
  readonly takesDynamicMetadata: boolean;
}

interface AuthorizationServiceConfig {
  readonly cluster: string;
  /** 0: as long as the request itself may take. */
  readonly timeoutMs: number;
}

export interface GrpcAuthorizationConfig extends AuthorizationServiceConfig {
  readonly kind: 'grpc';
  readonly authority: string;
  readonly initialMetadata: ReadonlyArray<readonly [string, string]>;
}

export interface HttpAuthorizationConfig extends AuthorizationServiceConfig {
  readonly kind: 'http';
  /** Stands before the request's path. */
  readonly pathPrefix: string;
  readonly headersToAdd: ReadonlyArray<readonly [string, string]>;
  /** Headers of its answer that go to the application, instead of the caller's or behind them. */
  readonly upstreamHeaders: readonly StringMatchConfig[];
  readonly upstreamHeadersToAppend: readonly StringMatchConfig[];
  /** Headers of a denial that go to the caller; null: all. */
  readonly clientHeaders: readonly StringMatchConfig[] | null;
  readonly clientHeadersOnSuccess: readonly StringMatchConfig[];
}

/** `ExtAuthzPerRoute`. */
export interface ExtAuthzRouteConfig {
  readonly kind: 'ext-authz';
  readonly disabled: boolean;
  /** Of the route, its virtual host and the table together. */
  readonly contextExtensions: ReadonlyMap<string, string>;
}

/**
 * What the gates of a connection manager are configured to do: one kind for each HTTP filter that only decides (filters/request-gate.ts). Made and validated only in
 * sidecar/xds, where decode-http-filters.ts and decode-route-gates.ts know which message becomes which.
 */
import type { AdaptiveConcurrencyConfig, SheddingPriorityConfig } from './adaptive-concurrency-config.ts';
import type { AdmissionControlConfig } from './admission-control-config.ts';
import type { ExtAuthzConfig, ExtAuthzRouteConfig } from './ext-authz-config.ts';
import type { FaultConfig } from './fault-config.ts';
import type { InboundLimitsConfig } from './inbound-limits-config.ts';
import type { JwtAuthnConfig, JwtAuthnRouteConfig } from './jwt-authn-config.ts';
import type { LocalRateLimitConfig, RateLimitConfig, RateLimitRouteConfig } from './rate-limit-config.ts';
import type { RbacConfig, RbacRouteConfig } from './rbac-config.ts';

/** One gate, in a connection manager's list. */
export type GateConfig =
  | JwtAuthnConfig
  | ExtAuthzConfig
  | RbacConfig
  | FaultConfig
  | LocalRateLimitConfig
  | RateLimitConfig
  | AdaptiveConcurrencyConfig
  | AdmissionControlConfig
  | InboundLimitsConfig;

/** What a route, virtual host or route table says for one gate instead of the connection manager's own configuration (`typed_per_filter_config`). */
export type RouteGateConfig =
  | JwtAuthnRouteConfig
  | ExtAuthzRouteConfig
  | RbacRouteConfig
  | FaultConfig
  | LocalRateLimitConfig
  | RateLimitRouteConfig
  | SheddingPriorityConfig;

/** By the filter's configured name. */
export type RouteGateConfigs = ReadonlyMap<string, RouteGateConfig>;

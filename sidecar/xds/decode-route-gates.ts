/** `typed_per_filter_config` of a route, a virtual host or a route table → what it says for each gate. Each is decoded in a file of its own, found here by the type of its message. */
import type { Message } from '@bufbuild/protobuf';
import { type Any, anyUnpack } from '@bufbuild/protobuf/wkt';
import type { RouteGateConfig, RouteGateConfigs } from '../config/gate-config.ts';
import { apiRegistry } from './api-registry.ts';
import { circuitBreakerKey } from './decode-circuit-breaker.ts';
import { extAuthzPerRoute } from './decode-ext-authz.ts';
import { faultPerRoute } from './decode-fault.ts';
import { jwtAuthnPerRoute } from './decode-jwt-authn.ts';
import { localRateLimitPerRoute } from './decode-local-ratelimit.ts';
import { rateLimitPerRoute } from './decode-ratelimit.ts';
import { rbacPerRoute } from './decode-rbac.ts';
import { isRouterExtension } from './decode-router-extensions.ts';
import { sheddingPriority } from './decode-shedding-priority.ts';
import type { Faults } from './fault.ts';

/** `outer`: what the level above says for the same filter. */
type RouteGateDecoder = (
  message: Message,
  outer: RouteGateConfig | undefined,
  path: string,
  faults: Faults,
) => RouteGateConfig;

const routeGateDecoders: ReadonlyMap<string, RouteGateDecoder> = new Map<string, RouteGateDecoder>([
  ['envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig', jwtAuthnPerRoute],
  ['envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute', extAuthzPerRoute],
  ['envoy.extensions.filters.http.rbac.v3.RBACPerRoute', rbacPerRoute],
  ['outrigger.resilience.v1.SheddingPriority', sheddingPriority],
  ['envoy.extensions.filters.http.fault.v3.HTTPFault', faultPerRoute],
  ['envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit', localRateLimitPerRoute],
  ['envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute', rateLimitPerRoute],
]);

/** `outer`: of the level above; what is said here comes before it, filter by filter. `path`: of the field. */
export function routeGates(
  perFilter: Readonly<Record<string, Any>>,
  outer: RouteGateConfigs | null,
  path: string,
  faults: Faults,
): RouteGateConfigs | null {
  // No filter's: read with the route.
  const entries = Object.entries(perFilter).filter(([key]) => key !== circuitBreakerKey);
  if (entries.length === 0) return outer;
  const gates = new Map<string, RouteGateConfig>(outer);
  for (const [filter, any] of entries) {
    const here = `${path}["${filter}"]`;
    const message = anyUnpack(any, apiRegistry);
    if (message !== undefined && isRouterExtension(message.$typeName)) continue;
    const decode = message === undefined ? undefined : routeGateDecoders.get(message.$typeName);
    if (decode === undefined) faults.add(here, `${any.typeUrl} says nothing of a filter for routes`);
    else gates.set(filter, decode(message!, outer?.get(filter), here, faults));
  }
  return gates.size === 0 ? null : gates;
}

/** `http_filters` of a connection manager: the gates in their order, then the router. Each gate is decoded in a file of its own, found here by the type of its message. */
import type { Message } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { GateConfig } from '../config/gate-config.ts';
import type { Router } from './api/envoy/extensions/filters/http/router/v3/router_pb.js';
import type { HttpFilter } from './api/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { apiRegistry } from './api-registry.ts';
import { adaptiveConcurrency } from './decode-adaptive-concurrency.ts';
import { admissionControl } from './decode-admission-control.ts';
import { extAuthz } from './decode-ext-authz.ts';
import { fault } from './decode-fault.ts';
import { inboundLimits } from './decode-inbound-limits.ts';
import { jwtAuthn } from './decode-jwt-authn.ts';
import { localRateLimit } from './decode-local-ratelimit.ts';
import { rateLimit } from './decode-ratelimit.ts';
import { rbac } from './decode-rbac.ts';
import { requestMetricsType } from './decode-request-metrics.ts';
import { at, type Faults } from './fault.ts';

/** `name`: the filter's configured one; `path`: of its typed_config. */
type GateDecoder = (message: Message, name: string, path: string, faults: Faults) => GateConfig;

/** By the type of `typed_config`. To add a filter: its messages in supported-fields.ts and api-registry.ts, its decoder here. */
const gateDecoders: ReadonlyMap<string, GateDecoder> = new Map<string, GateDecoder>([
  ['envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication', jwtAuthn],
  ['envoy.extensions.filters.http.ext_authz.v3.ExtAuthz', extAuthz],
  ['envoy.extensions.filters.http.rbac.v3.RBAC', rbac],
  ['envoy.extensions.filters.http.fault.v3.HTTPFault', fault],
  ['envoy.extensions.filters.http.admission_control.v3.AdmissionControl', admissionControl],
  ['envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency', adaptiveConcurrency],
  ['outrigger.resilience.v1.InboundLimits', inboundLimits],
  ['envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit', localRateLimit],
  ['envoy.extensions.filters.http.ratelimit.v3.RateLimit', rateLimit],
]);

export function httpFilters(filters: readonly HttpFilter[], path: string, faults: Faults): readonly GateConfig[] {
  if (filters.length === 0) faults.add(path, 'needs envoy.filters.http.router as the last filter');
  const gates: GateConfig[] = [];
  for (const [i, filter] of filters.entries()) {
    const here = at(path, i);
    const typed = filter.configType.case === 'typedConfig' ? filter.configType.value : undefined;
    const message = typed === undefined ? undefined : anyUnpack(typed, apiRegistry);
    const last = i === filters.length - 1;
    if (message?.$typeName === 'envoy.extensions.filters.http.router.v3.Router') {
      if ((message as Router).suppressEnvoyHeaders)
        faults.add(`${here}.typed_config.suppress_envoy_headers`, 'is not supported; see docs/xds-support.md');
      if (!last) faults.add(here, 'the router must be the last filter, once');
      continue;
    }
    if (message?.$typeName === requestMetricsType) {
      if (last) faults.add(path, 'needs envoy.filters.http.router as the last filter');
      continue;
    }
    const decode = message === undefined ? undefined : gateDecoders.get(message.$typeName);
    if (decode === undefined) faults.add(here, `${filter.name} is not supported; see docs/xds-support.md`);
    else {
      gates.push(decode(message!, filter.name, at(here, 'typed_config'), faults));
      if (last) faults.add(path, 'needs envoy.filters.http.router as the last filter');
    }
  }
  return Object.freeze(gates);
}

/** Circuit breakers → our own extension of clusters and routes. For sidecars of ours only: Envoy has none, and would refuse the resource. */
import { create } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { CircuitBreakerSchema } from '../../proto/generated/outrigger/resilience/v1/circuit_breaker_pb.js';
import type { BreakerSettings } from '../config-kind/traffic-resource.ts';
import { durationOf } from './api-values.ts';
import { packAny } from './encoded-resource.ts';

/** In `typed_extension_protocol_options` of a cluster and `typed_per_filter_config` of a route; nothing where there is none, or the client is another's. */
export function breakerExtension(settings: BreakerSettings | 'off' | null, ours: boolean): Record<string, Any> {
  return settings === null || settings === 'off' || !ours ? {} : { 'outrigger.circuit_breaker': encoded(settings) };
}

/** Everything is said, so that what holds does not depend on the sidecar's version. */
function encoded({ slowCalls, ...settings }: BreakerSettings): Any {
  return packAny(
    CircuitBreakerSchema,
    create(CircuitBreakerSchema, {
      rule: settings.rule,
      window: durationOf(settings.windowMs),
      minimumCalls: settings.minCalls,
      failurePercent: settings.failurePercent,
      consecutiveFailures: settings.consecutiveFailures,
      ...(slowCalls === null
        ? {}
        : { slowCalls: { longerThan: durationOf(slowCalls.longerThanMs), percent: slowCalls.percent } }),
      openTime: durationOf(settings.openMs),
      maxOpenTime: durationOf(settings.maxOpenMs),
      jitterPercent: settings.jitterPercent,
      probes: settings.probes,
      successesToClose: settings.successesToClose,
      failureStatuses: [...settings.statusCodes],
      failureGrpcStatuses: [...settings.grpcStatuses],
    }),
  );
}

/** What TrafficPolicies say of routes that Envoy has no field for: extensions of our own (`outrigger.resilience.v1`), which only our sidecar is sent. */
import { create } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { FallbackSchema } from '../../proto/generated/outrigger/resilience/v1/fallback_pb.js';
import { HedgingSchema } from '../../proto/generated/outrigger/resilience/v1/hedging_pb.js';
import type { FallbackSettings, HedgeSettings, RouteTraffic } from '../config-kind/traffic-resource.ts';
import type { AttachedRoute, Model, PortRouting } from '../model/model.ts';
import { durationOf } from './api-values.ts';
import { packAny } from './encoded-resource.ts';
import type { ClientKind } from './proxy-node.ts';
import { outboundCluster } from './resource-names.ts';

/** For `typed_per_filter_config` of a route that forwards. */
export function ownExtensions({ hedging, fallback }: RouteTraffic): Record<string, Any> {
  return {
    ...(hedging?.kind === 'delay' || hedging?.kind === 'percentile'
      ? { 'outrigger.hedging': encodeHedging(hedging) }
      : {}),
    ...(fallback === null || fallback === 'off' ? {} : { 'outrigger.fallback': encodeFallback(fallback) }),
  };
}

function encodeHedging(hedging: Extract<HedgeSettings, { kind: 'delay' | 'percentile' }>): Any {
  return packAny(
    HedgingSchema,
    create(HedgingSchema, {
      policy: hedging.policy,
      when:
        hedging.kind === 'delay'
          ? { case: 'delay', value: durationOf(hedging.delayMs) }
          : {
              case: 'percentile',
              value: {
                percentile: hedging.percentile,
                minSamples: hedging.minSamples,
                minDelay: durationOf(hedging.minDelayMs),
              },
            },
      maxHedges: hedging.maxAttempts,
      methods: [...hedging.methods],
    }),
  );
}

function encodeFallback({ policy, service, lastGoodAnswer, answer, methods, statusCodes }: FallbackSettings): Any {
  return packAny(
    FallbackSchema,
    create(FallbackSchema, {
      policy,
      ...(service === null
        ? {}
        : {
            service: {
              cluster: outboundCluster(service.namespace, service.name, service.port),
              ...(service.timeoutMs === null ? {} : { timeout: durationOf(service.timeoutMs) }),
            },
          }),
      ...(lastGoodAnswer === null
        ? {}
        : {
            stale: {
              maxAge: durationOf(lastGoodAnswer.maxAgeMs),
              maxEntryBytes: lastGoodAnswer.maxEntryBytes,
              varyBy: [...lastGoodAnswer.varyBy],
            },
          }),
      ...(answer === null
        ? {}
        : {
            answer: {
              status: answer.status,
              headers: answer.headers.map(({ name, value }) => ({ name, value })),
              body: answer.body,
              ...(answer.grpcStatus === null ? {} : { grpcStatus: answer.grpcStatus }),
              grpcMessage: answer.grpcMessage,
            },
          }),
      methods: [...methods],
      statusCodes: [...statusCodes],
    }),
  );
}

type AttachedRule = AttachedRoute['rules'][number];

const kept = new WeakMap<PortRouting, readonly string[]>();

/** Which policies of a port's routes, and what of them, only our sidecar takes: `hedging of TrafficPolicy shop/payments`. */
export function ownExtensionsOf(routing: PortRouting): readonly string[] {
  let found = kept.get(routing);
  if (found === undefined) {
    const rules = [routing.producer, ...routing.consumers.values()].flatMap((routes) =>
      routes.flatMap(({ rules }): readonly AttachedRule[] => rules),
    );
    const traffics = [routing.traffic, ...rules.map(({ traffic }) => traffic)];
    found = [...new Set(traffics.flatMap(textsOf))];
    kept.set(routing, found);
  }
  return found;
}

function textsOf({ hedging, fallback }: RouteTraffic): string[] {
  return [
    ...(hedging?.kind === 'delay' || hedging?.kind === 'percentile' ? [`hedging of ${hedging.policy}`] : []),
    ...(fallback === null || fallback === 'off' ? [] : [`fallback of ${fallback.policy}`]),
  ];
}

/** What a client that is no sidecar of ours goes without, in words. */
export function leftOutOf({ routings }: Pick<Model, 'routings'>, kind: ClientKind): readonly string[] {
  return kind === 'outrigger' ? [] : [...new Set(routings.flatMap(ownExtensionsOf))].toSorted();
}

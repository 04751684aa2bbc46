/** What TrafficPolicies say of a Service's port, and the defaults for the rest, as fields of Envoy's Cluster: limits, ejection and checks of hosts, load balancing, keep-alive. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type CircuitBreakers_Thresholds,
  CircuitBreakers_ThresholdsSchema,
} from '../../proto/generated/envoy/config/cluster/v3/circuit_breaker_pb.js';
import {
  type Cluster,
  Cluster_LbPolicy,
  type ClusterSchema,
} from '../../proto/generated/envoy/config/cluster/v3/cluster_pb.js';
import { RoutingPriority } from '../../proto/generated/envoy/config/core/v3/base_pb.js';
import type {
  ClusterTraffic,
  LimitSettings,
  LoadBalancingSettings,
  SlowStartSettings,
} from '../config-kind/traffic-resource.ts';
import { isPossible } from '../model/health-check-problem.ts';
import type { PortDefinition } from '../model/model.ts';
import { durationOf } from './api-values.ts';
import { type DefaultResilience, defaultResilience } from './default-resilience.ts';
import { encodeHealthCheck } from './encode-health-check.ts';
import { encodeOutlierDetection, encodeOutlierDetectionForGrpc } from './encode-outlier-detection.ts';

type ClusterFields = Exclude<MessageInitShape<typeof ClusterSchema>, Cluster>;
type ThresholdFields = Exclude<MessageInitShape<typeof CircuitBreakers_ThresholdsSchema>, CircuitBreakers_Thresholds>;

/** For Envoy and our sidecar. */
export function clusterTraffic(
  definition: PortDefinition,
  defaults: DefaultResilience = defaultResilience,
): ClusterFields {
  const { traffic } = definition;
  const { outlierDetection, panicThresholdPercent, healthChecks } = traffic;
  const keepAlive = traffic.tcpKeepAlive ?? (defaults.tcpKeepAlive.enabled ? defaults.tcpKeepAlive : null);
  const ejects = outlierDetection === 'off' ? false : outlierDetection !== null || defaults.outlierDetection.enabled;
  return {
    connectTimeout: durationOf(traffic.connectTimeoutMs ?? defaults.connectTimeoutMs),
    ...loadBalancing(traffic.loadBalancing),
    circuitBreakers: { thresholds: thresholds(traffic, defaults) },
    ...(ejects
      ? {
          outlierDetection: encodeOutlierDetection(
            outlierDetection === 'off' ? null : outlierDetection,
            defaults.outlierDetection,
          ),
        }
      : {}),
    ...(panicThresholdPercent === null
      ? {}
      : { commonLbConfig: { healthyPanicThreshold: { value: panicThresholdPercent } } }),
    healthChecks: healthChecks
      .filter((each) => isPossible(each, definition))
      .map((each) => encodeHealthCheck(each, definition)),
    ...(keepAlive === null
      ? {}
      : {
          upstreamConnectionOptions: {
            tcpKeepalive: {
              keepaliveTime: seconds(keepAlive.timeMs),
              keepaliveInterval: seconds(keepAlive.intervalMs),
              keepaliveProbes: keepAlive.probes,
            },
          },
        }),
  };
}

/** What proxyless gRPC clients take (A32, A50): requests at a time, and ejection by rates. Round robin, as they refuse others. */
export function grpcClusterTraffic(traffic: ClusterTraffic): ClusterFields {
  const { limits, outlierDetection } = traffic;
  const ejection =
    outlierDetection === null || outlierDetection === 'off' ? null : encodeOutlierDetectionForGrpc(outlierDetection);
  return {
    connectTimeout: durationOf(traffic.connectTimeoutMs ?? defaultResilience.connectTimeoutMs),
    lbPolicy: Cluster_LbPolicy.ROUND_ROBIN,
    circuitBreakers: { thresholds: [create(CircuitBreakers_ThresholdsSchema, withDefaults(limits))] },
    ...(ejection === null ? {} : { outlierDetection: ejection }),
  };
}

function thresholds(
  { limits, highPriorityLimits, retryBudget }: ClusterTraffic,
  { retryBudget: byDefault }: DefaultResilience,
): CircuitBreakers_Thresholds[] {
  // A number of retries that somebody wrote down goes before a budget that nobody did.
  const budget = retryBudget ?? (byDefault.enabled && (limits?.maxRetries ?? null) === null ? byDefault : null);
  const usual = create(CircuitBreakers_ThresholdsSchema, {
    ...withDefaults(limits),
    ...(budget === null
      ? {}
      : { retryBudget: { budgetPercent: { value: budget.percent }, minRetryConcurrency: budget.minConcurrency } }),
  });
  if (highPriorityLimits === null) return [usual];
  return [
    usual,
    create(CircuitBreakers_ThresholdsSchema, {
      priority: RoutingPriority.HIGH,
      ...withDefaults(highPriorityLimits),
    }),
  ];
}

function withDefaults(limits: LimitSettings | null): ThresholdFields {
  const byDefault = defaultResilience.limits;
  const maxRetries = limits?.maxRetries ?? null;
  return {
    maxConnections: limits?.maxConnections ?? byDefault.maxConnections,
    maxPendingRequests: limits?.maxPendingRequests ?? byDefault.maxPendingRequests,
    maxRequests: limits?.maxRequests ?? byDefault.maxRequests,
    ...(maxRetries === null ? {} : { maxRetries }),
  };
}

function loadBalancing(settings: LoadBalancingSettings | null): ClusterFields {
  const slowStart = settings?.slowStart ?? null;
  const slowStartConfig = slowStart === null ? {} : { slowStartConfig: slowStartOf(slowStart) };
  switch (settings?.algorithm ?? 'leastRequest') {
    case 'random':
      return { lbPolicy: Cluster_LbPolicy.RANDOM };
    case 'roundRobin':
      return {
        lbPolicy: Cluster_LbPolicy.ROUND_ROBIN,
        ...(slowStart === null ? {} : { lbConfig: { case: 'roundRobinLbConfig', value: slowStartConfig } }),
      };
    case 'leastRequest':
      return {
        lbPolicy: Cluster_LbPolicy.LEAST_REQUEST,
        ...(slowStart === null ? {} : { lbConfig: { case: 'leastRequestLbConfig', value: slowStartConfig } }),
      };
  }
}

function slowStartOf({ windowMs, aggression, minWeightPercent }: SlowStartSettings) {
  return {
    slowStartWindow: durationOf(windowMs),
    aggression: { defaultValue: aggression, runtimeKey: 'outrigger.slow_start.aggression' },
    minWeightPercent: { value: minWeightPercent },
  };
}

/** TCP counts whole seconds, at least one. */
function seconds(ms: number): number {
  return Math.max(1, Math.round(ms / 1_000));
}

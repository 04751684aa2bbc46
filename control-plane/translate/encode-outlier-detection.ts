/** Ejection of hosts that fail → Envoy's outlier_detection. What a policy leaves open is as in default-resilience.ts. */
import { create } from '@bufbuild/protobuf';
import {
  type OutlierDetection,
  OutlierDetectionSchema,
} from '../../proto/generated/envoy/config/cluster/v3/outlier_detection_pb.js';
import type { OutlierSettings } from '../config-kind/traffic-resource.ts';
import { durationOf } from './api-values.ts';
import type { DefaultResilience } from './default-resilience.ts';

/** Every detector is said to be enforced or not: Envoy's own defaults enforce some that nobody asked for. */
export function encodeOutlierDetection(
  settings: OutlierSettings | null,
  defaults: DefaultResilience['outlierDetection'],
): OutlierDetection {
  const consecutive5xx = settings?.consecutive5xx ?? defaults.consecutive5xx;
  const gateway = settings?.consecutiveGatewayFailures ?? defaults.consecutiveGatewayFailures;
  const local = settings?.consecutiveLocalOriginFailures ?? defaults.consecutiveLocalOriginFailures;
  const successRate = settings?.successRate ?? null;
  const failure = settings?.failurePercentage;
  const failurePercent = failure?.percent ?? defaults.failurePercentage;
  const enforced = (active: boolean): number => (active ? 100 : 0);
  return create(OutlierDetectionSchema, {
    splitExternalLocalOriginErrors: local > 0,
    ...(consecutive5xx > 0 ? { consecutive5xx } : {}),
    enforcingConsecutive5xx: enforced(consecutive5xx > 0),
    ...(gateway > 0 ? { consecutiveGatewayFailure: gateway } : {}),
    enforcingConsecutiveGatewayFailure: enforced(gateway > 0),
    ...(local > 0 ? { consecutiveLocalOriginFailure: local } : {}),
    enforcingConsecutiveLocalOriginFailure: enforced(local > 0),
    enforcingSuccessRate: enforced(successRate !== null),
    enforcingLocalOriginSuccessRate: enforced(successRate !== null && local > 0),
    ...(successRate === null ? {} : successRateFields(successRate)),
    enforcingFailurePercentage: enforced(failurePercent > 0),
    enforcingFailurePercentageLocalOrigin: enforced(failurePercent > 0 && local > 0),
    ...(failurePercent === 0
      ? {}
      : {
          failurePercentageThreshold: failurePercent,
          failurePercentageMinimumHosts: failure?.minHosts ?? defaults.minHosts,
          failurePercentageRequestVolume: failure?.requestVolume ?? defaults.requestVolume,
        }),
    interval: durationOf(settings?.intervalMs ?? defaults.intervalMs),
    baseEjectionTime: durationOf(settings?.baseEjectionTimeMs ?? defaults.baseEjectionTimeMs),
    maxEjectionTime: durationOf(settings?.maxEjectionTimeMs ?? defaults.maxEjectionTimeMs),
    maxEjectionTimeJitter: durationOf(settings?.ejectionJitterMs ?? defaults.ejectionJitterMs),
    maxEjectionPercent: settings?.maxEjectionPercent ?? defaults.maxEjectionPercent,
  });
}

/** What proxyless gRPC clients take (A50): rates, not failures in a row. Null: nothing is left. */
export function encodeOutlierDetectionForGrpc(settings: OutlierSettings): OutlierDetection | null {
  const { successRate, failurePercentage } = settings;
  if (successRate === null && failurePercentage === null) return null;
  const failurePercent = failurePercentage?.percent ?? 0;
  const time = (name: string, ms: number | null) => (ms === null ? {} : { [name]: durationOf(ms) });
  return create(OutlierDetectionSchema, {
    enforcingSuccessRate: successRate === null ? 0 : 100,
    ...(successRate === null ? {} : successRateFields(successRate)),
    enforcingFailurePercentage: failurePercent === 0 ? 0 : 100,
    ...(failurePercent === 0
      ? {}
      : {
          failurePercentageThreshold: failurePercent,
          ...(failurePercentage!.minHosts === null
            ? {}
            : { failurePercentageMinimumHosts: failurePercentage!.minHosts }),
          ...(failurePercentage!.requestVolume === null
            ? {}
            : { failurePercentageRequestVolume: failurePercentage!.requestVolume }),
        }),
    ...time('interval', settings.intervalMs),
    ...time('baseEjectionTime', settings.baseEjectionTimeMs),
    ...time('maxEjectionTime', settings.maxEjectionTimeMs),
    ...(settings.maxEjectionPercent === null ? {} : { maxEjectionPercent: settings.maxEjectionPercent }),
  });
}

function successRateFields({ minHosts, requestVolume, deviations }: NonNullable<OutlierSettings['successRate']>) {
  return {
    ...(minHosts === null ? {} : { successRateMinimumHosts: minHosts }),
    ...(requestVolume === null ? {} : { successRateRequestVolume: requestVolume }),
    ...(deviations === null ? {} : { successRateStdevFactor: Math.round(deviations * 1_000) }),
  };
}

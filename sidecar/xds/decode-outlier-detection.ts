/** OutlierDetection → OutlierDetectionConfig, with Envoy's defaults. */
import type { Duration } from '@bufbuild/protobuf/wkt';
import type { OutlierDetectionConfig } from '../config/outlier-config.ts';
import type { OutlierDetection } from './api/envoy/config/cluster/v3/outlier_detection_pb.js';
import { bounded, durationMs } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

/** A host that is out for longer is no outlier but gone. */
const mostEjectionMs = 24 * 3_600_000;
const most = 0xffff_ffff;

export function outlierDetection(
  message: OutlierDetection | undefined,
  path: string,
  faults: Faults,
): OutlierDetectionConfig | null {
  if (message === undefined) return null;
  const percent = (value: number | undefined, fallback: number, field: string): number =>
    bounded(value, fallback, 0, 100, at(path, field), faults);
  const time = (value: Duration | undefined, fallback: number, field: string, least: number): number => {
    const ms = durationMs(value, fallback, at(path, field), faults);
    if (value !== undefined && ms < least) faults.add(at(path, field), `must be at least ${least} ms`);
    if (ms > mostEjectionMs) faults.add(at(path, field), `${ms / 1000} s is above ${mostEjectionMs / 1000} s`);
    return ms;
  };
  const baseEjectionTimeMs = time(message.baseEjectionTime, 30_000, 'base_ejection_time', 1);
  return Object.freeze({
    consecutive5xx: message.consecutive5xx ?? 5,
    consecutiveGatewayFailure: message.consecutiveGatewayFailure ?? 5,
    consecutiveLocalOriginFailure: message.consecutiveLocalOriginFailure ?? 5,
    splitLocalOrigin: message.splitExternalLocalOriginErrors,
    intervalMs: time(message.interval, 10_000, 'interval', 1),
    baseEjectionTimeMs,
    maxEjectionTimeMs: time(message.maxEjectionTime, Math.max(300_000, baseEjectionTimeMs), 'max_ejection_time', 1),
    maxEjectionTimeJitterMs: time(message.maxEjectionTimeJitter, 0, 'max_ejection_time_jitter', 0),
    maxEjectionPercent: percent(message.maxEjectionPercent, 10, 'max_ejection_percent'),
    alwaysEjectOneHost: message.alwaysEjectOneHost ?? false,
    enforcingPercent: Object.freeze({
      consecutive_5xx: percent(message.enforcingConsecutive5xx, 100, 'enforcing_consecutive_5xx'),
      consecutive_gateway_failure: percent(
        message.enforcingConsecutiveGatewayFailure,
        0,
        'enforcing_consecutive_gateway_failure',
      ),
      consecutive_local_origin_failure: percent(
        message.enforcingConsecutiveLocalOriginFailure,
        100,
        'enforcing_consecutive_local_origin_failure',
      ),
      success_rate: percent(message.enforcingSuccessRate, 100, 'enforcing_success_rate'),
      local_origin_success_rate: percent(
        message.enforcingLocalOriginSuccessRate,
        100,
        'enforcing_local_origin_success_rate',
      ),
      failure_percentage: percent(message.enforcingFailurePercentage, 0, 'enforcing_failure_percentage'),
      local_origin_failure_percentage: percent(
        message.enforcingFailurePercentageLocalOrigin,
        0,
        'enforcing_failure_percentage_local_origin',
      ),
    }),
    successRateMinimumHosts: message.successRateMinimumHosts ?? 5,
    successRateRequestVolume: message.successRateRequestVolume ?? 100,
    successRateStdevFactor:
      bounded(message.successRateStdevFactor, 1_900, 0, most, at(path, 'success_rate_stdev_factor'), faults) / 1000,
    failurePercentageThreshold: percent(message.failurePercentageThreshold, 85, 'failure_percentage_threshold'),
    failurePercentageMinimumHosts: message.failurePercentageMinimumHosts ?? 5,
    failurePercentageRequestVolume: message.failurePercentageRequestVolume ?? 50,
    healthCheckEndsEjection: message.successfulActiveHealthCheckUnejectHost ?? true,
  });
}

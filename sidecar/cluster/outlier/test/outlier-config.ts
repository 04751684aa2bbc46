/** An outlier detection configuration with Envoy's defaults, for tests. */
import type { OutlierDetectionConfig } from '../../../config/outlier-config.ts';

export function outlierConfig(more: Partial<OutlierDetectionConfig> = {}): OutlierDetectionConfig {
  return {
    consecutive5xx: 5,
    consecutiveGatewayFailure: 5,
    consecutiveLocalOriginFailure: 5,
    splitLocalOrigin: false,
    intervalMs: 10_000,
    baseEjectionTimeMs: 30_000,
    maxEjectionTimeMs: 300_000,
    maxEjectionTimeJitterMs: 0,
    maxEjectionPercent: 10,
    alwaysEjectOneHost: false,
    enforcingPercent: {
      consecutive_5xx: 100,
      consecutive_gateway_failure: 0,
      consecutive_local_origin_failure: 100,
      success_rate: 100,
      local_origin_success_rate: 100,
      failure_percentage: 0,
      local_origin_failure_percentage: 0,
    },
    successRateMinimumHosts: 5,
    successRateRequestVolume: 100,
    successRateStdevFactor: 1.9,
    failurePercentageThreshold: 85,
    failurePercentageMinimumHosts: 5,
    failurePercentageRequestVolume: 50,
    healthCheckEndsEjection: true,
    ...more,
  };
}

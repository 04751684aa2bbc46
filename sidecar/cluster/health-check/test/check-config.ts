/** A health check configuration with Envoy's defaults, for tests. */
import type { HealthCheckConfig, HttpCheckConfig } from '../../../config/health-check-config.ts';
import { noHeaderMutations } from '../../../config/route-config.ts';

export function httpCheckConfig(more: Partial<HttpCheckConfig> = {}): HttpCheckConfig {
  return {
    kind: 'http',
    host: '',
    path: '/healthz',
    method: 'GET',
    protocol: 'http1',
    expected: [[200, 201]],
    retriable: [],
    requestHeaders: noHeaderMutations,
    receive: [],
    responseBufferBytes: 1_024,
    serviceName: null,
    ...more,
  };
}

export function checkConfig(more: Partial<HealthCheckConfig> = {}): HealthCheckConfig {
  return {
    check: { kind: 'tcp', send: null, receive: [] },
    timeoutMs: 1_000,
    intervalMs: 5_000,
    initialJitterMs: 0,
    intervalJitterMs: 0,
    intervalJitterPercent: 0,
    unhealthyThreshold: 2,
    healthyThreshold: 3,
    noTrafficIntervalMs: 60_000,
    noTrafficHealthyIntervalMs: 60_000,
    unhealthyIntervalMs: 5_000,
    unhealthyEdgeIntervalMs: 5_000,
    healthyEdgeIntervalMs: 5_000,
    reuseConnection: true,
    alwaysLogFailures: false,
    alwaysLogSuccesses: false,
    alpn: [],
    transportMatch: null,
    ...more,
  };
}

/** What a TrafficPolicy says, in short, for rows of `outrigger get policies`: a line for each thing. */
import type {
  BreakerSettings,
  ClusterTraffic,
  FallbackSettings,
  HedgeSettings,
  LimitSettings,
  RouteTraffic,
} from '../config-kind/traffic-resource.ts';

export function trafficTexts(route: RouteTraffic, cluster: ClusterTraffic): string[] {
  const { retries, hedging, fallback } = route;
  const { outlierDetection, panicThresholdPercent, healthChecks, loadBalancing, retryBudget, tcpKeepAlive } = cluster;
  const timeouts = [
    ...named('request', route.requestTimeout?.ms ?? null, durationText),
    ...named('per try', route.perTryTimeout?.ms ?? null, durationText),
    ...named('stream idle', route.streamIdleTimeout?.ms ?? null, durationText),
    ...named('duration', route.maxDuration?.ms ?? null, durationText),
    ...named('connect', cluster.connectTimeoutMs, durationText),
    ...named('connection idle', cluster.connectionIdleTimeoutMs, durationText),
  ];
  const causes = retries === null ? [] : [...(retries.on ?? []), ...retries.statusCodes];
  return [
    ...(timeouts.length === 0 ? [] : [`timeouts: ${timeouts.join(' ')}`]),
    ...(retries === null
      ? []
      : [
          `retries: ${retries.attempts ?? 1}${causes.length === 0 ? '' : ` on ${causes.join(' ')}`}${retries.methods.length === 0 ? '' : ` of ${retries.methods.join(' ')}`}`,
        ]),
    ...(retryBudget === null ? [] : [`retry budget: ${retryBudget.percent} %, at least ${retryBudget.minConcurrency}`]),
    ...(hedging === null ? [] : [`hedging: ${hedgingText(hedging)}`]),
    ...(fallback === null ? [] : [`fallback: ${fallback === 'off' ? 'off' : fallbackTexts(fallback).join(', then ')}`]),
    ...limitTexts('limits', cluster.limits),
    ...limitTexts('limits of priority high', cluster.highPriorityLimits),
    ...breakerTexts(cluster.circuitBreaker ?? route.circuitBreaker),
    ...(outlierDetection === null ? [] : [`outlier detection: ${outlierDetection === 'off' ? 'off' : 'on'}`]),
    ...(panicThresholdPercent === null ? [] : [`panic threshold: ${panicThresholdPercent} %`]),
    ...healthChecks.map(({ probe, intervalMs }) => `health check: ${probe.type} every ${durationText(intervalMs)}`),
    ...(loadBalancing === null
      ? []
      : [
          `load balancing: ${loadBalancing.algorithm ?? 'leastRequest'}${loadBalancing.slowStart === null ? '' : `, slow start ${durationText(loadBalancing.slowStart.windowMs)}`}`,
        ]),
    ...(tcpKeepAlive === null ? [] : [`TCP keep-alive: ${durationText(tcpKeepAlive.timeMs)}`]),
  ];
}

function hedgingText(hedging: HedgeSettings): string {
  switch (hedging.kind) {
    case 'off':
      return 'off';
    case 'per-try-timeout':
      return 'on the per-try timeout';
    case 'delay':
      return `after ${durationText(hedging.delayMs)}`;
    case 'percentile':
      return `after the ${hedging.percentile} % quickest`;
  }
}

function fallbackTexts({ service, lastGoodAnswer, answer }: FallbackSettings): string[] {
  return [
    ...(service === null ? [] : [`Service ${service.namespace}/${service.name}:${service.port}`]),
    ...(lastGoodAnswer === null ? [] : [`the last good answer, up to ${durationText(lastGoodAnswer.maxAgeMs)} old`]),
    ...(answer === null ? [] : [answer.status === 0 ? 'a fixed gRPC status' : `a fixed ${answer.status}`]),
  ];
}

function named(name: string, value: number | null, text: (value: number) => string): string[] {
  return value === null ? [] : [`${name} ${text(value)}`];
}

function breakerTexts(settings: BreakerSettings | 'off' | null): string[] {
  if (settings === null || settings === 'off') return settings === null ? [] : ['circuit breaker: off'];
  const { failurePercent, consecutiveFailures, slowCalls, windowMs, openMs } = settings;
  const causes = [
    ...(failurePercent === 0 ? [] : [`${failurePercent} % failures in ${durationText(windowMs)}`]),
    ...(consecutiveFailures === 0 ? [] : [`${consecutiveFailures} failures in a row`]),
    ...(slowCalls === null ? [] : [`${slowCalls.percent} % above ${durationText(slowCalls.longerThanMs)}`]),
  ];
  return [`circuit breaker: ${causes.join(' or ')}, open ${durationText(openMs)} (Outrigger's sidecars only)`];
}

function limitTexts(heading: string, limits: LimitSettings | null): string[] {
  if (limits === null) return [];
  const texts = [
    ...named('connections', limits.maxConnections, String),
    ...named('pending', limits.maxPendingRequests, String),
    ...named('requests', limits.maxRequests, String),
    ...named('retries', limits.maxRetries, String),
  ];
  return texts.length === 0 ? [] : [`${heading}: ${texts.join(' ')}`];
}

export function durationText(ms: number): string {
  if (ms % 60_000 === 0 && ms > 0) return `${ms / 60_000}m`;
  return ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`;
}

/** Where a resource refers to something outside of itself, and the rules that do: the fields whose places messages of checks across resources need. */
import type { Resource } from './resource.ts';
import { collectorsOf } from './telemetry.ts';

/** Of a TrafficPolicy: values that are possible and may be not meant (model/doubtful-values.ts). */
const doubtfulValues: ReadonlyArray<readonly PropertyKey[]> = [
  ['spec', 'timeouts', 'perTry'],
  ['spec', 'healthChecks', 0, 'timeout'],
  ['spec', 'retries', 'budget'],
  ['spec', 'limits'],
  ['spec', 'circuitBreaker'],
  ...['retries', 'hedging', 'fallback'].map((field) => ['spec', field, 'methods']),
  ['spec', 'outlierDetection', 'maxEjectionPercent'],
  ...[[], ['highPriority']].flatMap((inner) =>
    ['maxConnections', 'maxPendingRequests', 'maxRequests', 'maxRetries'].map((field) => [
      'spec',
      'limits',
      ...inner,
      field,
    ]),
  ),
];

/** Keys and indexes from the document's root. */
export function referencePaths(resource: Resource): Array<readonly PropertyKey[]> {
  switch (resource.kind) {
    case 'Service':
      return resource.ports.map((_, at) => ['spec', 'ports', at]);
    case 'HTTPRoute':
    case 'GRPCRoute':
      return [
        ...resource.parents.map((_, at) => ['spec', 'parentRefs', at]),
        ...resource.rules.flatMap(({ backends }, rule) => [
          ['spec', 'rules', rule],
          ...backends.map((_, at) => ['spec', 'rules', rule, 'backendRefs', at]),
        ]),
      ];
    case 'TrafficPolicy':
      return [
        ...resource.trafficTargets.map((_, at) => ['spec', 'targetRefs', at]),
        ['spec', 'fallback', 'service'],
        ...doubtfulValues,
      ];
    case 'PeerAuthentication':
      return [...targetPaths(resource), ['spec', 'portLevelMtls']];
    case 'FaultPolicy':
      return [...targetPaths(resource), ['spec', 'faults'], ['spec', 'until'], ['spec', 'for']];
    case 'RateLimitPolicy':
      return [...targetPaths(resource), ['spec', 'global', 'service']];
    case 'Telemetry':
      return [...targetPaths(resource), ...collectorsOf(resource).map(({ target }) => keysOf(target.path))];
    case 'AuthorizationPolicy':
      return [
        ...targetPaths(resource),
        ['spec', 'rules'],
        ...resource.rules.map((_, at) => ['spec', 'rules', at]),
        ['spec', 'external', 'service'],
      ];
    case 'RequestAuthentication':
      return [
        ...targetPaths(resource),
        ...resource.rules.flatMap((_, at) => [
          ['spec', 'jwtRules', at],
          ...['jwksFile', 'jwksUri'].map((field) => ['spec', 'jwtRules', at, field]),
        ]),
      ];
  }
}

/** `spec.tracing.exporters[0].otlp.service` */
function keysOf(path: string): PropertyKey[] {
  return [...path.matchAll(/([A-Za-z]+)|\[([0-9]+)\]/g)].map(([, name, at]) => name ?? Number(at));
}

function targetPaths({ targets }: { readonly targets: { readonly services: readonly unknown[] } }): PropertyKey[][] {
  return [['metadata', 'name'], ...targets.services.map((_, at) => ['spec', 'targetRefs', at])];
}

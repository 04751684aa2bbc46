/** What policies may say and the simulator does not play: refused by name, so that no figure is taken for more than it is. */
import type { Resource } from '../../control-plane/config-kind/resource.ts';
import type { SchemaFault } from '../../control-plane/config-kind/schema-fault.ts';

const reason = 'is not simulated yet; take it out of the simulation (docs/simulate.md lists what is played)';
const noIdentities = 'is not simulated: who calls is told by certificates, and simulated callers have none';

/**
 * Fields of a TrafficPolicy's `spec` that are played, and of those that have fields of which only some are, these. Whatever else a policy may say by now is refused until somebody has tried it here. It is the sidecar's own
 * code that plays it, so often all that it takes is a line here, with a test that shows what it does.
 */
const played: Readonly<Record<string, 'all' | readonly string[]>> = {
  targetRefs: 'all',
  timeouts: 'all',
  retries: 'all',
  circuitBreaker: 'all',
  hedging: 'all',
  fallback: 'all',
  limits: ['maxConnections', 'maxPendingRequests', 'maxRequests', 'maxRetries', 'highPriority'],
  outlierDetection: 'all',
  healthChecks: 'all',
  loadBalancing: 'all',
  tcpKeepAlive: 'all',
};

/** `document`: the resource as it was written. */
export function notSimulated(resource: Resource, document: unknown): readonly SchemaFault[] {
  switch (resource.kind) {
    case 'Service':
      return [
        { path: ['kind'], message: 'Service is not taken here: spec.services of the Simulation describes the fleet' },
      ];
    case 'PeerAuthentication':
    case 'AuthorizationPolicy':
    case 'RequestAuthentication':
      return [{ path: ['kind'], message: `${resource.kind} ${noIdentities}` }];
    case 'GRPCRoute':
      return [{ path: ['kind'], message: `GRPCRoute ${reason}` }];
    case 'TrafficPolicy':
      return [
        ...untriedFields(document).map((path) => ({ path, message: reason })),
        ...resource.cluster.healthChecks.flatMap(({ probe }, at) =>
          probe.type === 'grpc' || probe.type === 'tls' || (probe.type === 'tcp' && probe.receive !== '')
            ? [{ path: ['spec', 'healthChecks', at], message: `by ${probe.type} ${reason}` }]
            : [],
        ),
      ];
    case 'FaultPolicy':
      return [
        ...(resource.untilMs === null ? [] : [{ path: ['spec', 'until'], message: reason }]),
        ...(resource.forMs === null ? [] : [{ path: ['spec', 'for'], message: reason }]),
        ...resource.faults.flatMap(({ match, responseRate }, at) => [
          ...(match.callers.length === 0
            ? []
            : [{ path: ['spec', 'faults', at, 'match', 'callers'], message: noIdentities }]),
          ...(responseRate === null
            ? []
            : [
                {
                  path: ['spec', 'faults', at, 'responseRateLimit'],
                  message: 'is not simulated: answers have no bodies',
                },
              ]),
        ]),
      ];
    case 'RateLimitPolicy':
      return [
        ...(resource.global.length === 0 ? [] : [{ path: ['spec', 'global'], message: reason }]),
        ...resource.local.flatMap(({ by, match }, at) => [
          ...(by.caller || by.remoteAddress ? [{ path: ['spec', 'local', at, 'by'], message: noIdentities }] : []),
          ...(match.callers.length === 0
            ? []
            : [{ path: ['spec', 'local', at, 'match', 'callers'], message: noIdentities }]),
        ]),
      ];
    case 'HTTPRoute':
      return [];
  }
}

function untriedFields(document: unknown): string[][] {
  const { spec } = document as { readonly spec: Readonly<Record<string, unknown>> };
  return Object.keys(spec).flatMap((field) => {
    const fields = Object.hasOwn(played, field) ? played[field]! : [];
    if (fields === 'all') return [];
    if (fields.length === 0) return [['spec', field]];
    return Object.keys(spec[field] as object)
      .filter((inner) => !fields.includes(inner))
      .map((inner) => ['spec', field, inner]);
  });
}

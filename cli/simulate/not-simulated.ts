/** What policies may say and the simulator does not play: refused by name, so that no figure is taken for more than it is. */
import type { RequestMatch } from '../../control-plane/config-kind/policy-resource.ts';
import type { Resource } from '../../control-plane/config-kind/resource.ts';
import type { SchemaFault } from '../../control-plane/config-kind/schema-fault.ts';
import type { TrafficPolicyResource } from '../../control-plane/config-kind/traffic-resource.ts';

const reason = 'is not simulated yet; take it out of the simulation (docs/simulate.md lists what is played)';
const noCounter =
  'is not simulated: limits over all workloads are asked of a service by gRPC, and a simulated fleet has none; local limits are played';
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
  inboundLimits: ['enabled', 'maxRequests', 'perRoute', 'queue'],
  adaptiveConcurrency: 'all',
  priorities: 'all',
};

/** `document`: the resource as it was written. */
export function notSimulated(resource: Resource, document: unknown): readonly SchemaFault[] {
  switch (resource.kind) {
    case 'Service':
      return [
        { path: ['kind'], message: 'Service is not taken here: spec.services of the Simulation describes the fleet' },
      ];
    case 'Telemetry':
      return [{ path: ['kind'], message: 'Telemetry is not simulated: nothing is told to anybody' }];
    case 'PeerAuthentication':
    case 'AuthorizationPolicy':
    case 'RequestAuthentication':
      return [{ path: ['kind'], message: `${resource.kind} ${noIdentities}` }];
    case 'GRPCRoute':
      return [{ path: ['kind'], message: `GRPCRoute ${reason}` }];
    case 'TrafficPolicy':
      return [
        ...untriedFields(document).map((path) => ({
          path,
          message: path.join('.') === 'spec.inboundLimits.perCaller' ? noIdentities : reason,
        })),
        ...byCaller(resource),
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
        ...(resource.global.length === 0 ? [] : [{ path: ['spec', 'global'], message: noCounter }]),
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

/** Rules of the workloads themselves that look at who calls. */
function byCaller({ inbound }: TrafficPolicyResource): SchemaFault[] {
  const { limits, priorities } = inbound;
  const routes = limits === null || limits === 'off' ? [] : limits.perRoute;
  const named = (path: readonly string[], rules: ReadonlyArray<{ readonly match: RequestMatch }>): SchemaFault[] =>
    rules.flatMap(({ match }, at) =>
      match.callers.length === 0 ? [] : [{ path: ['spec', ...path, at, 'match', 'callers'], message: noIdentities }],
    );
  return [...named(['inboundLimits', 'perRoute'], routes), ...named(['priorities'], priorities)];
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

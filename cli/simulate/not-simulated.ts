/** What policies may say and the simulator does not play: refused by name, so that no figure is taken for more than it is. */
import type { Resource } from '../../control-plane/config-kind/resource.ts';
import type { SchemaFault } from '../../control-plane/config-kind/schema-fault.ts';

const reason = 'is not simulated yet; take it out of the simulation (docs/simulate.md lists what is played)';
const noIdentities = 'is not simulated: who calls is told by certificates, and simulated callers have none';

/**
 * Fields of a TrafficPolicy's `spec` that the sidecar may have and that nobody has tried here yet. They are played by the sidecar's own code, so what it takes to take one in is to take it out of this list, with a
 * test that shows what it does.
 */
const untried: ReadonlyArray<readonly string[]> = [
  ['circuitBreaker'],
  ['fallback'],
  ['adaptiveConcurrency'],
  ['inbound'],
  ['hedging', 'delay'],
  ['hedging', 'percentile'],
];

/** `document`: the resource as it was written; null: that is not at hand, and its fields are not looked at by name. */
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
        ...untried
          .map((field) => ['spec', ...field])
          .filter((path) => isThere(document, path))
          .map((path) => ({ path, message: reason })),
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

function isThere(document: unknown, path: readonly string[]): boolean {
  let value = document;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return false;
    value = (value as Record<string, unknown>)[key];
  }
  return true;
}

/** Checks of TrafficPolicies across resources: is there what they are for, and is there another for the same? */
import { type Resource, resourceName } from '../config-kind/resource.ts';
import { isPossible } from './health-check-problem.ts';
import type { ReferenceWarning } from './reference-warning.ts';
import { TrafficIndex } from './traffic-index.ts';

export function checkTraffic(resources: readonly Resource[]): ReferenceWarning[] {
  const { placed } = new TrafficIndex(resources);
  return placed.flatMap(({ policy, target, problem, winner, ports }) => {
    const unchecked = ports.filter(
      (port) => port.protocol !== 'tcp' && policy.cluster.healthChecks.some((check) => !isPossible(check, port)),
    );
    const message =
      problem !== ''
        ? `${problem}; nothing comes of the policy there`
        : winner === null
          ? unchecked.length === 0
            ? ''
            : `a health check by gRPC needs a port with appProtocol grpc or http2; ${unchecked.map(({ port }) => port).join(', ')} is not checked`
          : `${resourceName(winner)} is for the same; the older one counts, or the first by name`;
    if (message === '') return [];
    const { path } = target;
    return [{ resource: resourceName(policy), place: policy.referencePlaces.get(path) ?? policy.place, path, message }];
  });
}

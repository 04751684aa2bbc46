/** Checks of TrafficPolicies across resources: is there what they are for, and is there another for the same? */
import { type Resource, resourceName } from '../config-kind/resource.ts';
import { doubtfulValues } from './doubtful-values.ts';
import { isPossible } from './health-check-problem.ts';
import { portsLedAway } from './ports-led-away.ts';
import type { ReferenceWarning } from './reference-warning.ts';
import { TrafficIndex } from './traffic-index.ts';

export function checkTraffic(resources: readonly Resource[]): ReferenceWarning[] {
  const index = new TrafficIndex(resources);
  const ledAway = portsLedAway(resources);
  return [
    ...placedWarnings(index),
    ...resources.flatMap((resource) => [
      ...fallbackWarnings(resource, index),
      ...doubtfulValues(resource, index, ledAway),
    ]),
  ];
}

function placedWarnings({ placed }: TrafficIndex): ReferenceWarning[] {
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

function fallbackWarnings(policy: Resource, index: TrafficIndex): ReferenceWarning[] {
  if (policy.kind !== 'TrafficPolicy') return [];
  const { fallback } = policy.route;
  if (fallback === null || fallback === 'off' || fallback.service === null) return [];
  const { service } = fallback;
  const path = 'spec.fallback.service';
  const warn = (message: string): ReferenceWarning[] => [
    { resource: resourceName(policy), place: policy.referencePlaces.get(path) ?? policy.place, path, message },
  ];
  const problem = index.fallbackProblem(service);
  if (problem !== null) return warn(`${problem}; there is no fallback to it`);
  const isItself = index.placed.some(
    ({ policy: placed, target, ports }) =>
      placed === policy &&
      target.kind === 'Service' &&
      target.name === service.name &&
      policy.namespace === service.namespace &&
      ports.some(({ port }) => port === service.port),
  );
  return isItself
    ? warn(
        `${service.namespace}/${service.name}:${service.port} is what the policy is for: a failed request is sent there once more`,
      )
    : [];
}

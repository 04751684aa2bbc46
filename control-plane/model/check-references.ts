/** Checks across resources: does what a route refers to exist? None of these is a fault of a single file, as the other resource may come later or from another source. */
import {
  isRoute,
  type ParentReference,
  type Resource,
  type RouteResource,
  resourceName,
  type ServiceResource,
} from '../config-kind/resource.ts';
import { backendProblem, noService, portList } from './backend-problem.ts';
import { checkPolicies } from './check-policies.ts';
import { checkTraffic } from './check-traffic.ts';
import { parentPorts } from './parent-ports.ts';
import type { ReferenceWarning } from './reference-warning.ts';

/** Everything that is likely not meant, in the order of the resources. */
export function checkReferences(resources: readonly Resource[]): ReferenceWarning[] {
  const services = new Map<string, ServiceResource>();
  for (const resource of resources)
    if (resource.kind === 'Service') services.set(`${resource.namespace}/${resource.name}`, resource);
  const warnings: ReferenceWarning[] = [];
  for (const resource of resources) {
    const warn = (path: string, message: string): void =>
      void warnings.push({
        resource: resourceName(resource),
        place: resource.referencePlaces.get(path) ?? resource.place,
        path,
        message,
      });
    if (!isRoute(resource)) continue;
    for (const parent of resource.parents) {
      const problem = parentProblem(parent, services);
      if (problem !== null) warn(parent.path, `${problem}; the route has no effect there`);
    }
    const answer = resource.kind === 'HTTPRoute' ? '500' : 'UNAVAILABLE';
    for (const [at, rule] of resource.rules.entries()) {
      for (const backend of rule.backends) {
        const problem = backendProblem(backend, services);
        if (problem !== null) warn(backend.path, `${problem}; requests for it are answered ${answer}`);
      }
      const redirects = 'redirect' in rule && rule.redirect !== null;
      if (!redirects && rule.backends.every(({ weight }) => weight === 0)) {
        warn(
          `spec.rules[${at}]`,
          `${rule.backends.length === 0 ? 'has no backendRefs' : 'gives every backend the weight 0'}; its requests are answered ${answer}`,
        );
      }
    }
  }
  warnings.push(...mixedKinds(resources, services), ...checkPolicies(resources, services), ...checkTraffic(resources));
  return warnings;
}

function parentProblem(parent: ParentReference, services: ReadonlyMap<string, ServiceResource>): string | null {
  const service = services.get(`${parent.namespace}/${parent.name}`);
  if (service === undefined) return noService(parent.namespace, parent.name);
  const ports = parentPorts(parent, service);
  if (ports.length === 0)
    return `Service ${parent.namespace}/${parent.name} has no port ${parent.port ?? JSON.stringify(parent.portName)}; it has ${portList(service)}`;
  return ports.every(({ protocol }) => protocol === 'tcp')
    ? `Service ${parent.namespace}/${parent.name} speaks tcp there`
    : null;
}

/** A port with both route kinds takes the GRPCRoutes only (GEP-1426: the more specific kind wins). */
function mixedKinds(
  resources: readonly Resource[],
  services: ReadonlyMap<string, ServiceResource>,
): ReferenceWarning[] {
  const grpcPorts = new Map<string, RouteResource>();
  const each = (
    kind: RouteResource['kind'],
    visit: (key: string, route: RouteResource, parent: ParentReference) => void,
  ): void => {
    for (const resource of resources) {
      if (resource.kind !== kind) continue;
      for (const parent of resource.parents) {
        const service = services.get(`${parent.namespace}/${parent.name}`);
        if (service === undefined) continue;
        const scope = resource.namespace === parent.namespace ? '' : resource.namespace;
        for (const { port } of parentPorts(parent, service))
          visit(`${parent.namespace}/${parent.name}:${port} ${scope}`, resource, parent);
      }
    }
  };
  each('GRPCRoute', (key, route) => grpcPorts.set(key, route));
  const warnings: ReferenceWarning[] = [];
  const told = new Set<string>();
  each('HTTPRoute', (key, route, parent) => {
    const grpc = grpcPorts.get(key);
    const once = `${resourceName(route)} ${parent.path}`;
    if (grpc === undefined || told.has(once)) return;
    told.add(once);
    warnings.push({
      resource: resourceName(route),
      place: route.referencePlaces.get(parent.path) ?? route.place,
      path: parent.path,
      message: `${resourceName(grpc)} has the same parent and port: a GRPCRoute goes before an HTTPRoute, which has no effect there`,
    });
  });
  return warnings;
}

/** Services and the routes attached to their ports, from resources alone: what of the model does not depend on where instances are. */
import {
  type BackendReference,
  isRoute,
  type ParentReference,
  type Resource,
  type RouteResource,
  resourceName,
  type ServiceResource,
} from '../config-kind/resource.ts';
import { type TimeLimit, timeLimit } from '../config-kind/time-limit.ts';
import { noRouteTraffic, type RouteTraffic } from '../config-kind/traffic-resource.ts';
import { backendProblem } from './backend-problem.ts';
import { keepIdentity } from './keep-identity.ts';
import type { AttachedRoute, Backend, PortDefinition, PortRouting } from './model.ts';
import { parentPorts } from './parent-ports.ts';
import { mergedRouteTraffic, TrafficIndex } from './traffic-index.ts';

export interface ServiceSkeleton {
  readonly resource: ServiceResource;
  readonly ports: ReadonlyArray<{ readonly definition: PortDefinition; readonly routing: PortRouting }>;
}

/** By `namespace/name`, sorted. Parts that are as in `before` are the same objects. */
export function buildSkeleton(
  resources: readonly Resource[],
  before: ReadonlyMap<string, ServiceSkeleton>,
): Map<string, ServiceSkeleton> {
  const services = new Map<string, ServiceResource>();
  for (const resource of resources)
    if (resource.kind === 'Service') services.set(`${resource.namespace}/${resource.name}`, resource);
  const traffic = new TrafficIndex(resources);
  const attached = attachRoutes(resources, services, traffic);
  const skeleton = new Map<string, ServiceSkeleton>();
  for (const key of [...services.keys()].toSorted()) {
    const resource = services.get(key)!;
    const old = before.get(key);
    const ports = definitions(resource, traffic).map((now) => {
      const oldPort = old?.ports.find(({ definition }) => definition.port === now.port);
      const definition = keepIdentity(oldPort?.definition, now);
      const routes = attached.get(`${key}:${definition.port}`) ?? [];
      const routing = routingOf(definition, routes, traffic.ofPort(resource, definition.port));
      return { definition, routing: keepIdentity(oldPort?.routing, routing) };
    });
    skeleton.set(key, { resource, ports });
  }
  return skeleton;
}

function definitions(resource: ServiceResource, traffic: TrafficIndex): PortDefinition[] {
  const { namespace, name: service, ports, serviceAccounts } = resource;
  const routed = ports.filter(({ protocol }) => protocol !== 'tcp');
  const byDefault = routed.find(({ port }) => port === 80) ?? routed[0];
  return ports.map((spec) => ({
    namespace,
    service,
    port: spec.port,
    name: spec.name,
    targetPort: spec.targetPort,
    protocol: spec.protocol,
    isDefault: spec === byDefault,
    serviceAccounts,
    traffic: traffic.ofCluster(resource, spec.port),
  }));
}

/** Routes by `namespace/name:port` of their parents. A route that names a port twice is attached once. */
function attachRoutes(
  resources: readonly Resource[],
  services: ReadonlyMap<string, ServiceResource>,
  traffic: TrafficIndex,
): Map<string, AttachedRoute[]> {
  const attached = new Map<string, AttachedRoute[]>();
  for (const resource of resources) {
    if (!isRoute(resource)) continue;
    const route = attachedRoute(resource, services, traffic);
    const keys = new Set(resource.parents.flatMap((parent) => portKeys(parent, services)));
    for (const key of keys) {
      const list = attached.get(key);
      if (list === undefined) attached.set(key, [route]);
      else list.push(route);
    }
  }
  return attached;
}

function portKeys(parent: ParentReference, services: ReadonlyMap<string, ServiceResource>): string[] {
  const key = `${parent.namespace}/${parent.name}`;
  const service = services.get(key);
  return service === undefined ? [] : parentPorts(parent, service).map(({ port }) => `${key}:${port}`);
}

function attachedRoute(
  resource: RouteResource,
  services: ReadonlyMap<string, ServiceResource>,
  traffic: TrafficIndex,
): AttachedRoute {
  const { namespace, name, createdAt } = resource;
  const backends = (references: readonly BackendReference[]): Backend[] =>
    references.filter(({ weight }) => weight > 0).map((reference) => backendOf(reference, services));
  const limit = (ms: number | null) => timeLimit(ms, resourceName(resource));
  const trafficOf = ({ name: rule, retry }: RouteResource['rules'][number], requestTimeout: TimeLimit | null) =>
    mergedRouteTraffic({ ...noRouteTraffic, requestTimeout, retries: retry }, traffic.ofRule(resource, rule));
  if (resource.kind === 'HTTPRoute') {
    return {
      kind: 'HTTPRoute',
      namespace,
      name,
      createdAt,
      rules: resource.rules.map((rule) => ({
        matches: rule.matches,
        backends: backends(rule.backends),
        requestHeaders: rule.requestHeaders,
        responseHeaders: rule.responseHeaders,
        redirect: rule.redirect,
        rewrite: rule.rewrite,
        backendTimeout: limit(rule.backendTimeoutMs),
        traffic: trafficOf(rule, limit(rule.timeoutMs)),
      })),
    };
  }
  return {
    kind: 'GRPCRoute',
    namespace,
    name,
    createdAt,
    rules: resource.rules.map((rule) => ({
      matches: rule.matches,
      backends: backends(rule.backends),
      requestHeaders: rule.requestHeaders,
      responseHeaders: rule.responseHeaders,
      traffic: trafficOf(rule, null),
    })),
  };
}

function backendOf(reference: BackendReference, services: ReadonlyMap<string, ServiceResource>): Backend {
  const { namespace, name, port, weight, requestHeaders, responseHeaders } = reference;
  return {
    namespace,
    service: name,
    port,
    weight,
    problem: backendProblem(reference, services) ?? '',
    requestHeaders,
    responseHeaders,
  };
}

/** Producer and consumer routes apart; where GRPCRoutes are, HTTPRoutes of the same scope are left out (GEP-1426). */
function routingOf(definition: PortDefinition, routes: readonly AttachedRoute[], traffic: RouteTraffic): PortRouting {
  const scopes = new Map<string, AttachedRoute[]>();
  for (const route of routes) {
    const list = scopes.get(route.namespace);
    if (list === undefined) scopes.set(route.namespace, [route]);
    else list.push(route);
  }
  for (const [namespace, list] of scopes) {
    const grpc = list.filter(({ kind }) => kind === 'GRPCRoute');
    const kept = grpc.length > 0 ? grpc : list;
    scopes.set(
      namespace,
      kept.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    );
  }
  const producer = scopes.get(definition.namespace) ?? [];
  scopes.delete(definition.namespace);
  const consumers = new Map([...scopes].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return { definition, producer, consumers, traffic };
}

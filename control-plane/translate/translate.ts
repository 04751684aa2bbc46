/**
 * Model + proxy → the xDS resources that this proxy is to have. Pure: the same model and proxy give the same bytes. Memoized by the identity of the model's parts, so that one endpoint's
 * change encodes one ClusterLoadAssignment and leaves every other resource the same object.
 */
import type { AppProtocol } from '../config-kind/resource.ts';
import type { Model, PortDefinition, PortRouting, ServiceModel } from '../model/model.ts';
import { type ClusterClient, clientKey, clusterClient, encodeOutboundCluster } from './encode-cluster.ts';
import { collectorClusters } from './encode-collector.ts';
import { encodeEndpoints } from './encode-endpoints.ts';
import { encodeApiListener } from './encode-listener.ts';
import { encodeGrpcRoutes, encodeOutboundRoutes, isExtended } from './encode-routes.ts';
import type { EncodedResource } from './encoded-resource.ts';
import { dnsListeners, interceptedResources } from './intercepted-resources.ts';
import { KeptByParts } from './kept-by-parts.ts';
import { LayeredMap } from './layered-map.ts';
import { missingBackendAssignment, missingBackendForGrpc } from './missing-backend.ts';
import { applicationResources, ownListeners } from './own-resources.ts';
import type { ProxyNode } from './proxy-node.ts';
import { proxyPolicies } from './proxy-policies.ts';
import type { ProxyTelemetry } from './proxy-telemetry.ts';
import { grpcListenerName } from './resource-names.ts';
import { upstreamRoutes } from './upstream-routes.ts';
import { visibleServices } from './visible-services.ts';

type ResourceMap = ReadonlyMap<string, EncodedResource>;

/** By name, each. */
export interface ProxyResources {
  readonly listeners: ResourceMap;
  readonly routes: ResourceMap;
  readonly clusters: ResourceMap;
  readonly endpoints: ResourceMap;
}

export function translate(model: Model, proxy: ProxyNode): ProxyResources {
  const services = visibleServices(model, proxy);
  return proxy.kind === 'grpc' ? grpcResources(model, services, proxy) : proxyResources(model, services, proxy);
}

function proxyResources(model: Model, services: ReadonlyMap<string, ServiceModel>, proxy: ProxyNode): ProxyResources {
  const routings = routingsOf(model, services);
  if (proxy.interception !== 'NONE') return interceptedProxyResources(model, services, routings, proxy);
  const policies = proxyPolicies(model.policies, proxy);
  const { listeners, filters } = ownListeners(proxy, policies);
  const protocol = appProtocol(services.get(`${proxy.namespace}/${proxy.service}`), proxy.appPort);
  const application = applicationResources(proxy, protocol, filters);
  const clusters = outboundClusters(routings, proxy);
  const outbound = outboundRoutes(routings, proxy.namespace, proxy.kind === 'outrigger');
  const dns = dnsListeners(model.addresses, routings, proxy);
  return {
    listeners: dns.length === 0 ? listeners : new Map([...listeners, ...byName(dns)]),
    routes: byName([outbound, ...application.routes, ...upstreamRoutes(services, proxy)]),
    clusters: layered(proxy, clusters, withCollectors(application.clusters, policies.telemetry)),
    endpoints: endpointsOf(services, clusterClient(proxy)),
  };
}

const keptWithCollectors = new KeptByParts<ResourceMap>();

function withCollectors(clusters: ResourceMap, telemetry: ProxyTelemetry): ResourceMap {
  const collectors = collectorClusters(telemetry);
  if (collectors.size === 0) return clusters;
  return keptWithCollectors.get([clusters, collectors], '', () => new Map([...clusters, ...collectors]));
}

/** Everything, with the ports that are never looked into. */
function interceptedProxyResources(
  model: Model,
  services: ReadonlyMap<string, ServiceModel>,
  routings: readonly PortRouting[],
  proxy: ProxyNode,
): ProxyResources {
  const { listeners, routes, clusters } = interceptedResources(model, services, routings, proxy);
  return {
    listeners,
    routes: byName([...routes, ...upstreamRoutes(services, proxy)]),
    clusters: layered(proxy, outboundClusters(routings, proxy, true), clusters),
    endpoints: endpointsOf(services, clusterClient(proxy), true),
  };
}

function grpcResources(model: Model, services: ReadonlyMap<string, ServiceModel>, proxy: ProxyNode): ProxyResources {
  const routings = routingsOf(model, services);
  const listeners: EncodedResource[] = [];
  const routes: EncodedResource[] = [];
  for (const routing of routings) {
    if (!isRouted(routing)) continue;
    routes.push(encodeGrpcRoutes(routing, proxy.namespace));
    listeners.push(...apiListeners(routing.definition));
  }
  return {
    listeners: byName(listeners),
    routes: byName(routes),
    clusters: outboundClusters(routings, proxy),
    endpoints: endpointsOf(services, clusterClient(proxy)),
  };
}

const keptApiListeners = new WeakMap<PortDefinition, readonly EncodedResource[]>();

/** `service.namespace:port`, and `service.namespace` for the default port. */
function apiListeners(definition: PortDefinition): readonly EncodedResource[] {
  let listeners = keptApiListeners.get(definition);
  if (listeners === undefined) {
    const { namespace, service, port, isDefault } = definition;
    const routeName = grpcListenerName(namespace, service, port);
    listeners = [
      encodeApiListener(routeName, routeName),
      ...(isDefault ? [encodeApiListener(grpcListenerName(namespace, service, null), routeName)] : []),
    ];
    keptApiListeners.set(definition, listeners);
  }
  return listeners;
}

const keptClusters = new KeptByParts<ResourceMap>();
const keptEndpoints = new KeptByParts<ResourceMap>();

/** The same map for every proxy of a kind and trust domain, and as long as no definition of a port changes. */
function outboundClusters(routings: readonly PortRouting[], proxy: ProxyNode, withTcp = false): ResourceMap {
  const client = clusterClient(proxy);
  return keptClusters.get([routings], `${clientKey(client)}${withTcp ? ' tcp' : ''}`, () =>
    byName([
      ...routings
        .filter((routing) => withTcp || isRouted(routing))
        .map(({ definition }) => encodeOutboundCluster(definition, client)),
      ...(client.forGrpc ? [missingBackendForGrpc()] : []),
    ]),
  );
}

function endpointsOf(services: ReadonlyMap<string, ServiceModel>, client: ClusterClient, withTcp = false): ResourceMap {
  const { forGrpc } = client;
  const identified = client.trustDomain !== '';
  return keptEndpoints.get([services], `${forGrpc} ${identified}${withTcp ? ' tcp' : ''}`, () =>
    byName([
      ...[...services.values()].flatMap(({ ports }) =>
        ports
          .filter(({ routing }) => withTcp || isRouted(routing))
          .map(({ endpoints }) => encodeEndpoints(endpoints, identified)),
      ),
      ...(forGrpc ? [missingBackendAssignment()] : []),
    ]),
  );
}

const keptLayers = new WeakMap<
  ProxyNode,
  { readonly base: ResourceMap; readonly own: ResourceMap; readonly both: ResourceMap }
>();

/** Shared clusters and the proxy's own; the same object as long as both are. */
function layered(proxy: ProxyNode, base: ResourceMap, own: ResourceMap): ResourceMap {
  const kept = keptLayers.get(proxy);
  if (kept !== undefined && kept.base === base && kept.own === own) return kept.both;
  const both = new LayeredMap(base, own);
  keptLayers.set(proxy, { base, own, both });
  return both;
}

/** What the application speaks: the port that targets it, else what all ports of its Service speak, else nobody knows. */
function appProtocol(service: ServiceModel | undefined, appPort: number | null): AppProtocol | null {
  const routed = (service?.ports ?? [])
    .map(({ definition }) => definition)
    .filter(({ protocol }) => protocol !== 'tcp');
  const targeted = routed.filter(({ targetPort }) => targetPort === appPort);
  const protocols = new Set((targeted.length > 0 ? targeted : routed).map(({ protocol }) => protocol));
  return protocols.size === 1 ? [...protocols][0]! : null;
}

interface OutboundTables {
  /** Those that the configuration names: with a Service, or with routes for their callers. */
  readonly namespaces: ReadonlySet<string>;
  /** A route has an extension that only they take: sidecars of ours are sent tables of their own. */
  readonly extended: boolean;
  readonly byNamespace: Map<string, EncodedResource>;
}

const keptOutbound = new WeakMap<readonly PortRouting[], OutboundTables>();

/** Namespaces that the configuration does not name see all the same, whatever they are called: so there are no more tables than namespaces in it, and one. */
function outboundRoutes(routings: readonly PortRouting[], callerNamespace: string, ours: boolean): EncodedResource {
  let tables = keptOutbound.get(routings);
  if (tables === undefined) {
    const named = routings.flatMap(({ definition, consumers }) => [definition.namespace, ...consumers.keys()]);
    tables = { namespaces: new Set(named), extended: routings.some(isExtended), byNamespace: new Map() };
    keptOutbound.set(routings, tables);
  }
  const namespace = tables.namespaces.has(callerNamespace) ? callerNamespace : '';
  const key = ours && tables.extended ? `${namespace} sidecar` : namespace;
  let table = tables.byNamespace.get(key);
  if (table === undefined) {
    table = encodeOutboundRoutes(routings, namespace, ours);
    tables.byNamespace.set(key, table);
  }
  return table;
}

function isRouted({ definition }: PortRouting): boolean {
  return definition.protocol !== 'tcp';
}

function routingsOf(model: Model, services: ReadonlyMap<string, ServiceModel>): readonly PortRouting[] {
  return services === model.services
    ? model.routings
    : [...services.values()].flatMap(({ ports }) => ports.map(({ routing }) => routing));
}

function byName(resources: readonly EncodedResource[]): Map<string, EncodedResource> {
  return new Map(resources.map((resource) => [resource.name, resource]));
}

/**
 * Model + proxy → the xDS resources that this proxy is to have. Pure: the same model and proxy give the same bytes. Memoized by the identity of the model's parts, so that one endpoint's
 * change encodes one ClusterLoadAssignment and leaves every other resource the same object.
 */
import type { AppProtocol } from '../config-kind/resource.ts';
import type { Model, PortModel, PortRouting, ServiceModel } from '../model/model.ts';
import { encodeInboundCluster, encodeOutboundCluster } from './encode-cluster.ts';
import { encodeEndpoints } from './encode-endpoints.ts';
import { encodeApiListener, encodeInboundListener, encodeOutboundListener } from './encode-listener.ts';
import { encodeGrpcRoutes, encodeInboundRoutes, encodeOutboundRoutes } from './encode-routes.ts';
import type { EncodedResource } from './encoded-resource.ts';
import { missingBackendAssignment, missingBackendForGrpc } from './missing-backend.ts';
import type { ClientKind, ProxyNode } from './proxy-node.ts';
import { grpcListenerName } from './resource-names.ts';
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
  return proxy.kind === 'grpc' ? grpcResources(services, proxy) : proxyResources(model, services, proxy);
}

function proxyResources(model: Model, services: ReadonlyMap<string, ServiceModel>, proxy: ProxyNode): ProxyResources {
  const shared = sharedResources(services, proxy.kind);
  const own = ownResources(proxy, appProtocol(services.get(`${proxy.namespace}/${proxy.service}`), proxy.appPort));
  const outbound = outboundRoutes(services === model.services ? model.routings : routingsOf(services), proxy.namespace);
  return {
    listeners: own.listeners,
    routes: byName([outbound, ...own.routes]),
    clusters: own.clusters.length === 0 ? shared.clusters : byName([...shared.clusters.values(), ...own.clusters]),
    endpoints: shared.endpoints,
  };
}

function grpcResources(services: ReadonlyMap<string, ServiceModel>, proxy: ProxyNode): ProxyResources {
  const { clusters, endpoints } = sharedResources(services, 'grpc');
  const listeners: EncodedResource[] = [];
  const routes: EncodedResource[] = [];
  for (const { definition, routing } of routedPorts(services)) {
    const table = encodeGrpcRoutes(routing, proxy.namespace);
    routes.push(table);
    listeners.push(...apiListeners(routing, definition.isDefault));
  }
  return { listeners: byName(listeners), routes: byName(routes), clusters, endpoints };
}

const keptApiListeners = new WeakMap<PortModel['definition'], readonly EncodedResource[]>();

/** `service.namespace:port`, and `service.namespace` for the default port. */
function apiListeners({ definition }: PortRouting, isDefault: boolean): readonly EncodedResource[] {
  let listeners = keptApiListeners.get(definition);
  if (listeners === undefined) {
    const { namespace, service, port } = definition;
    const routeName = grpcListenerName(namespace, service, port);
    listeners = [
      encodeApiListener(routeName, routeName),
      ...(isDefault ? [encodeApiListener(grpcListenerName(namespace, service, null), routeName)] : []),
    ];
    keptApiListeners.set(definition, listeners);
  }
  return listeners;
}

interface SharedResources {
  readonly clusters: ResourceMap;
  readonly endpoints: ResourceMap;
}

const keptShared = new WeakMap<ReadonlyMap<string, ServiceModel>, Map<boolean, SharedResources>>();

/** Clusters and endpoints do not depend on who asks, only on the kind of client. */
function sharedResources(services: ReadonlyMap<string, ServiceModel>, kind: ClientKind): SharedResources {
  const forGrpc = kind === 'grpc';
  let variants = keptShared.get(services);
  if (variants === undefined) {
    variants = new Map();
    keptShared.set(services, variants);
  }
  let shared = variants.get(forGrpc);
  if (shared === undefined) {
    const ports = [...routedPorts(services)];
    const clusters = ports.map(({ definition }) => encodeOutboundCluster(definition, kind));
    const endpoints = ports.map(({ endpoints }) => encodeEndpoints(endpoints));
    if (forGrpc) {
      clusters.push(missingBackendForGrpc());
      endpoints.push(missingBackendAssignment());
    }
    shared = { clusters: byName(clusters), endpoints: byName(endpoints) };
    variants.set(forGrpc, shared);
  }
  return shared;
}

interface OwnResources {
  readonly protocol: AppProtocol | null;
  readonly listeners: ResourceMap;
  readonly routes: readonly EncodedResource[];
  readonly clusters: readonly EncodedResource[];
}

const keptOwn = new WeakMap<ProxyNode, OwnResources>();

/** What only this proxy has: its listeners, and the way to the application beside it. */
function ownResources(proxy: ProxyNode, protocol: AppProtocol | null): OwnResources {
  const kept = keptOwn.get(proxy);
  if (kept !== undefined && kept.protocol === protocol) return kept;
  const { appPort, namespace, service } = proxy;
  const own: OwnResources =
    appPort === null
      ? { protocol, listeners: byName([encodeOutboundListener(proxy)]), routes: [], clusters: [] }
      : {
          protocol,
          listeners: kept?.listeners ?? byName([encodeOutboundListener(proxy), encodeInboundListener(proxy, appPort)]),
          routes: [encodeInboundRoutes(namespace, service, appPort, protocol)],
          clusters: [encodeInboundCluster(appPort, protocol)],
        };
  keptOwn.set(proxy, own);
  return own;
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

const keptOutbound = new WeakMap<readonly PortRouting[], Map<string, EncodedResource>>();

function outboundRoutes(routings: readonly PortRouting[], namespace: string): EncodedResource {
  let tables = keptOutbound.get(routings);
  if (tables === undefined) {
    tables = new Map();
    keptOutbound.set(routings, tables);
  }
  let table = tables.get(namespace);
  if (table === undefined) {
    table = encodeOutboundRoutes(routings, namespace);
    tables.set(namespace, table);
  }
  return table;
}

function* routedPorts(services: ReadonlyMap<string, ServiceModel>): Generator<PortModel> {
  for (const { ports } of services.values())
    for (const port of ports) if (port.definition.protocol !== 'tcp') yield port;
}

function routingsOf(services: ReadonlyMap<string, ServiceModel>): PortRouting[] {
  return [...services.values()].flatMap(({ ports }) => ports.map(({ routing }) => routing));
}

function byName(resources: readonly EncodedResource[]): Map<string, EncodedResource> {
  return new Map(resources.map((resource) => [resource.name, resource]));
}

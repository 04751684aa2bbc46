/**
 * What each sidecar of a simulation is configured to do: policies and routes through the control plane's own model and translation, and the bytes that come of it through the sidecar's own
 * decoders. So a policy means here what it means in a mesh, defaults too.
 */
import type { Resource, ServiceResource } from '../../control-plane/config-kind/resource.ts';
import type { Model } from '../../control-plane/model/model.ts';
import { ModelBuilder } from '../../control-plane/model/model-builder.ts';
import type { EncodedResource } from '../../control-plane/translate/encoded-resource.ts';
import type { ProxyNode } from '../../control-plane/translate/proxy-node.ts';
import { type ProxyResources, translate } from '../../control-plane/translate/translate.ts';
import type { ClusterConfig, LoadAssignmentConfig } from '../../sidecar/config/cluster-config.ts';
import type { Configuration, Configured } from '../../sidecar/config/configuration.ts';
import type { HttpConnectionManagerConfig, ListenerConfig } from '../../sidecar/config/listener-config.ts';
import type { RouteTableConfig, VirtualHostConfig } from '../../sidecar/config/route-config.ts';
import { clusterNames } from '../../sidecar/xds/ads/configuration-references.ts';
import {
  clusterType,
  endpointsType,
  listenerType,
  type ResourceType,
  routesType,
} from '../../sidecar/xds/ads/resource-type.ts';
import { endpointAddress } from './endpoint-address.ts';
import { instancePort, type ServiceSpec, type Simulation, servicePort } from './simulation.ts';

/** Of one side of a sidecar. */
export interface SideConfiguration {
  readonly configuration: Configuration;
  readonly table: RouteTableConfig;
  readonly manager: HttpConnectionManagerConfig;
  readonly bufferLimitBytes: number;
}

export interface OutboundConfiguration extends SideConfiguration {
  /** By the service that is called. */
  readonly ways: ReadonlyMap<string, Way>;
}

/** Where requests for a service may go. */
export interface Way {
  /** In the order of the routes. */
  readonly clusters: readonly string[];
  readonly virtualHosts: readonly string[];
}

export class MeshConfiguration {
  readonly #simulation: Simulation;
  readonly #model: Model;
  readonly #decoded = new WeakMap<EncodedResource, unknown>();

  constructor(simulation: Simulation, resources: readonly Resource[]) {
    this.#simulation = simulation;
    const services = simulation.services.map((spec, at) => serviceResource(simulation, spec, at));
    this.#model = new ModelBuilder().build({ resources: [...services, ...resources], instances: [] });
  }

  /** What is likely not meant: a policy for a service that is not there. */
  get warnings(): readonly string[] {
    return this.#model.warnings.map(({ resource, place, message }) => `${place}: ${resource}: ${message}`);
  }

  /** Of a caller's sidecar that calls these. */
  outbound(caller: string, services: readonly string[]): OutboundConfiguration {
    const resources = translate(this.#model, this.#node(caller, null));
    const table = this.#decode<RouteTableConfig>(routesType, resources.routes.get('outbound'));
    const listener = this.#decode<ListenerConfig>(listenerType, resources.listeners.get('outbound'));
    const ways = new Map<string, Way>();
    const called = new Set<VirtualHostConfig>();
    for (const service of services) {
      const domain = `${service}.${this.#simulation.namespace}`;
      const virtualHosts = table.virtualHosts.filter(({ domains }) => domains.includes(domain));
      for (const virtualHost of virtualHosts) called.add(virtualHost);
      ways.set(service, {
        clusters: [...new Set(clusterNames({ ...table, virtualHosts }))],
        virtualHosts: virtualHosts.map(({ name }) => name),
      });
    }
    // A sidecar has them all; those that nobody calls would only take time and memory.
    const names = new Set([...ways.values()].flatMap(({ clusters }) => clusters));
    return { ...this.#side(resources, listener, { ...table, virtualHosts: [...called] }, names), ways };
  }

  /** Of the sidecar before an instance; null: nothing there does more than hand requests on. */
  inbound(service: string): SideConfiguration | null {
    const resources = translate(this.#model, this.#node(service, instancePort));
    const listener = this.#decode<ListenerConfig>(listenerType, resources.listeners.get('inbound'));
    const { gates, routes } = managerOf(listener);
    if (gates.length === 0 || routes.kind !== 'rds') return null;
    const table = this.#decode<RouteTableConfig>(routesType, resources.routes.get(routes.name));
    return this.#side(resources, listener, table, new Set(clusterNames(table)));
  }

  #side(
    resources: ProxyResources,
    listener: ListenerConfig,
    table: RouteTableConfig,
    names: ReadonlySet<string>,
  ): SideConfiguration {
    const clusters = new Map<string, Configured<ClusterConfig>>();
    const assignments = new Map<string, Configured<LoadAssignmentConfig>>();
    for (const name of names) {
      const resource = resources.clusters.get(name);
      // Requests for it are answered as in a mesh: there is no such cluster.
      if (resource === undefined) continue;
      const cluster = this.#decode<ClusterConfig>(clusterType, resource);
      clusters.set(name, configured(cluster));
      if (cluster.discovery.kind !== 'eds') continue;
      const { serviceName } = cluster.discovery;
      const endpoints = this.#decode<LoadAssignmentConfig>(endpointsType, resources.endpoints.get(serviceName));
      assignments.set(serviceName, configured(endpoints));
    }
    return {
      configuration: { listeners: new Map(), routeTables: new Map(), clusters, assignments },
      table,
      // Neither request ids nor access logs are seen by anybody here.
      manager: { ...managerOf(listener), accessLogs: [], generateRequestId: false },
      bufferLimitBytes: listener.bufferLimitBytes,
    };
  }

  #node(service: string, appPort: number | null): ProxyNode {
    const { namespace } = this.#simulation;
    return {
      id: service,
      cluster: `${namespace}/${service}`,
      namespace,
      service,
      kind: 'outrigger',
      appPort,
      appPorts: [],
      outboundListen: { host: '127.0.0.1', port: 15_001 },
      inboundListen: { host: '0.0.0.0', port: 15_006 },
      upstreams: [],
      controlPlaneCluster: '',
      zone: '',
      labels: {},
      interception: 'NONE',
      ipFamilies: ['IPv4'],
      egress: 'allow',
      opaquePorts: [],
      dnsListen: null,
      identity: null,
    };
  }

  #decode<T>(type: ResourceType, resource: EncodedResource | undefined): T {
    if (resource === undefined) throw new Error(`the control plane sends no ${type.label} that a sidecar needs`);
    const known = this.#decoded.get(resource);
    if (known !== undefined) return known as T;
    const decoded = type.decode(resource.bytes);
    if (!decoded.ok) throw new Error(`the sidecar refuses ${type.label} ${decoded.name}: ${decoded.faults.join('; ')}`);
    this.#decoded.set(resource, decoded.value);
    return decoded.value as T;
  }
}

function managerOf({ filterChains, defaultFilterChain }: ListenerConfig): HttpConnectionManagerConfig {
  return (filterChains[0] ?? defaultFilterChain!).httpConnectionManager!;
}

function configured<T>(value: T): Configured<T> {
  return { value, version: '', origin: 'dynamic', updatedWallMs: 0, raw: new Uint8Array() };
}

function serviceResource({ namespace }: Simulation, spec: ServiceSpec, at: number): ServiceResource {
  return {
    kind: 'Service',
    namespace,
    name: spec.name,
    place: { file: '', line: 0, column: 0 },
    referencePlaces: new Map(),
    labels: {},
    zone: '',
    selector: null,
    ports: [{ name: 'http', port: servicePort, targetPort: instancePort, protocol: spec.protocol }],
    endpoints: Array.from({ length: spec.endpoints }, (_, instance) => ({
      address: endpointAddress(at, instance),
      port: null,
      weight: 1,
      zone: '',
      labels: {},
    })),
    addresses: [],
    createdAt: '',
    serviceAccounts: [spec.name],
  };
}

/** Checks before a push (xds.md C3): a proxy's resources must be consistent among themselves. What this finds is a bug of ours, never a user's. */
import { type Any, anyUnpack } from '@bufbuild/protobuf/wkt';
import { type Cluster, Cluster_DiscoveryType } from '../../proto/generated/envoy/config/cluster/v3/cluster_pb.js';
import type { ClusterLoadAssignment } from '../../proto/generated/envoy/config/endpoint/v3/endpoint_pb.js';
import type {
  FilterChain,
  FilterChainMatch,
} from '../../proto/generated/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '../../proto/generated/envoy/config/listener/v3/listener_pb.js';
import type { Route } from '../../proto/generated/envoy/config/route/v3/route_components_pb.js';
import type { RouteConfiguration } from '../../proto/generated/envoy/config/route/v3/route_pb.js';
import {
  type ExtAuthz,
  ExtAuthzSchema,
} from '../../proto/generated/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.js';
import { RateLimitSchema } from '../../proto/generated/envoy/extensions/filters/http/ratelimit/v3/rate_limit_pb.js';
import {
  type HttpConnectionManager,
  HttpConnectionManagerSchema,
} from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { TcpProxySchema } from '../../proto/generated/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { FallbackSchema } from '../../proto/generated/outrigger/resilience/v1/fallback_pb.js';
import type { EncodedResource } from './encoded-resource.ts';
import { missingBackendCluster } from './resource-names.ts';
import type { ProxyResources } from './translate.ts';

/** What a check needs to know of one resource: its own faults, and the names that it refers to. Found once per resource, as most of them are the same for every proxy. */
interface Facts {
  readonly faults: readonly string[];
  /** Route configurations of a listener, clusters of a route configuration (with a route that leads there), the load assignment of an EDS cluster. */
  readonly references: ReadonlyMap<string, string>;
  /** Clusters that filters of a listener ask, with the filter. */
  readonly asked?: ReadonlyMap<string, string>;
  /** Clusters that filter chains of a listener lead to without routes, with the chain. */
  readonly proxied?: ReadonlyMap<string, string>;
}

/** Every inconsistency, in words; empty: fine. */
export function checkResources({ listeners, routes, clusters, endpoints }: ProxyResources): readonly string[] {
  const faults: string[] = [];
  const usedTables = new Set<string>();
  for (const [name, resource] of listeners) {
    for (const table of factsOf('listener', name, resource, listenerFacts, faults).keys()) {
      usedTables.add(table);
      if (!routes.has(table))
        faults.push(`listener ${name} refers to route configuration ${table}, which is not there`);
    }
    for (const [cluster, filter] of kept.get(resource)?.asked ?? [])
      if (!clusters.has(cluster))
        faults.push(`filter ${filter} of listener ${name} asks cluster ${cluster}, which is not there`);
    for (const [cluster, chain] of kept.get(resource)?.proxied ?? [])
      if (!clusters.has(cluster))
        faults.push(`filter chain ${chain} of listener ${name} leads to cluster ${cluster}, which is not there`);
  }
  for (const [name, resource] of routes) {
    if (!usedTables.has(name)) faults.push(`no listener refers to route configuration ${name}`);
    for (const [cluster, route] of factsOf('route configuration', name, resource, tableFacts, faults)) {
      if (!clusters.has(cluster) && cluster !== missingBackendCluster)
        faults.push(`route ${route} of ${name} leads to cluster ${cluster}, which is not there`);
    }
  }
  const usedAssignments = new Set<string>();
  for (const [name, resource] of clusters) {
    for (const assignment of factsOf('cluster', name, resource, clusterFacts, faults).keys()) {
      usedAssignments.add(assignment);
      if (!endpoints.has(assignment))
        faults.push(`cluster ${name} refers to load assignment ${assignment}, which is not there`);
    }
  }
  for (const [name, resource] of endpoints) {
    factsOf('load assignment', name, resource, assignmentFacts, faults);
    if (!usedAssignments.has(name)) faults.push(`no cluster refers to load assignment ${name}`);
  }
  return faults;
}

const kept = new WeakMap<EncodedResource, Facts>();

/** Adds the resource's own faults and gives its references. The name in the message must be the one that it is filed under. */
function factsOf(
  what: string,
  name: string,
  resource: EncodedResource,
  find: (name: string, message: never) => Facts,
  faults: string[],
): ReadonlyMap<string, string> {
  let facts = kept.get(resource);
  if (facts === undefined) {
    const { message } = resource;
    const inside =
      (message as { name?: string; clusterName?: string }).clusterName ?? (message as { name?: string }).name;
    const found = find(resource.name, message as never);
    facts =
      inside === resource.name
        ? found
        : {
            faults: [`${what} ${resource.name} is named ${JSON.stringify(inside)} inside`, ...found.faults],
            references: found.references,
            asked: found.asked ?? new Map(),
            proxied: found.proxied ?? new Map(),
          };
    kept.set(resource, facts);
  }
  if (resource.name !== name) faults.push(`${what} ${resource.name} is filed under ${name}`);
  faults.push(...facts.faults);
  return facts.references;
}

function listenerFacts(name: string, listener: Listener): Facts {
  const faults: string[] = [];
  const references = new Map<string, string>();
  const asked = new Map<string, string>();
  for (const { routeSpecifier, httpFilters } of managersOf(listener)) {
    if (routeSpecifier.case === 'rds') references.set(routeSpecifier.value.routeConfigName, name);
    if (new Set(httpFilters.map((filter) => filter.name)).size < httpFilters.length)
      faults.push(`listener ${name} has two filters of one name`);
    for (const { name: filter, configType } of httpFilters) {
      const cluster = configType.case === 'typedConfig' ? clusterAskedBy(configType.value) : '';
      if (cluster !== '') asked.set(cluster, filter);
    }
  }
  const proxied = new Map<string, string>();
  const matches = new Set<string>();
  for (const { name: chain, filterChainMatch, filters } of chainsOf(listener)) {
    // Envoy refuses a listener with two that match the same.
    for (const match of matchTexts(filterChainMatch)) {
      if (matches.has(match)) faults.push(`listener ${name} has two filter chains for ${match}`);
      matches.add(match);
    }
    for (const { configType } of filters) {
      const proxy = configType.case === 'typedConfig' ? anyUnpack(configType.value, TcpProxySchema) : undefined;
      if (proxy?.clusterSpecifier.case === 'cluster') proxied.set(proxy.clusterSpecifier.value, chain);
    }
  }
  return { faults, references, asked, proxied };
}

function chainsOf({ filterChains, defaultFilterChain }: Listener): FilterChain[] {
  return defaultFilterChain === undefined ? filterChains : [...filterChains, defaultFilterChain];
}

/** Of a chain without a match: none; there is one at most. */
function matchTexts(match: FilterChainMatch | undefined): string[] {
  if (match === undefined) return [];
  const { destinationPort, prefixRanges, serverNames, transportProtocol, applicationProtocols } = match;
  const each = (list: readonly string[]): readonly string[] => (list.length === 0 ? ['any'] : list);
  return each(prefixRanges.map(({ addressPrefix, prefixLen }) => `${addressPrefix}/${prefixLen}`)).flatMap((address) =>
    each(serverNames).flatMap((serverName) =>
      each(applicationProtocols).map(
        (protocol) =>
          `port ${destinationPort ?? 'any'}, address ${address}, server name ${serverName}, ${transportProtocol || 'any'}, ${protocol}`,
      ),
    ),
  );
}

/** '' : none, or one of the proxy's own bootstrap. */
function clusterAskedBy(config: Any): string {
  const authorization = anyUnpack(config, ExtAuthzSchema);
  if (authorization !== undefined) return askedCluster(authorization);
  const target = anyUnpack(config, RateLimitSchema)?.rateLimitService?.grpcService?.targetSpecifier;
  const cluster = target?.case === 'envoyGrpc' ? target.value.clusterName : '';
  return cluster.startsWith('outbound|') ? cluster : '';
}

function askedCluster({ services }: ExtAuthz): string {
  if (services.case === 'httpService') return services.value.serverUri?.httpUpstreamType.value ?? '';
  const target = services.value?.targetSpecifier;
  return target?.case === 'envoyGrpc' ? target.value.clusterName : '';
}

function clusterFacts(name: string, cluster: Cluster): Facts {
  const byEds = cluster.clusterDiscoveryType.value === Cluster_DiscoveryType.EDS;
  return { faults: [], references: new Map(byEds ? [[cluster.edsClusterConfig?.serviceName || name, name]] : []) };
}

function managersOf(listener: Listener): HttpConnectionManager[] {
  const packed = [
    ...chainsOf(listener).flatMap(({ filters }) =>
      filters.map(({ configType }) => (configType.case === 'typedConfig' ? configType.value : undefined)),
    ),
    listener.apiListener?.apiListener,
  ];
  return packed.flatMap((any) => {
    const manager = any === undefined ? undefined : anyUnpack(any, HttpConnectionManagerSchema);
    return manager === undefined ? [] : [manager];
  });
}

function tableFacts(name: string, table: RouteConfiguration): Facts {
  const faults: string[] = [];
  const references = new Map<string, string>();
  const hosts = new Set<string>();
  const domains = new Set<string>();
  for (const host of table.virtualHosts) {
    if (hosts.has(host.name)) faults.push(`route configuration ${name} has two virtual hosts named ${host.name}`);
    hosts.add(host.name);
    for (const domain of host.domains) {
      if (domains.has(domain)) faults.push(`route configuration ${name} has the domain ${domain} twice`);
      domains.add(domain);
    }
    for (const route of host.routes) for (const cluster of clustersOf(route)) references.set(cluster, route.name);
  }
  return { faults, references };
}

function clustersOf({ action, typedPerFilterConfig }: Route): string[] {
  if (action.case !== 'route') return [];
  const { clusterSpecifier } = action.value;
  const found = Object.values(typedPerFilterConfig).flatMap(
    (any) => anyUnpack(any, FallbackSchema)?.service?.cluster ?? [],
  );
  if (clusterSpecifier.case === 'cluster') found.push(clusterSpecifier.value);
  else if (clusterSpecifier.case === 'weightedClusters')
    found.push(...clusterSpecifier.value.clusters.map(({ name }) => name));
  return found;
}

function assignmentFacts(name: string, { endpoints }: ClusterLoadAssignment): Facts {
  const faults: string[] = [];
  const localities = new Set<string>();
  const addresses = new Set<string>();
  const priorities = new Set<number>();
  for (const { locality, priority, loadBalancingWeight, lbEndpoints } of endpoints) {
    priorities.add(priority);
    const key = `${locality?.region}/${locality?.zone}/${locality?.subZone} priority ${priority}`;
    if (locality === undefined) faults.push(`load assignment ${name} has a locality without a name`);
    if (localities.has(key)) faults.push(`load assignment ${name} has the locality ${key} twice`);
    localities.add(key);
    if ((loadBalancingWeight ?? 0) < 1) faults.push(`load assignment ${name} has a locality without weight`);
    for (const { hostIdentifier, loadBalancingWeight: weight } of lbEndpoints) {
      const address = hostIdentifier.case === 'endpoint' ? hostIdentifier.value.address?.address : undefined;
      const text =
        address?.case === 'socketAddress' ? `${address.value.address} ${address.value.portSpecifier.value}` : 'none';
      if (addresses.has(text)) faults.push(`load assignment ${name} has the address ${text} twice`);
      addresses.add(text);
      if ((weight ?? 0) < 1) faults.push(`load assignment ${name} has an endpoint without weight`);
    }
  }
  for (let priority = 0; priority < priorities.size; priority++)
    if (!priorities.has(priority)) faults.push(`load assignment ${name} has no priority ${priority}, but higher ones`);
  return { faults, references: new Map() };
}

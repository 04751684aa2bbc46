/** Checks before a push (xds.md C3): a proxy's resources must be consistent among themselves. What this finds is a bug of ours, never a user's. */
import type { Message } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { type Cluster, Cluster_DiscoveryType } from '../../proto/generated/envoy/config/cluster/v3/cluster_pb.js';
import type { ClusterLoadAssignment } from '../../proto/generated/envoy/config/endpoint/v3/endpoint_pb.js';
import type { Listener } from '../../proto/generated/envoy/config/listener/v3/listener_pb.js';
import type { Route } from '../../proto/generated/envoy/config/route/v3/route_components_pb.js';
import type { RouteConfiguration } from '../../proto/generated/envoy/config/route/v3/route_pb.js';
import {
  type HttpConnectionManager,
  HttpConnectionManagerSchema,
} from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { EncodedResource } from './encoded-resource.ts';
import { missingBackendCluster } from './resource-names.ts';
import type { ProxyResources } from './translate.ts';

/** Every inconsistency, in words; empty: fine. */
export function checkResources({ listeners, routes, clusters, endpoints }: ProxyResources): readonly string[] {
  const faults: string[] = [];
  const managers = new Map<string, HttpConnectionManager[]>();
  for (const [name, listener] of messages<Listener>('listener', listeners, faults))
    managers.set(name, managersOf(listener));
  const tables = messages<RouteConfiguration>('route configuration', routes, faults);
  const assignments = messages<ClusterLoadAssignment>('load assignment', endpoints, faults);

  const usedTables = new Set<string>();
  for (const [name, list] of managers) {
    for (const { routeSpecifier } of list) {
      if (routeSpecifier.case !== 'rds') continue;
      usedTables.add(routeSpecifier.value.routeConfigName);
      if (!routes.has(routeSpecifier.value.routeConfigName))
        faults.push(
          `listener ${name} refers to route configuration ${routeSpecifier.value.routeConfigName}, which is not there`,
        );
    }
  }
  for (const name of routes.keys())
    if (!usedTables.has(name)) faults.push(`no listener refers to route configuration ${name}`);

  for (const [name, table] of tables) checkTable(name, table, clusters, faults);

  const usedAssignments = new Set<string>();
  for (const [name, cluster] of messages<Cluster>('cluster', clusters, faults)) {
    if (cluster.clusterDiscoveryType.value !== Cluster_DiscoveryType.EDS) continue;
    const serviceName = cluster.edsClusterConfig?.serviceName || name;
    usedAssignments.add(serviceName);
    if (!endpoints.has(serviceName))
      faults.push(`cluster ${name} refers to load assignment ${serviceName}, which is not there`);
  }
  for (const name of endpoints.keys())
    if (!usedAssignments.has(name)) faults.push(`no cluster refers to load assignment ${name}`);
  for (const [name, assignment] of assignments) checkAssignment(name, assignment, faults);
  return faults;
}

/** The messages by name; the name in the message must be the one that it is filed under. */
function messages<T extends Message>(
  what: string,
  resources: ReadonlyMap<string, EncodedResource>,
  faults: string[],
): Map<string, T> {
  const found = new Map<string, T>();
  for (const [name, { name: own, message }] of resources) {
    const inside =
      (message as { name?: string; clusterName?: string }).clusterName ?? (message as { name?: string }).name;
    if (own !== name || inside !== name) faults.push(`${what} ${name} is named ${JSON.stringify(inside)} inside`);
    found.set(name, message as T);
  }
  return found;
}

function managersOf({ filterChains, apiListener }: Listener): HttpConnectionManager[] {
  const packed = [
    ...filterChains.flatMap(({ filters }) =>
      filters.map(({ configType }) => (configType.case === 'typedConfig' ? configType.value : undefined)),
    ),
    apiListener?.apiListener,
  ];
  return packed.flatMap((any) => {
    const manager = any === undefined ? undefined : anyUnpack(any, HttpConnectionManagerSchema);
    return manager === undefined ? [] : [manager];
  });
}

function checkTable(
  name: string,
  table: RouteConfiguration,
  clusters: ReadonlyMap<string, EncodedResource>,
  faults: string[],
): void {
  const hosts = new Set<string>();
  const domains = new Set<string>();
  for (const host of table.virtualHosts) {
    if (hosts.has(host.name)) faults.push(`route configuration ${name} has two virtual hosts named ${host.name}`);
    hosts.add(host.name);
    for (const domain of host.domains) {
      if (domains.has(domain)) faults.push(`route configuration ${name} has the domain ${domain} twice`);
      domains.add(domain);
    }
    for (const route of host.routes) {
      for (const cluster of clustersOf(route)) {
        if (cluster !== missingBackendCluster && !clusters.has(cluster))
          faults.push(`route ${route.name} of ${name} leads to cluster ${cluster}, which is not there`);
      }
    }
  }
}

function clustersOf({ action }: Route): string[] {
  if (action.case !== 'route') return [];
  const { clusterSpecifier } = action.value;
  if (clusterSpecifier.case === 'cluster') return [clusterSpecifier.value];
  return clusterSpecifier.case === 'weightedClusters' ? clusterSpecifier.value.clusters.map(({ name }) => name) : [];
}

function checkAssignment(name: string, { endpoints }: ClusterLoadAssignment, faults: string[]): void {
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
}

/** ClusterLoadAssignments. The same for every kind of client: localities and endpoints always have weights, as gRPC leaves out a locality without one (A27). */
import { create } from '@bufbuild/protobuf';
import { HealthStatus } from '../../proto/generated/envoy/config/core/v3/health_check_pb.js';
import {
  type LocalityLbEndpoints,
  LocalityLbEndpointsSchema,
} from '../../proto/generated/envoy/config/endpoint/v3/endpoint_components_pb.js';
import { ClusterLoadAssignmentSchema } from '../../proto/generated/envoy/config/endpoint/v3/endpoint_pb.js';
import type { Endpoint, PortEndpoints } from '../model/model.ts';
import { socketAddress } from './api-values.ts';
import { mtlsEndpoint } from './encode-transport-security.ts';
import { type EncodedResource, encodeResource } from './encoded-resource.ts';
import { outboundCluster } from './resource-names.ts';

/** For callers without an identity, and for those with one where they are sent less. */
const encodedAll = new WeakMap<PortEndpoints, EncodedResource>();
const encodedFewer = new WeakMap<PortEndpoints, EncodedResource>();

/** One locality per zone, all of priority 0. Kept as long as the model's part lives. `identified`: for callers with an identity. */
export function encodeEndpoints(part: PortEndpoints, identified: boolean): EncodedResource {
  const fewer = identified && part.endpoints.some(({ plainCallersOnly }) => plainCallersOnly);
  const encoded = fewer ? encodedFewer : encodedAll;
  let resource = encoded.get(part);
  if (resource === undefined) {
    const name = outboundCluster(part.namespace, part.service, part.port);
    const zones = new Map<string, Endpoint[]>();
    for (const endpoint of part.endpoints) {
      if (fewer && endpoint.plainCallersOnly) continue;
      const list = zones.get(endpoint.zone);
      if (list === undefined) zones.set(endpoint.zone, [endpoint]);
      else list.push(endpoint);
    }
    const endpoints = [...zones].map(([zone, list]) => locality(zone, list));
    resource = encodeResource(
      ClusterLoadAssignmentSchema,
      name,
      create(ClusterLoadAssignmentSchema, { clusterName: name, endpoints }),
    );
    encoded.set(part, resource);
  }
  return resource;
}

function locality(zone: string, endpoints: readonly Endpoint[]): LocalityLbEndpoints {
  return create(LocalityLbEndpointsSchema, {
    locality: { region: '', zone, subZone: '' },
    loadBalancingWeight: endpoints.reduce((sum, { weight }) => sum + weight, 0),
    lbEndpoints: endpoints.map(({ address, port, weight, healthy, takesMtls, draining = false }) => ({
      hostIdentifier: { case: 'endpoint' as const, value: { address: socketAddress(address, port) } },
      healthStatus: draining ? HealthStatus.DRAINING : healthy ? HealthStatus.HEALTHY : HealthStatus.UNHEALTHY,
      loadBalancingWeight: weight,
      // For proxies with an identity; others have clusters that do not look at it.
      ...(takesMtls ? { metadata: mtlsEndpoint() } : {}),
    })),
  });
}

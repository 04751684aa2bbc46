/** Clusters of proxies that traffic is redirected to, beside those of services: on to where a connection was going, to the application on any port, and nowhere. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type Cluster,
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
  ClusterSchema,
} from '../../proto/generated/envoy/config/cluster/v3/cluster_pb.js';
import type { BindConfig } from '../../proto/generated/envoy/config/core/v3/address_pb.js';
import { BindConfigSchema } from '../../proto/generated/envoy/config/core/v3/address_pb.js';
import { durationOf } from './api-values.ts';
import { defaultResilience } from './default-resilience.ts';
import { applicationProtocolOptions } from './encode-cluster.ts';
import { type EncodedResource, encodeResource } from './encoded-resource.ts';
import type { IpFamily } from './proxy-node.ts';
import {
  inboundPassthroughCluster,
  inboundRefusedCluster,
  passthroughCluster,
  refusedCluster,
} from './resource-names.ts';

type ClusterFields = Exclude<MessageInitShape<typeof ClusterSchema>, Cluster>;

/** Far places take longer to answer than the mesh. */
const egressConnectTimeoutMs = 5_000;
/** Everything outside of the mesh is one cluster, so a service's limits would be too narrow. */
const egressLimits = { maxConnections: 16_384, maxPendingRequests: 16_384, maxRequests: 65_536 };
/** By it the kernel's rules tell what the proxy sends the application on ports that nobody named. Any address of 127/8 is the machine's own; `::6` has to be made one. */
const sourceOfPassthrough: Readonly<Record<IpFamily, string>> = { IPv4: '127.0.0.6', IPv6: '::6' };

const outbound = [
  originalDestination(passthroughCluster, {
    connectTimeout: durationOf(egressConnectTimeoutMs),
    circuitBreakers: { thresholds: [egressLimits] },
  }),
  nowhere(refusedCluster),
];

/** To the place itself, and nowhere. The same for every proxy. */
export function outboundEgressClusters(): readonly EncodedResource[] {
  return outbound;
}

/** `ipFamilies` null: connections have the caller's address, and are told by their mark. */
export function inboundEgressClusters(ipFamilies: readonly IpFamily[] | null): readonly EncodedResource[] {
  return [
    originalDestination(inboundPassthroughCluster, {
      connectTimeout: durationOf(defaultResilience.connectTimeoutMs),
      circuitBreakers: { thresholds: [egressLimits] },
      ...(ipFamilies === null ? {} : { upstreamBindConfig: bindConfig(ipFamilies) }),
    }),
    nowhere(inboundRefusedCluster),
  ];
}

function originalDestination(name: string, fields: ClusterFields): EncodedResource {
  return encodeResource(
    ClusterSchema,
    name,
    create(ClusterSchema, {
      name,
      clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST },
      lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
      typedExtensionProtocolOptions: applicationProtocolOptions(null),
      ...fields,
    }),
  );
}

function nowhere(name: string): EncodedResource {
  return encodeResource(
    ClusterSchema,
    name,
    create(ClusterSchema, {
      name,
      clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
      connectTimeout: durationOf(defaultResilience.connectTimeoutMs),
      loadAssignment: { clusterName: name },
    }),
  );
}

function bindConfig(ipFamilies: readonly IpFamily[]): BindConfig {
  const [first, ...others] = ipFamilies.map((family) => ({
    address: sourceOfPassthrough[family],
    portSpecifier: { case: 'portValue' as const, value: 0 },
  }));
  return create(BindConfigSchema, {
    ...(first === undefined ? {} : { sourceAddress: first }),
    extraSourceAddresses: others.map((address) => ({ address })),
  });
}

/** Clusters: `outbound|…` for every port of the mesh, by EDS over ADS, and `inbound|…` for the application beside a proxy. What TrafficPolicies say of them is in cluster-traffic.ts. */
import { create } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import {
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
  ClusterSchema,
} from '../../proto/generated/envoy/config/cluster/v3/cluster_pb.js';
import {
  type HttpProtocolOptions_ExplicitHttpConfig,
  HttpProtocolOptions_ExplicitHttpConfigSchema,
  HttpProtocolOptionsSchema,
} from '../../proto/generated/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import type { AppProtocol } from '../config-kind/resource.ts';
import type { PortDefinition } from '../model/model.ts';
import { durationOf, fromAds, socketAddress } from './api-values.ts';
import { clusterTraffic, grpcClusterTraffic } from './cluster-traffic.ts';
import { defaultResilience } from './default-resilience.ts';

import { breakerExtension } from './encode-circuit-breaker.ts';
import { upstreamSocketMatches } from './encode-transport-security.ts';
import { type EncodedResource, encodeResource, packAny } from './encoded-resource.ts';
import type { ProxyNode } from './proxy-node.ts';
import { inboundName, outboundCluster } from './resource-names.ts';

/** An application closes connections that rest; a request must not meet its closing. */
const appIdleTimeoutMs = 60_000;
const optionsKey = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

const encoded = new WeakMap<PortDefinition, Map<string, EncodedResource>>();

/** Who a cluster is for: Envoy and our sidecar take the same, but for circuit breakers; gRPC round robin only, and no protocol options. */
export interface ClusterClient {
  readonly forGrpc: boolean;
  /** It is a sidecar of ours. */
  readonly ours: boolean;
  /** Of the proxy's identity; '' : it has none, and speaks plaintext. */
  readonly trustDomain: string;
}

export function clusterClient({ kind, identity }: Pick<ProxyNode, 'kind' | 'identity'>): ClusterClient {
  // Proxyless gRPC stays plaintext: its certificates would come from files of its own.
  return kind === 'grpc'
    ? { forGrpc: true, ours: false, trustDomain: '' }
    : { forGrpc: false, ours: kind === 'outrigger', trustDomain: identity?.trustDomain ?? '' };
}

export function clientKey({ forGrpc, ours, trustDomain }: ClusterClient): string {
  return forGrpc ? 'grpc' : `${ours ? 'sidecar' : 'proxy'} ${trustDomain}`;
}

/** The cluster of a service's port. */
export function encodeOutboundCluster(definition: PortDefinition, client: ClusterClient): EncodedResource {
  const { forGrpc, trustDomain } = client;
  const breaker = breakerExtension(definition.traffic.circuitBreaker, client.ours);
  // Without a breaker it is the same for all proxies.
  const key = clientKey(Object.keys(breaker).length === 0 ? { ...client, ours: false } : client);
  let variants = encoded.get(definition);
  if (variants === undefined) {
    variants = new Map();
    encoded.set(definition, variants);
  }
  let resource = variants.get(key);
  if (resource === undefined) {
    const name = outboundCluster(definition.namespace, definition.service, definition.port);
    const cluster = create(ClusterSchema, {
      name,
      clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
      edsClusterConfig: { edsConfig: fromAds() },
      ...(forGrpc ? grpcClusterTraffic(definition.traffic) : clusterTraffic(definition)),
      transportSocketMatches: trustDomain === '' ? [] : upstreamSocketMatches(definition, trustDomain),
      typedExtensionProtocolOptions: forGrpc
        ? {}
        : definition.protocol === 'tcp'
          ? breaker
          : {
              [optionsKey]: packAny(
                HttpProtocolOptionsSchema,
                protocolOptions(
                  definition.protocol,
                  definition.traffic.connectionIdleTimeoutMs ?? defaultResilience.connectionIdleTimeoutMs,
                ),
              ),
              ...breaker,
            },
    });
    resource = encodeResource(ClusterSchema, name, cluster);
    variants.set(key, resource);
  }
  return resource;
}

/** Of clusters that lead to one application, or to whatever a caller named. */
export function applicationProtocolOptions(protocol: AppProtocol | null): Record<string, Any> {
  return protocol === 'tcp'
    ? {}
    : { [optionsKey]: packAny(HttpProtocolOptionsSchema, protocolOptions(protocol, appIdleTimeoutMs)) };
}

/** The application on loopback. `protocol` null: nobody said what it speaks, so each request goes on as it came. */
export function encodeInboundCluster(appPort: number, protocol: AppProtocol | null): EncodedResource {
  const name = inboundName(appPort);
  const cluster = create(ClusterSchema, {
    name,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    connectTimeout: durationOf(defaultResilience.connectTimeoutMs),
    lbPolicy: Cluster_LbPolicy.ROUND_ROBIN,
    circuitBreakers: { thresholds: [defaultResilience.limits] },
    loadAssignment: {
      clusterName: name,
      endpoints: [
        {
          lbEndpoints: [
            { hostIdentifier: { case: 'endpoint', value: { address: socketAddress('127.0.0.1', appPort) } } },
          ],
        },
      ],
    },
    typedExtensionProtocolOptions: applicationProtocolOptions(protocol),
  });
  return encodeResource(ClusterSchema, name, cluster);
}

function protocolOptions(
  protocol: AppProtocol | null,
  idleTimeoutMs: number,
): ReturnType<typeof create<typeof HttpProtocolOptionsSchema>> {
  return create(HttpProtocolOptionsSchema, {
    commonHttpProtocolOptions: { idleTimeout: durationOf(idleTimeoutMs) },
    upstreamProtocolOptions:
      protocol === null
        ? { case: 'useDownstreamProtocolConfig', value: { httpProtocolOptions: {}, http2ProtocolOptions: {} } }
        : { case: 'explicitHttpConfig', value: explicitProtocol(protocol) },
  });
}

function explicitProtocol(protocol: AppProtocol): HttpProtocolOptions_ExplicitHttpConfig {
  return create(HttpProtocolOptions_ExplicitHttpConfigSchema, {
    protocolConfig:
      protocol === 'http' ? { case: 'httpProtocolOptions', value: {} } : { case: 'http2ProtocolOptions', value: {} },
  });
}

/** Collectors of telemetry: which cluster leads to one, and the clusters for those that are named by address. */

import { isIP } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { Cluster_DiscoveryType, ClusterSchema } from '../../proto/generated/envoy/config/cluster/v3/cluster_pb.js';
import type { CollectorTarget } from '../config-kind/telemetry-resource.ts';
import { durationOf, socketAddress } from './api-values.ts';
import { defaultResilience } from './default-resilience.ts';
import { applicationProtocolOptions } from './encode-cluster.ts';
import { type EncodedResource, encodeResource } from './encoded-resource.ts';
import { KeptByParts } from './kept-by-parts.ts';
import type { ProxyTelemetry } from './proxy-telemetry.ts';
import { outboundCluster } from './resource-names.ts';

type Protocol = 'http' | 'http2';

/** `telemetry|http2|otel.example:4317`, or that of the Service. */
export function collectorCluster(target: CollectorTarget, protocol: Protocol): string {
  return target.kind === 'service'
    ? outboundCluster(target.namespace, target.service, target.port)
    : `telemetry|${protocol}|${collectorAuthority(target)}`;
}

export function collectorAuthority(target: CollectorTarget): string {
  if (target.kind === 'service') return `${target.service}.${target.namespace}:${target.port}`;
  return target.host.includes(':') ? `[${target.host}]:${target.port}` : `${target.host}:${target.port}`;
}

const kept = new KeptByParts<ReadonlyMap<string, EncodedResource>>();

/** Each once; the same map for the same telemetry. */
export function collectorClusters(telemetry: ProxyTelemetry): ReadonlyMap<string, EncodedResource> {
  return kept.get([telemetry], '', () => {
    const wanted: Array<readonly [CollectorTarget, Protocol]> = [
      ...(telemetry.tracing?.exporters ?? []).map(
        ({ target, protocol }) => [target, protocol === 'otlp-grpc' ? 'http2' : 'http'] as const,
      ),
      ...(telemetry.accessLog?.sinks ?? []).flatMap((sink) =>
        'target' in sink ? [[sink.target, 'http2'] as const] : [],
      ),
    ];
    return new Map(
      wanted.flatMap(([target, protocol]) => {
        if (target.kind === 'service') return [];
        const name = collectorCluster(target, protocol);
        return [[name, encodeCollectorCluster(name, target, protocol)] as const];
      }),
    );
  });
}

function encodeCollectorCluster(
  name: string,
  { host, port }: Extract<CollectorTarget, { kind: 'address' }>,
  protocol: Protocol,
): EncodedResource {
  const cluster = create(ClusterSchema, {
    name,
    clusterDiscoveryType: {
      case: 'type',
      value: isIP(host) === 0 ? Cluster_DiscoveryType.LOGICAL_DNS : Cluster_DiscoveryType.STATIC,
    },
    connectTimeout: durationOf(defaultResilience.connectTimeoutMs),
    loadAssignment: {
      clusterName: name,
      endpoints: [
        { lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: { address: socketAddress(host, port) } } }] },
      ],
    },
    typedExtensionProtocolOptions: applicationProtocolOptions(protocol),
  });
  return encodeResource(ClusterSchema, name, cluster);
}

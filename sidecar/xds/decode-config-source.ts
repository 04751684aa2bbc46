/** ConfigSource and ApiConfigSource: everything dynamic comes by the one ADS stream; secrets also from files and from services of their own. */
import type { GrpcSourceConfig } from '../config/bootstrap-config.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import {
  type ApiConfigSource,
  ApiConfigSource_ApiType,
  ApiVersion,
  type ConfigSource,
} from './api/envoy/config/core/v3/config_source_pb.js';
import { at, type Faults } from './fault.ts';

export function adsOnly(source: ConfigSource | undefined, path: string, faults: Faults): void {
  const specifier = source?.configSourceSpecifier.case;
  if (specifier !== 'ads' && specifier !== 'self')
    faults.add(path, 'only ads: {} is supported; see docs/xds-support.md');
  if (
    source !== undefined &&
    source.resourceApiVersion !== ApiVersion.V3 &&
    source.resourceApiVersion !== ApiVersion.AUTO
  )
    faults.add(at(path, 'resource_api_version'), 'only V3 is supported');
}

/** A gRPC service that streams resources. Whether its cluster is there is for those to say who know the clusters: {@link grpcClusterFault}. */
export function grpcSource(source: ApiConfigSource, path: string, faults: Faults): GrpcSourceConfig {
  const variant = source.apiType === ApiConfigSource_ApiType.DELTA_GRPC ? 'delta' : 'sotw';
  if (source.apiType !== ApiConfigSource_ApiType.GRPC && source.apiType !== ApiConfigSource_ApiType.DELTA_GRPC)
    faults.add(at(path, 'api_type'), 'must be GRPC or DELTA_GRPC');
  if (source.transportApiVersion !== ApiVersion.V3) faults.add(at(path, 'transport_api_version'), 'must be V3');
  const servicesPath = at(path, 'grpc_services');
  if (source.grpcServices.length !== 1)
    faults.add(servicesPath, `there are ${source.grpcServices.length}; exactly one is supported`);
  const service = source.grpcServices[0];
  const target = service?.targetSpecifier.case === 'envoyGrpc' ? service.targetSpecifier.value : undefined;
  const clusterName = target?.clusterName ?? '';
  if (service !== undefined && clusterName === '')
    faults.add(`${at(servicesPath, 0)}.envoy_grpc.cluster_name`, 'must not be empty');
  return {
    variant,
    clusterName,
    authority: target?.authority || clusterName,
    initialMetadata: (service?.initialMetadata ?? []).map(({ key, value }) => [key, value] as const),
  };
}

/** Why a source cannot be reached through that cluster; null when it can. `cluster` undefined: there is none of that name among the static ones. */
export function grpcClusterFault(clusterName: string, cluster: ClusterConfig | undefined): string | null {
  if (cluster === undefined) return `${JSON.stringify(clusterName)} is not one of the static clusters`;
  if (cluster.protocol !== 'http2')
    return `cluster ${JSON.stringify(clusterName)} does not speak HTTP/2, which gRPC needs; give it explicit_http_config.http2_protocol_options`;
  return null;
}

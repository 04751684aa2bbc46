/** The messages of LRS (`envoy.service.load_stats.v3`), to and from our own form. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Duration, DurationSchema } from '@bufbuild/protobuf/wkt';
import type { ClusterLoad, HostLoad, LocalityLoad } from '../../cluster/load-counts.ts';
import type { NodeConfig } from '../../config/bootstrap-config.ts';
import { type Address, AddressSchema } from '../api/envoy/config/core/v3/address_pb.js';
import { LoadStatsRequestSchema, LoadStatsResponseSchema } from '../api/envoy/service/load_stats/v3/lrs_pb.js';
import { nodeMessage } from '../node-message.ts';

export const loadStatsPath = '/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats';

/** What the other side wants to be told. */
export interface LoadWish {
  /** Null: of all clusters. */
  readonly clusters: ReadonlySet<string> | null;
  readonly intervalMs: number;
  /** Also of each host. */
  readonly byHost: boolean;
}

const leastIntervalMs = 1_000;
const mostIntervalMs = 3_600_000;

/** The first message of a stream: who this is, and no load. */
export function encodeHello(node: NodeConfig): Uint8Array {
  return toBinary(
    LoadStatsRequestSchema,
    create(LoadStatsRequestSchema, { node: nodeMessage(node, ['envoy.lrs.supports_send_all_clusters']) }),
  );
}

/** Throws for what is no LoadStatsResponse. The interval is brought to between a second and an hour. */
export function decodeWish(bytes: Uint8Array): LoadWish {
  const { clusters, sendAllClusters, loadReportingInterval, reportEndpointGranularity } = fromBinary(
    LoadStatsResponseSchema,
    bytes,
  );
  const { seconds = 0n, nanos = 0 } = loadReportingInterval ?? {};
  const intervalMs = Math.min(mostIntervalMs, Math.max(leastIntervalMs, Number(seconds) * 1_000 + nanos / 1_000_000));
  return { clusters: sendAllClusters ? null : new Set(clusters), intervalMs, byHost: reportEndpointGranularity };
}

export function encodeReport(loads: readonly ClusterLoad[], byHost: boolean): Uint8Array {
  return toBinary(
    LoadStatsRequestSchema,
    create(LoadStatsRequestSchema, {
      clusterStats: loads.map(({ name, serviceName, localities, dropped, intervalMs }) => ({
        clusterName: name,
        clusterServiceName: serviceName,
        upstreamLocalityStats: localities.map((locality) => localityStats(locality, byHost)),
        totalDroppedRequests: BigInt(dropped.reduce((sum, { count }) => sum + count, 0)),
        droppedRequests: dropped.map(({ category, count }) => ({ category, droppedCount: BigInt(count) })),
        loadReportInterval: duration(intervalMs),
      })),
    }),
  );
}

function localityStats({ region, zone, subZone, priority, hosts, ...load }: LocalityLoad, byHost: boolean) {
  return {
    locality: { region, zone, subZone },
    priority,
    ...totals(load),
    upstreamEndpointStats: byHost ? hosts.map((host) => ({ address: addressOf(host), ...totals(host) })) : [],
  };
}

function totals({ successes, errors, issued, inProgress }: Omit<HostLoad, 'host' | 'port' | 'pipePath'>) {
  return {
    totalSuccessfulRequests: BigInt(successes),
    totalErrorRequests: BigInt(errors),
    totalIssuedRequests: BigInt(issued),
    totalRequestsInProgress: BigInt(Math.max(0, inProgress)),
  };
}

function addressOf({ host, port, pipePath }: HostLoad): Address {
  return create(AddressSchema, {
    address:
      pipePath !== ''
        ? { case: 'pipe', value: { path: pipePath } }
        : { case: 'socketAddress', value: { address: host, portSpecifier: { case: 'portValue', value: port } } },
  });
}

function duration(ms: number): Duration {
  const seconds = Math.floor(ms / 1_000);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1_000) * 1_000_000) });
}

/** Our frozen form of Envoy's Bootstrap: who this proxy is, what it starts with, and where the rest comes from. */
import type { ClusterConfig } from './cluster-config.ts';
import type { ListenerConfig, SocketAddress } from './listener-config.ts';

export interface NodeConfig {
  readonly id: string;
  readonly cluster: string;
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
  /** `node.metadata` as plain JSON. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** A gRPC service that streams resources (`api_config_source`). */
export interface GrpcSourceConfig {
  readonly variant: 'sotw' | 'delta';
  /** Name of a static cluster (HTTP/2) that leads to it. */
  readonly clusterName: string;
  /** `:authority` of the stream; the cluster's name unless `envoy_grpc.authority` says another. */
  readonly authority: string;
  readonly initialMetadata: ReadonlyArray<readonly [string, string]>;
}

export interface AdsConfig extends GrpcSourceConfig {
  /** `set_node_on_first_message_only`. */
  readonly nodeOnFirstMessageOnly: boolean;
}

export interface BootstrapConfig {
  readonly node: NodeConfig;
  readonly admin: SocketAddress | null;
  readonly listeners: readonly ListenerConfig[];
  readonly clusters: readonly ClusterConfig[];
  readonly ads: AdsConfig | null;
  /** `cluster_manager.load_stats_config`: whom load is reported to. Absent or null: nobody. */
  readonly loadReports?: GrpcSourceConfig | null;
  /** `lds_config` / `cds_config` are `ads: {}`. */
  readonly listenersByAds: boolean;
  readonly clustersByAds: boolean;
  /** `initial_fetch_timeout` of those, default 15 s; 0: wait for ever. */
  readonly initialFetchTimeoutMs: number;
}

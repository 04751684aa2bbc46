/**
 * The whole configuration of a sidecar at one moment, as one value. A new one replaces it by one reference swap; parts that did not change
 * are the same objects as before, so that pools and host state survive. An active stream keeps the one that it began with.
 */
import type { ClusterConfig, LoadAssignmentConfig } from './cluster-config.ts';
import type { ListenerConfig } from './listener-config.ts';
import type { RouteTableConfig } from './route-config.ts';

export interface ResourceOrigin {
  /** `version_info` / resource version under which it was accepted; '' for static. */
  readonly version: string;
  readonly origin: 'static' | 'dynamic';
  readonly updatedWallMs: number;
  /** The resource as received, serialized protobuf: for /config_dump, decoded to JSON only when somebody asks. */
  readonly raw: Uint8Array;
}

export interface Configured<T> extends ResourceOrigin {
  readonly value: T;
}

export interface Configuration {
  readonly listeners: ReadonlyMap<string, Configured<ListenerConfig>>;
  readonly clusters: ReadonlyMap<string, Configured<ClusterConfig>>;
  /** RDS tables by name (inline ones live in their listener). */
  readonly routeTables: ReadonlyMap<string, Configured<RouteTableConfig>>;
  /** EDS assignments by service name. A cluster whose assignment is missing has no hosts yet (warming ended by timeout). */
  readonly assignments: ReadonlyMap<string, Configured<LoadAssignmentConfig>>;
}

/** Takes over a new configuration. Called only with a complete and consistent one; must not throw. */
export interface ConfigurationSink {
  apply(configuration: Configuration): void;
}

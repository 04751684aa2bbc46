/** A running endpoint of a cluster: where it is, how it is, and what it has been through. Survives updates as long as its address stays. */
import type { EndpointConfig, LocalityConfig } from '../config/cluster-config.ts';
import type { SocketAddress } from '../config/listener-config.ts';
import type { ConnectionPool } from './connection-pool.ts';
import { isDegraded, isExcluded, isHealthy, pendingRemoval, withEdsHealth } from './host-health.ts';
import type { HostTransport } from './host-transport.ts';
import { IdleLearning } from './idle-learning.ts';
import type { HostRecord } from './outlier/host-record.ts';
import type { Host } from './upstream.ts';

/** Pools of one priority, made when first used. */
export interface HostPools {
  http1Pool: ConnectionPool | null;
  http2Pool: ConnectionPool | null;
  autoPool: ConnectionPool | null;
}

export class RunningHost implements Host, HostPools {
  readonly address: string;
  readonly host: string;
  readonly port: number;
  /** Unix socket; '': it is an address and a port. */
  readonly pipePath: string;
  endpoint: EndpointConfig;
  locality: LocalityConfig;
  /** `load_balancing_weight`, at least 1. */
  weight: number;
  /** Pools by protocol, of requests of priority DEFAULT. */
  http1Pool: ConnectionPool | null = null;
  http2Pool: ConnectionPool | null = null;
  autoPool: ConnectionPool | null = null;
  /** Of those of priority HIGH; null: there was none. */
  highPools: HostPools | null = null;
  /** Of requests whose connections come from their caller's address (original_src), by that; null: there was none. */
  sourcePools: Map<string, HostPools> | null = null;
  readonly idle = new IdleLearning();
  /** How it is connected to; owned by its cluster. Null: not chosen yet. */
  transport: HostTransport | null = null;
  /** Flags of host-health.ts. Changed by its cluster only, which has the groups made anew then. */
  health: number;
  /** Null: outlier detection is off. */
  outlier: HostRecord | null = null;
  /** When its slow start began; -Infinity: it had none. */
  slowSinceMs = -Infinity;
  /** Average of the latency that its answers had, and when that was; 0: not known. Kept by peak-ewma.ts. */
  latencyMs = 0;
  latencyAtMs = 0;
  /** For /clusters. */
  activeRequests = 0;
  totalRequests = 0;
  successes = 0;
  errors = 0;
  timeouts = 0;
  activeConnections = 0;
  totalConnections = 0;
  connectFailures = 0;

  constructor(endpoint: EndpointConfig, locality: LocalityConfig) {
    const { host, port, pipePath = '' } = endpoint.address;
    this.host = host;
    this.port = port;
    this.pipePath = pipePath;
    this.address = hostAddress(endpoint.address);
    this.endpoint = endpoint;
    this.locality = locality;
    this.weight = Math.max(1, endpoint.weight);
    this.health = withEdsHealth(0, endpoint.health);
  }

  /** The same address under a new assignment. */
  update(endpoint: EndpointConfig, locality: LocalityConfig): void {
    this.endpoint = endpoint;
    this.locality = locality;
    this.weight = Math.max(1, endpoint.weight);
    this.health = withEdsHealth(this.health & ~pendingRemoval, endpoint.health);
  }

  get zone(): string {
    return this.locality.zone;
  }

  get healthy(): boolean {
    return isHealthy(this.health);
  }

  /** Envoy's `envoy.lb` metadata, `canary: true`. */
  get canary(): boolean {
    return this.endpoint.metadata['envoy.lb.canary'] === 'true';
  }

  get degraded(): boolean {
    return isDegraded(this.health);
  }

  /** It does not count when the share of healthy hosts is worked out. */
  get excluded(): boolean {
    return isExcluded(this.health);
  }

  /** Neither connections nor requests are left: it may be forgotten. */
  get unused(): boolean {
    if (!unusedPools(this) || (this.highPools !== null && !unusedPools(this.highPools))) return false;
    for (const pools of this.sourcePools?.values() ?? []) if (!unusedPools(pools)) return false;
    return true;
  }

  /** Calls `action` with each pool that exists. */
  eachPool(action: (pool: ConnectionPool) => void): void {
    actOn(this, action);
    if (this.highPools !== null) actOn(this.highPools, action);
    if (this.sourcePools !== null) for (const pools of [...this.sourcePools.values()]) actOn(pools, action);
  }
}

export function unusedPools({ http1Pool, http2Pool, autoPool }: HostPools): boolean {
  return (http1Pool?.empty ?? true) && (http2Pool?.empty ?? true) && (autoPool?.empty ?? true);
}

function actOn({ http1Pool, http2Pool, autoPool }: HostPools, action: (pool: ConnectionPool) => void): void {
  if (http1Pool !== null) action(http1Pool);
  if (http2Pool !== null) action(http2Pool);
  if (autoPool !== null) action(autoPool);
}

export function hostAddress({ host, port, pipePath = '' }: SocketAddress): string {
  if (pipePath !== '') return pipePath;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A running endpoint of a cluster: where it is, how it is, and what it has been through. Survives updates as long as its address stays. */
import type { EndpointConfig, LocalityConfig } from '../config/cluster-config.ts';
import type { ConnectionPool } from './connection-pool.ts';
import type { Host } from './upstream.ts';

export class RunningHost implements Host {
  readonly address: string;
  readonly host: string;
  readonly port: number;
  endpoint: EndpointConfig;
  locality: LocalityConfig;
  /** Pools by protocol, made when first used. */
  http1Pool: ConnectionPool | null = null;
  http2Pool: ConnectionPool | null = null;
  /** Current weight of smooth weighted round robin. */
  currentWeight = 0;
  activeRequests = 0;
  totalRequests = 0;
  successes = 0;
  errors = 0;
  timeouts = 0;
  activeConnections = 0;
  totalConnections = 0;
  connectFailures = 0;
  /** How long the host keeps an idle connection, as far as known; Infinity: not learned. */
  learnedIdleMs = Infinity;
  /** Idle age at which the host last closed a connection by itself; 0: never seen. */
  #lastIdleCloseMs = 0;

  constructor(endpoint: EndpointConfig, locality: LocalityConfig) {
    const { host, port } = endpoint.address;
    this.host = host;
    this.port = port;
    this.address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    this.endpoint = endpoint;
    this.locality = locality;
  }

  get weight(): number {
    return this.endpoint.weight;
  }

  get healthy(): boolean {
    const { health } = this.endpoint;
    return health === 'healthy' || health === 'unknown' || health === 'degraded';
  }

  /** `Keep-Alive: timeout=N`: used up to nine tenths of it. */
  learnFromHint(hintMs: number): void {
    if (hintMs > 0) this.learnedIdleMs = Math.min(this.learnedIdleMs, hintMs * 0.9);
  }

  /**
   * The host closed a connection that was idle for so long. Two such closes at about the same age are its timeout; one alone may be a restart.
   */
  learnFromClose(idleMs: number): void {
    if (idleMs < 500) return;
    const last = this.#lastIdleCloseMs;
    this.#lastIdleCloseMs = idleMs;
    if (last > 0 && Math.abs(idleMs - last) <= 0.15 * Math.max(idleMs, last)) this.learnedIdleMs = Math.min(this.learnedIdleMs, Math.min(idleMs, last) * 0.9);
  }
}

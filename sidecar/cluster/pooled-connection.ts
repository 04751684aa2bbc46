/** One upstream connection of a pool: being connected, then a codec with streams, then gone. Tells its pool what it can take. */
import type { Socket } from 'node:net';
import type { ClientConnection, ClientConnectionOwner } from '../codec/codec.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import { Http1ClientConnection } from '../http1/client-connection.ts';
import { Connecting, type ConnectOwner } from '../transport/connect.ts';
import type { ConnectionPool } from './connection-pool.ts';
import type { RunningCluster } from './running-cluster.ts';

export class PooledConnection implements ClientConnectionOwner, ConnectOwner {
  readonly pool: ConnectionPool;
  readonly #cluster: RunningCluster;
  #connecting: Connecting | null = null;
  codec: ClientConnection | null = null;
  /** In the pool's list of those that can take a stream. */
  listed = false;
  streamsBegun = 0;
  idleSinceMs = 0;
  #draining = false;
  #gone = false;

  constructor(pool: ConnectionPool, cluster: RunningCluster) {
    this.pool = pool;
    this.#cluster = cluster;
  }

  /** Begins to connect. Not in the constructor: the pool must know the connection before anything happens to it. */
  start(): void {
    this.#connecting = new Connecting(this.#cluster.connectTarget(this.pool), this);
  }

  get activeStreams(): number {
    return this.codec?.activeStreams ?? 0;
  }

  canTake(): boolean {
    return !this.#draining && this.codec !== null && this.codec.availableStreams() > 0;
  }

  /** Finishes what runs and closes. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    if (this.codec !== null) this.codec.drain();
    else {
      this.#connecting?.cancel();
      this.#end();
    }
  }

  destroy(error: ProxyError): void {
    if (this.codec !== null) this.codec.destroy(error);
    else {
      this.#connecting?.cancel();
      this.#end();
    }
  }

  onConnected(socket: Socket, alpn: string): void {
    this.#connecting = null;
    this.codec = this.#cluster.createCodec(socket, alpn, this.pool.multiplexed, this);
    this.idleSinceMs = this.#cluster.nowMs();
    if (this.codec.protocol === 'http1') this.onReady();
  }

  onConnectFailed(error: ProxyError, reason: 'refused' | 'timeout' | 'tls'): void {
    this.#connecting = null;
    this.#gone = true;
    this.#cluster.onConnectionGone(this.pool.host);
    this.#cluster.onConnectFailed(this.pool.host, reason);
    this.pool.onConnectFailed(this, error);
  }

  onSession(session: Buffer): void {
    this.#cluster.keepSession(this.pool.host, session);
  }

  onReady(): void {
    this.#cluster.onConnectionReady(this.codec!);
    this.pool.onConnected(this);
  }

  onStreamsAvailable(): void {
    if (this.#gone || this.#draining) return;
    if (this.activeStreams === 0) {
      this.idleSinceMs = this.#cluster.nowMs();
      if (this.codec instanceof Http1ClientConnection) this.pool.host.learnFromHint(this.codec.idleTimeoutHintMs);
    }
    this.pool.onAvailable(this);
  }

  onDraining(): void {
    this.#draining = true;
    this.pool.onUnavailable(this);
  }

  onClose(error: ProxyError | null): void {
    // The peer closed it while it was idle and in use for nothing: that is how long it waits.
    if (error === null && !this.#draining && this.streamsBegun > 0) this.pool.host.learnFromClose(this.#cluster.nowMs() - this.idleSinceMs);
    this.#end();
  }

  #end(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#cluster.onConnectionGone(this.pool.host);
    this.pool.onGone(this);
  }
}

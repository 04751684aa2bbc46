/**
 * One upstream connection that belongs to one downstream connection (TCP): from the place that it takes among the cluster's to the moment when its socket is closed. Moves no bytes; see
 * ../tcp-proxy/.
 */
import type { Socket } from 'node:net';
import { ProxyError } from '../codec/proxy-error.ts';
import type { ConnectFailure, ConnectOwner, ConnectTarget, TlsSession } from '../transport/connect.ts';
import type { PeerFaultReason } from '../transport/peer-certificate.ts';
import type { Bulkhead } from './bulkhead.ts';
import type { ClusterStats } from './cluster-stats.ts';
import type { RunningHost } from './running-host.ts';
import type { TcpRequest, TcpUpstream } from './upstream.ts';

/** What it needs of its cluster. */
export interface TcpContext {
  readonly stats: ClusterStats;
  readonly bulkhead: Bulkhead;
  openTransport(target: ConnectTarget, owner: ConnectOwner): { cancel(): void };
  keepSession(host: RunningHost, session: TlsSession): void;
  onTcpConnected(connection: TcpConnection, socket: Socket): void;
  onConnectFailed(
    host: RunningHost,
    reason: ConnectFailure,
    peerReason: PeerFaultReason | null,
    error: ProxyError,
  ): void;
  /** The host could not be connected to: what that says of its health. */
  onTcpConnectFailed(host: RunningHost): void;
  /** It holds nothing any more. */
  onTcpGone(connection: TcpConnection): void;
}

export class TcpConnection implements ConnectOwner, TcpUpstream {
  readonly host: RunningHost;
  readonly #context: TcpContext;
  #request: TcpRequest | null;
  #connecting: { cancel(): void } | null = null;
  #socket: Socket | null = null;
  #bytesReceived = 0;
  #bytesSent = 0;
  #gone = false;

  constructor(host: RunningHost, context: TcpContext, request: TcpRequest) {
    this.host = host;
    this.#context = context;
    this.#request = request;
  }

  /** Begins to connect; the places were taken. */
  start(target: ConnectTarget): void {
    this.#connecting = this.#context.openTransport(target, this);
  }

  /** Ready, and not closed. */
  get socket(): Socket {
    return this.#socket!;
  }

  /** Nobody wants it any more; only before it is ready. */
  cancel(): void {
    if (this.#gone || this.#connecting === null) return;
    this.#connecting.cancel();
    this.#connecting = null;
    this.#request = null;
    this.#context.stats.cancelled.value++;
    this.#leave(false);
  }

  /** The cluster ends it. */
  cut(error: ProxyError): void {
    const request = this.#request;
    if (this.#gone || request === null) return;
    if (this.#connecting === null) {
      request.onTcpCut(error);
      return;
    }
    this.#connecting.cancel();
    this.#connecting = null;
    this.#request = null;
    this.#leave(false);
    request.onTcpFailed(error, this.host);
  }

  collectBytes(): void {
    const socket = this.#socket;
    if (socket === null) return;
    const { stats } = this.#context;
    stats.receivedBytes.value += socket.bytesRead - this.#bytesReceived;
    stats.sentBytes.value += socket.bytesWritten - this.#bytesSent;
    this.#bytesReceived = socket.bytesRead;
    this.#bytesSent = socket.bytesWritten;
  }

  // -- told by the transport --

  onConnected(socket: Socket): void {
    const { stats, bulkhead } = this.#context;
    this.#connecting = null;
    this.#socket = socket;
    bulkhead.pending.giveBack();
    stats.pendingActive.value--;
    stats.requests.value++;
    stats.requestsActive.value++;
    this.host.activeRequests++;
    this.host.totalRequests++;
    this.#context.onTcpConnected(this, socket);
    this.#request!.onTcpReady(this);
  }

  onConnectFailed(error: ProxyError, reason: ConnectFailure, peerReason: PeerFaultReason | null = null): void {
    const { stats } = this.#context;
    const request = this.#request!;
    this.#connecting = null;
    this.#request = null;
    this.#leave(true);
    stats.pendingFailures.value++;
    this.#context.onConnectFailed(this.host, reason, peerReason, error);
    if (reason !== 'local') this.#context.onTcpConnectFailed(this.host);
    request.onTcpFailed(error, this.host);
  }

  onSession(session: TlsSession): void {
    this.#context.keepSession(this.host, session);
  }

  closed(remotely: boolean): void {
    if (this.#gone) return;
    const { stats } = this.#context;
    this.collectBytes();
    stats.requestsActive.value--;
    this.host.activeRequests--;
    stats.destroyedWithRequests.value++;
    this.#leave(remotely);
  }

  #leave(remotely: boolean): void {
    const { stats, bulkhead } = this.#context;
    this.#gone = true;
    if (this.#socket === null) {
      bulkhead.pending.giveBack();
      stats.pendingActive.value--;
    }
    bulkhead.connections.giveBack();
    this.host.activeConnections--;
    stats.connectionsActive.value--;
    stats.connectionsDestroyed.value++;
    (remotely ? stats.destroyedRemotely : stats.destroyedLocally).value++;
    this.#context.onTcpGone(this);
  }
}

/** Envoy looks at this before it looks for a host: a connection cannot wait for another to end. */
export const connectionOverflow = new ProxyError({
  flag: 'UO',
  source: 'local',
  details: 'upstream_reset_before_response_started{overflow}',
  message: 'Too many connections to this service are open (max_connections).',
});

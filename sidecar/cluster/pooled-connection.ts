/**
 * One upstream connection of a pool, from connecting to gone. Tells its pool what it can take, and keeps apart what pool and codec see:
 *
 *   connecting ──onConnected──▶ opening ──onReady──▶ ready ──onClose──▶ gone
 *       └──────────onConnectFailed / onClose before onReady──────────────▲
 *
 * `draining` goes beside: no new streams, whatever the codec says.
 */
import type { Socket } from 'node:net';
import type { ClientConnection, ClientConnectionOwner } from '../codec/codec.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { ConnectFailure, ConnectOwner, ConnectTarget, TlsSession } from '../transport/connect.ts';
import type { PeerFaultReason } from '../transport/peer-certificate.ts';
import type { Acknowledgements, PeerLiveness } from '../transport/peer-liveness.ts';
import type { ConnectionPool } from './connection-pool.ts';
import type { RunningHost } from './running-host.ts';
import { Silence, type SilentPeer, type Verdict } from './silence.ts';

/** What the connections of a cluster share. Implemented by RunningCluster. */
export interface ConnectionContext {
  readonly config: Pick<ClusterConfig, 'tcpKeepAlive'>;
  /** Null: nothing is known of the peers of connections. */
  readonly liveness: PeerLiveness | null;
  nowMs(): number;
  /** Begins to connect; answers come later, never from inside. */
  openTransport(target: ConnectTarget, owner: ConnectOwner): { cancel(): void };
  connectTarget(pool: ConnectionPool): ConnectTarget;
  /** Makes the codec that the pool's protocol and ALPN ask for. */
  createCodec(socket: Socket, alpn: string, pool: ConnectionPool, owner: ClientConnectionOwner): ClientConnection;
  keepSession(host: RunningHost, session: TlsSession): void;
  onConnectionReady(codec: ClientConnection, secure: boolean, sessionReused: boolean): void;
  /** In how many milliseconds a connection gets a successor whose certificates hold until then. */
  remakeAfterMs(validUntilWallMs: number): number;
  onConnectFailed(
    host: RunningHost,
    reason: ConnectFailure,
    peerReason: PeerFaultReason | null,
    error: ProxyError,
  ): void;
  /** A connection that took a place is no more. `remotely`: the peer ended it; `withRequests`: streams were cut. */
  onConnectionGone(pool: ConnectionPool, remotely: boolean, withRequests: boolean): void;
  addBytes(received: number, sent: number): void;
}

/** Of HTTP/1 codecs: `Keep-Alive: timeout=N` of the last response; 0: none. */
interface IdleHinting {
  readonly idleTimeoutHintMs: number;
}

export class PooledConnection implements ClientConnectionOwner, ConnectOwner, SilentPeer {
  readonly pool: ConnectionPool;
  readonly #context: ConnectionContext;
  #connecting: { cancel(): void } | null = null;
  #socket: Socket | null = null;
  codec: ClientConnection | null = null;
  #hinting: IdleHinting | null = null;
  /** In the pool's list of those that can take a stream. Owned by the pool. */
  listed = false;
  ready = false;
  streamsBegun = 0;
  /** When its last stream ended, or it became ready. */
  idleSinceMs = 0;
  readySinceMs = 0;
  /** When its successor is due because of certificates that end; Infinity: never. */
  remakeDueMs = Infinity;
  #draining = false;
  #gone = false;
  /** We ended it. */
  #endedHere = false;
  /** Streams were running when we ended it. */
  #cutStreams = false;
  #bytesReceived = 0;
  #bytesSent = 0;
  /** Null: it was never looked at while a request waited. */
  #silence: Silence | null = null;
  #inquired = false;

  constructor(pool: ConnectionPool, context: ConnectionContext) {
    this.pool = pool;
    this.#context = context;
  }

  /** Begins to connect. Not in the constructor: whoever is called back must have the object first. */
  start(): void {
    this.#connecting = this.#context.openTransport(this.#context.connectTarget(this.pool), this);
  }

  get activeStreams(): number {
    return this.codec === null ? 0 : this.codec.activeStreams;
  }

  /** It takes no new streams and ends behind those that it has. */
  get draining(): boolean {
    return this.#draining;
  }

  availableStreams(): number {
    return this.ready && !this.#draining && !this.#gone ? this.codec!.availableStreams() : 0;
  }

  canTake(): boolean {
    return this.availableStreams() > 0;
  }

  /** Finishes what runs and closes. */
  drain(): void {
    if (this.#draining || this.#gone) return;
    this.#draining = true;
    this.#endedHere = true;
    this.pool.onUnavailable(this);
    if (this.codec !== null && this.ready) this.codec.drain();
    else this.destroy(givenUp);
  }

  /** Ends it now; streams get onReset(error). */
  destroy(error: ProxyError): void {
    this.#endedHere = true;
    this.#cutStreams = this.activeStreams > 0;
    if (this.codec !== null) this.codec.destroy(error);
    else if (!this.#gone) {
      this.#connecting?.cancel();
      this.#connecting = null;
      this.#notReady(null, error);
    }
  }

  /** Adds what went over the wire since the last time to the cluster's byte counters. */
  collectBytes(): void {
    const socket = this.#socket;
    if (socket === null) return;
    const { bytesRead, bytesWritten } = socket;
    this.#context.addBytes(bytesRead - this.#bytesReceived, bytesWritten - this.#bytesSent);
    this.#bytesReceived = bytesRead;
    this.#bytesSent = bytesWritten;
  }

  // -- asked by HostWatch, and by the silence that it judges --

  /** A request waits: has the host acknowledged nothing for `limitMs`? Asked again and again while it waits. */
  judge(nowMs: number, limitMs: number): Verdict {
    if (this.#socket === null || this.#gone) return 'well';
    this.#silence ??= new Silence(nowMs);
    return this.#silence.look(nowMs, this.#socket.bytesRead, this.idleSinceMs, limitMs, this);
  }

  /** Since when something that was sent is without an answer; -1: nothing is. */
  get suspectedMs(): number {
    return this.#silence === null ? -1 : this.#silence.suspectedMs;
  }

  /** When the host acknowledged something last; -Infinity: not known. */
  acknowledgedAtMs(nowMs: number): number {
    return nowMs - (this.acknowledgements()?.lastMs ?? Infinity);
  }

  /** The host is asked on this connection for the sake of another, with or without requests. */
  inquire(inquired: boolean): void {
    if (inquired === this.#inquired) return;
    this.#inquired = inquired;
    if (this.#silence === null || !this.#silence.asking) this.#setProbing(inquired);
  }

  acknowledgements(): Acknowledgements | null {
    const { liveness } = this.#context;
    return liveness === null || this.#socket === null ? null : liveness.acknowledgements(this.#socket);
  }

  probe(probing: boolean): void {
    if (!this.#inquired) this.#setProbing(probing);
  }

  #setProbing(probing: boolean): void {
    const { liveness, config } = this.#context;
    if (this.#socket !== null && !this.#gone) liveness?.probe(this.#socket, probing, config.tcpKeepAlive ?? null);
  }

  // -- told by the transport --

  onConnected(socket: Socket, alpn: string, validUntilWallMs = Infinity): void {
    this.#connecting = null;
    this.#socket = socket;
    if (validUntilWallMs !== Infinity)
      this.remakeDueMs = this.#context.nowMs() + this.#context.remakeAfterMs(validUntilWallMs);
    const codec = this.#context.createCodec(socket, alpn, this.pool, this);
    this.codec = codec;
    this.#hinting = 'idleTimeoutHintMs' in codec ? (codec as ClientConnection & IdleHinting) : null;
    // HTTP/1 has nothing to agree on: it is ready when connected.
    if (codec.protocol === 'http1') this.onReady();
  }

  onConnectFailed(error: ProxyError, reason: ConnectFailure, peerReason: PeerFaultReason | null = null): void {
    this.#connecting = null;
    this.#notReady(reason, error, peerReason);
  }

  onSession(session: TlsSession): void {
    this.#context.keepSession(this.pool.host, session);
  }

  // -- told by the codec --

  onReady(): void {
    if (this.#gone || this.ready) return;
    this.ready = true;
    this.readySinceMs = this.#context.nowMs();
    this.idleSinceMs = this.readySinceMs;
    const { isSessionReused } = this.#socket as { isSessionReused?: () => boolean };
    const secure = isSessionReused !== undefined;
    this.#context.onConnectionReady(this.codec!, secure, secure && isSessionReused.call(this.#socket));
    this.pool.onConnected(this);
  }

  onStreamsAvailable(): void {
    if (!this.ready || this.#gone) return;
    if (this.codec!.activeStreams === 0) {
      this.idleSinceMs = this.#context.nowMs();
      if (this.#hinting !== null && this.#hinting.idleTimeoutHintMs > 0)
        this.pool.host.idle.onHint(this.#hinting.idleTimeoutHintMs);
    }
    if (!this.#draining) this.pool.onAvailable(this);
  }

  onDraining(): void {
    this.#draining = true;
    this.pool.onUnavailable(this);
  }

  onClose(error: ProxyError | null): void {
    if (this.#gone) return;
    if (!this.ready) {
      this.#notReady(this.#endedHere ? null : 'refused', this.#endedHere && error !== null ? error : closedBeforeReady);
      return;
    }
    this.#gone = true;
    this.collectBytes();
    const remotely = !this.#endedHere;
    // The peer closed it while it was idle: that is how long it waits.
    if (remotely && error === null && !this.#draining && this.#hinting !== null && this.streamsBegun > 0) {
      const now = this.#context.nowMs();
      this.pool.host.idle.onClose(now - this.idleSinceMs, now);
    }
    this.#context.onConnectionGone(this.pool, remotely, remotely ? error !== null : this.#cutStreams);
    this.pool.onGone(this);
  }

  /** It will never be ready. `reason` null: we gave it up. */
  #notReady(reason: ConnectFailure | null, error: ProxyError, peerReason: PeerFaultReason | null = null): void {
    if (this.#gone) return;
    this.#gone = true;
    this.collectBytes();
    this.#context.onConnectionGone(this.pool, reason !== null, false);
    if (reason !== null) this.#context.onConnectFailed(this.pool.host, reason, peerReason, error);
    this.pool.onConnectFailed(this, error);
  }
}

const failedDetails = 'upstream_reset_before_response_started{connection_failure}';

const closedBeforeReady = new ProxyError({
  flag: 'UF',
  source: 'upstream',
  details: failedDetails,
  message: 'The host closed the connection before it could be used.',
  retry: 'unsent',
});

const givenUp = new ProxyError({
  flag: 'UF',
  source: 'local',
  details: failedDetails,
  message: 'The connection was given up before it could be used.',
  retry: 'unsent',
});

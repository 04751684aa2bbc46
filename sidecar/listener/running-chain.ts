/** A filter chain at work: ends TLS where the chain says so, and hands connections to its connection manager. Kept across updates as long as its configuration object is the same. */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ConnectionOrigin } from '../cluster/upstream.ts';
import type { FilterChainConfig, ListenerConfig, SocketAddress } from '../config/listener-config.ts';
import type { DownstreamConnectionInfo } from '../connection-manager/http-context.ts';
import type { Log } from '../runtime/log.ts';
import { SecretTls } from '../secret/secret-tls.ts';
import { endText } from '../transport/end-text.ts';
import type { PeerFaultReason } from '../transport/peer-certificate.ts';
import {
  type HandshakeFailure,
  type SecuredConnection,
  ServerTls,
  type ServerTlsOwner,
} from '../transport/server-tls.ts';
import { readAccepted } from '../transport/socket-reader.ts';
import type { ListenerStats } from './listener-stats.ts';
import type { Race, RaceOwner } from './race.ts';
import type { ConnectionManager, RunningListenerContext } from './running-listener.ts';

/** Where a connection was going, where its listener looks for that. */
export interface Arrival {
  /** What the caller connected to. */
  readonly destination: SocketAddress;
  /** Null: the listener does not look for it; `destination` is this end. */
  readonly origin: ConnectionOrigin | null;
  /** SNI that an inspector saw; ''. */
  readonly serverName: string;
}

export class RunningChain implements ServerTlsOwner {
  readonly config: FilterChainConfig;
  readonly manager: ConnectionManager;
  readonly #tls: ServerTls | null;
  readonly #stats: ListenerStats;
  readonly #listenerName: string;
  readonly #direction: ListenerConfig['direction'];
  readonly #log: Log | null;
  /** Of connections in a handshake, by the socket below TLS. */
  readonly #arrivals = new WeakMap<Socket, Arrival>();

  constructor(
    config: FilterChainConfig,
    listener: ListenerConfig,
    manager: ConnectionManager,
    stats: ListenerStats,
    { clock, secrets = null, log = null }: RunningListenerContext,
  ) {
    this.config = config;
    this.#log = log;
    this.manager = manager;
    this.#stats = stats;
    this.#listenerName = listener.name;
    this.#direction = listener.direction;
    this.#tls =
      config.tls === null
        ? null
        : new ServerTls(new SecretTls(config.tls, secrets), config.handshakeTimeoutMs, clock, this);
  }

  /** `arrival` null: this end is where it was going. `first`: what was read of it; `ended`: and that is all it says. */
  take(socket: Socket, arrival: Arrival | null, first: Buffer | null = null, ended = false): void {
    if (ended && (this.#tls !== null || this.config.httpConnectionManager !== null)) {
      // Nobody asks anything after its end.
      socket.on('error', ignore);
      socket.destroy();
      return;
    }
    if (this.#tls === null) {
      this.#hand(readAccepted(socket), plaintextOf(arrival), arrival, first, ended);
      return;
    }
    if (first !== null) socket.unshift(first);
    if (arrival !== null) this.#arrivals.set(socket, arrival);
    this.#tls.accept(socket);
  }

  /** Connects for a silent caller, whose socket stays where it is; null: this chain has no use for that. */
  race(socket: Socket, arrival: Arrival | null, owner: RaceOwner): Race | null {
    if (this.#tls !== null || this.manager.race === undefined) return null;
    const info = this.#infoOf(socket, plaintextOf(arrival), arrival);
    return info === null ? null : this.manager.race(info, owner);
  }

  onSecured(socket: TLSSocket, secured: SecuredConnection): void {
    this.#stats.handshakes.value++;
    if (socket.isSessionReused()) this.#stats.sessionsReused.value++;
    const { servername } = socket as { servername?: string | false };
    const { alpn, peer, peerService, localUri, validUntilWallMs } = secured;
    const transport: TransportInfo = {
      secure: true,
      tlsVersion: socket.getProtocol() ?? '',
      tlsCipher: (socket.getCipher() as { readonly name: string } | undefined)?.name ?? '',
      alpn,
      serverName: typeof servername === 'string' ? servername.toLowerCase() : '',
      peer,
      peerService,
      localUri,
      validUntilWallMs,
    };
    const below = (socket as { readonly _parent?: Socket | null })._parent ?? null;
    const arrival = below === null ? null : (this.#arrivals.get(below) ?? null);
    this.#hand(socket, transport, arrival, null, false);
  }

  onHandshakeFailed(
    reason: HandshakeFailure,
    message: string,
    peerReason: PeerFaultReason | null,
    remoteAddress: string,
  ): void {
    this.#log?.debug(
      `listener ${this.#listenerName}: no TLS with ${remoteAddress === '' ? 'a client that is gone' : remoteAddress} (${peerReason ?? reason}): ${message}`,
    );
    this.#stats.handshakeErrors.value++;
    if (reason === 'peer') this.#stats.peerRefused.value++;
    if (reason === 'timeout') this.#stats.handshakeTimeouts.value++;
    if (reason === 'secret') this.#stats.secretMissing.value++;
    if (peerReason !== null) this.#stats.countPeerFault(peerReason);
  }

  #hand(socket: Socket, transport: TransportInfo, arrival: Arrival | null, first: Buffer | null, ended: boolean): void {
    const info = this.#infoOf(socket, transport, arrival);
    if (info === null) {
      // It was reset before we came to it.
      socket.on('error', ignore);
      socket.destroy();
      return;
    }
    if (this.config.httpConnectionManager === null) {
      this.manager.accept(socket, info, first, ended);
      return;
    }
    this.manager.accept(socket, info);
    // Whoever listens to the socket now gets what was read before.
    if (first !== null) socket.emit('data', first);
  }

  #infoOf(socket: Socket, transport: TransportInfo, arrival: Arrival | null): DownstreamConnectionInfo | null {
    const { localAddress, localPort, remoteAddress, remotePort } = socket;
    if (remoteAddress === undefined || localAddress === undefined) return null;
    return {
      listenerName: this.#listenerName,
      direction: this.#direction,
      ...transport,
      localAddress:
        arrival === null
          ? endText(localAddress, localPort)
          : endText(arrival.destination.host, arrival.destination.port),
      remoteAddress: endText(remoteAddress, remotePort),
      ...(arrival === null || arrival.origin === null ? {} : { origin: arrival.origin }),
    };
  }
}

type TransportInfo = Pick<
  DownstreamConnectionInfo,
  | 'secure'
  | 'tlsVersion'
  | 'tlsCipher'
  | 'alpn'
  | 'serverName'
  | 'peer'
  | 'peerService'
  | 'localUri'
  | 'validUntilWallMs'
>;

export const plaintext: TransportInfo = Object.freeze({
  secure: false,
  tlsVersion: '',
  tlsCipher: '',
  alpn: '',
  serverName: '',
  peer: null,
  peerService: '',
  localUri: '',
  validUntilWallMs: Infinity,
});

/** TLS that is not ended here has a server name all the same, where somebody looked. */
function plaintextOf(arrival: Arrival | null): TransportInfo {
  return arrival === null || arrival.serverName === '' ? plaintext : { ...plaintext, serverName: arrival.serverName };
}

function ignore(): void {
  // 'close' follows and is where things end.
}

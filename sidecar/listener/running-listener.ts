/**
 * A listener that takes connections: finds the filter chain of each, ends TLS where the chain says so, and hands it to the chain's connection manager. The
 * listening socket is not here (bound-socket.ts): it survives updates, this does not.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { FilterChainConfig, ListenerConfig } from '../config/listener-config.ts';
import type { DownstreamConnectionInfo } from '../connection-manager/http-context.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import type { SecretLookup } from '../secret/secret-store.ts';
import { SecretTls } from '../secret/secret-tls.ts';
import type { PeerFaultReason } from '../transport/peer-certificate.ts';
import {
  type HandshakeFailure,
  type SecuredConnection,
  ServerTls,
  type ServerTlsOwner,
} from '../transport/server-tls.ts';
import { readAccepted } from '../transport/socket-reader.ts';
import type { ConnectionTaker } from './bound-socket.ts';
import { type ClientHello, FirstBytesReader } from './client-hello.ts';
import { FilterChainMatcher } from './filter-chain-match.ts';
import type { ListenerStats } from './listener-stats.ts';

/** A connection on which nothing goes on. */
export interface IdleConnection {
  readonly idleSinceMs: number;
  closeIdle(): void;
}

/** What serves the connections of a filter chain; HttpConnectionManager is one. */
export interface ConnectionManager {
  /** Takes over a connection whose transport is ready, and attaches its 'error' listener now. After drain() too: such a connection ends after its first answer. */
  accept(socket: Socket, info: DownstreamConnectionInfo): void;
  /** Requests in hand are finished, then connections close. */
  drain(): void;
  /** What judges and routes the requests that still come on the connections of this one, which drains: its configuration was replaced by that one's. */
  succeededBy(next: ConnectionManager): void;
  destroyAll(error: ProxyError): void;
  idleConnections(): readonly IdleConnection[];
  readonly activeConnections: number;
  readonly activeStreams: number;
  /** Connections with requests in hand, or with answers that the kernel has not taken yet: what would be lost if they were closed now. */
  readonly unfinishedConnections: number;
}

/** What listeners share. */
export interface RunningListenerContext {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  /** Certificates and CAs that listeners refer to by name. */
  readonly secrets?: SecretLookup | null;
  /** For what becomes of single connections (debug). */
  readonly log?: Log | null;
}

export type CreateConnectionManager = (chain: FilterChainConfig, listener: ListenerConfig) => ConnectionManager;

/** A filter chain at work. Kept across updates as long as its configuration object is the same. */
export class RunningChain implements ServerTlsOwner {
  readonly config: FilterChainConfig;
  readonly manager: ConnectionManager;
  readonly #tls: ServerTls | null;
  readonly #stats: ListenerStats;
  readonly #listenerName: string;
  readonly #direction: ListenerConfig['direction'];
  readonly #log: Log | null;

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

  take(socket: Socket): void {
    if (this.#tls === null) this.#hand(readAccepted(socket), plaintext);
    else this.#tls.accept(socket);
  }

  onSecured(socket: TLSSocket, secured: SecuredConnection): void {
    this.#stats.handshakes.value++;
    if (socket.isSessionReused()) this.#stats.sessionsReused.value++;
    const { servername } = socket as { servername?: string | false };
    const { alpn, peer, peerService, localUri, validUntilWallMs } = secured;
    this.#hand(socket, {
      secure: true,
      tlsVersion: socket.getProtocol() ?? '',
      alpn,
      serverName: typeof servername === 'string' ? servername.toLowerCase() : '',
      peer,
      peerService,
      localUri,
      validUntilWallMs,
    });
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

  #hand(socket: Socket, transport: TransportInfo): void {
    const { localAddress, localPort, remoteAddress, remotePort } = socket;
    if (remoteAddress === undefined || localAddress === undefined) {
      // It was reset before we came to it.
      socket.on('error', ignore);
      socket.destroy();
      return;
    }
    this.manager.accept(socket, {
      listenerName: this.#listenerName,
      direction: this.#direction,
      ...transport,
      localAddress: endText(localAddress, localPort),
      remoteAddress: endText(remoteAddress, remotePort),
    });
  }
}

export class RunningListener implements ConnectionTaker {
  readonly config: ListenerConfig;
  /** By configuration object. */
  readonly chains: ReadonlyMap<FilterChainConfig, RunningChain>;
  readonly stats: ListenerStats;
  readonly #matcher: FilterChainMatcher;
  readonly #inspects: boolean;
  readonly #wheel: TimerWheel;
  /** Every accepted connection that is not closed. */
  readonly #sockets: Set<Socket>;

  /** `before`: the listener that this one replaces: chains that did not change go on in it. `sockets`: shared by all listeners that follow each other on one socket. */
  constructor(
    config: ListenerConfig,
    before: RunningListener | null,
    create: CreateConnectionManager,
    stats: ListenerStats,
    context: RunningListenerContext,
    sockets: Set<Socket>,
  ) {
    this.config = config;
    this.stats = stats;
    this.#wheel = context.wheel;
    this.#sockets = sockets;
    const { filterChains, defaultFilterChain } = config;
    const chains = new Map<FilterChainConfig, RunningChain>();
    for (const chain of defaultFilterChain === null ? filterChains : [...filterChains, defaultFilterChain]) {
      chains.set(
        chain,
        before?.chains.get(chain) ?? new RunningChain(chain, config, create(chain, config), stats, context),
      );
    }
    this.chains = chains;
    this.#matcher = new FilterChainMatcher(filterChains, defaultFilterChain);
    this.#inspects = config.inspectTls && this.#matcher.looksAtTls;
  }

  take(socket: Socket): void {
    const { stats } = this;
    stats.connections.value++;
    stats.connectionsActive.value++;
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      stats.connectionsActive.value--;
      stats.connectionsDestroyed.value++;
    });
    if (this.#inspects) new Inspection(this, socket, this.#wheel).start(this.config.listenerFiltersTimeoutMs);
    else this.choose(socket, null);
  }

  /** @internal `hello`: what the first bytes said; null: not TLS, or not looked at. */
  choose(socket: Socket, hello: ClientHello | null): void {
    const chain = this.#matcher.find({
      destinationPort: socket.localPort ?? 0,
      serverName: hello?.serverName ?? '',
      transportProtocol: hello === null ? 'raw_buffer' : 'tls',
      applicationProtocols: hello?.protocols ?? noProtocols,
    });
    if (chain !== null) {
      this.chains.get(chain)!.take(socket);
      return;
    }
    this.stats.noFilterChain.value++;
    socket.on('error', ignore);
    socket.destroy();
  }

  /** The chain that takes the connections which that one took, under a changed configuration; null: there is none. */
  successorOf({ name, match }: FilterChainConfig): RunningChain | null {
    const matched = JSON.stringify(match);
    for (const chain of this.chains.values())
      if (chain.config.name === name && JSON.stringify(chain.config.match) === matched) return chain;
    return null;
  }

  drain(): void {
    for (const { manager } of this.chains.values()) manager.drain();
  }
}

/** Waits for the first bytes of a connection, looks at them, and puts them back. */
class Inspection implements TimerTarget {
  readonly #listener: RunningListener;
  readonly #socket: Socket;
  readonly #wheel: TimerWheel;
  readonly #timer: WheelTimer;
  readonly #reader = new FirstBytesReader();
  /** What was read, to be put back. */
  readonly #read: Buffer[] = [];

  constructor(listener: RunningListener, socket: Socket, wheel: TimerWheel) {
    this.#listener = listener;
    this.#socket = socket;
    this.#wheel = wheel;
    this.#timer = new WheelTimer(this);
  }

  /** `timeoutMs`: for the first bytes; 0: none. */
  start(timeoutMs: number): void {
    const socket = this.#socket;
    this.#listener.stats.inspecting.value++;
    socket.on('readable', this.#onReadable);
    socket.on('error', ignore);
    socket.once('close', this.#onEnded);
    socket.once('end', this.#onEnded);
    if (timeoutMs > 0) this.#wheel.arm(this.#timer, timeoutMs);
  }

  onTimer(): void {
    this.#listener.stats.inspectionTimeouts.value++;
    this.#stop();
    this.#socket.destroy();
  }

  readonly #onReadable = (): void => {
    const chunk = this.#socket.read() as Buffer | null;
    if (chunk === null) return;
    this.#read.push(chunk);
    const seen = this.#reader.add(chunk);
    if (seen === 'more') return;
    this.#stop();
    this.#socket.off('error', ignore);
    this.#socket.unshift(this.#read.length === 1 ? chunk : Buffer.concat(this.#read));
    this.#listener.choose(this.#socket, seen === 'raw' ? null : seen);
  };

  /** It ended before it said enough. */
  readonly #onEnded = (): void => {
    this.#stop();
    this.#socket.destroy();
  };

  #stop(): void {
    this.#listener.stats.inspecting.value--;
    this.#wheel.disarm(this.#timer);
    const socket = this.#socket;
    socket.off('readable', this.#onReadable);
    socket.off('close', this.#onEnded);
    socket.off('end', this.#onEnded);
  }
}

type TransportInfo = Pick<
  DownstreamConnectionInfo,
  'secure' | 'tlsVersion' | 'alpn' | 'serverName' | 'peer' | 'peerService' | 'localUri' | 'validUntilWallMs'
>;

const plaintext: TransportInfo = Object.freeze({
  secure: false,
  tlsVersion: '',
  alpn: '',
  serverName: '',
  peer: null,
  peerService: '',
  localUri: '',
  validUntilWallMs: Infinity,
});

const noProtocols: readonly string[] = Object.freeze([]);

/** `ip:port`; IPv4 that came over an IPv6 socket is shown as IPv4. */
function endText(address: string, port: number | undefined): string {
  if (address.startsWith('::ffff:') && address.includes('.')) return `${address.slice(7)}:${port}`;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function ignore(): void {
  // 'close' follows and is where things end.
}

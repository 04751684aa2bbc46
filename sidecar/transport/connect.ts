/** Opens a connection to a host, with TLS when the cluster says so, within one time limit for all of it (Envoy's connect_timeout covers the handshake). */
import { connect as connectTcp, isIP, type OnReadOpts, type Socket, type TcpNetConnectOpts } from 'node:net';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { ProxyError } from '../codec/proxy-error.ts';
import type { AddressFamily, TcpKeepAliveConfig } from '../config/cluster-config.ts';
import type { TlsClientConfig } from '../config/tls-config.ts';
import type { Clock } from '../runtime/clock.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import { lookUpFault } from './host-name.ts';
import { nearestLoopback } from './loopback.ts';
import { nameLookups } from './name-lookups.ts';
import { nodeTls } from './node-tls.ts';
import type { OwnConnections } from './own-connections.ts';
import { chainFaultReason, type PeerFaultReason, peerFault } from './peer-certificate.ts';
import { SocketReader } from './socket-reader.ts';
import { boundSocket } from './system-sockets.ts';
import { ownNotAfterWallMs, secureContext } from './tls-context.ts';

/** A TLS session that may be resumed. */
export interface TlsSession {
  readonly data: Buffer;
  /** The configuration under which its peer was judged: it counts under no other. */
  readonly config: TlsClientConfig;
  /** When the certificate of its peer expires: a resumed connection shows none. */
  readonly notAfterWallMs: number;
}

/** Where a connection comes from. */
export interface ConnectSource {
  readonly address: string;
  /** 0: any. */
  readonly port: number;
  /** The address may be one that this machine has not (IP_FREEBIND), or somebody else's (IP_TRANSPARENT, with `mark`). */
  readonly freebind: boolean;
  readonly transparent: boolean;
  /** SO_MARK; 0: none. */
  readonly mark: number;
}

export interface ConnectTarget {
  /** IP literal, or a name, which is looked up (name-lookups.ts). */
  readonly host: string;
  /** Which addresses of a name are taken, and in which order they are tried; absent: IPv4 first, as where a name has both the one is what everybody has tried. */
  readonly addressFamily?: AddressFamily;
  readonly port: number;
  /** Unix socket in the place of host and port (`@`: an abstract one, as Envoy writes it); '' or absent: none. */
  readonly pipePath?: string;
  readonly tls: TlsClientConfig | null;
  /** ALPN to offer; TLS only. */
  readonly alpn: readonly string[];
  /** Where it comes from; absent or null: the system chooses. */
  readonly source?: ConnectSource | null;
  /** A session to resume, from `onSession` of a connection to the same host. */
  readonly session: TlsSession | null;
  /** Absent or null: the system does not probe whether the peer is there. */
  readonly keepAlive?: TcpKeepAliveConfig | null;
  /** Keeps connections of this process, to know them again; absent or null: nobody wants to. */
  readonly own?: OwnConnections | null;
  /** 0: none. */
  readonly timeoutMs: number;
  /** Why no connection can be made now, for people: a secret is missing. Then none is tried. */
  readonly unavailable?: string;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
}

/** `refused`: the network or the host said no; `timeout`: nobody answered in time; `tls`: the handshake failed, or the certificate is not the one wanted. */
/** `local`: this process could not even try, for want of a descriptor, a port or memory; it says nothing about the other side. */
export type ConnectFailure = 'refused' | 'timeout' | 'tls' | 'local';

export interface ConnectOwner {
  /**
   * Connected; `alpn` is what TLS agreed on, or ''. `validUntilWallMs`: when the first of the two certificates ends; Infinity or absent: none does. The socket has no 'error' listener any
   * more: attach one now.
   */
  onConnected(socket: Socket, alpn: string, validUntilWallMs?: number): void;
  /** It will not be. Nothing follows. `peerReason`: which fault of the peer's certificate it was; null or absent: it was something else. */
  onConnectFailed(error: ProxyError, reason: ConnectFailure, peerReason?: PeerFaultReason | null): void;
  /** A TLS session that may be resumed later. Only behind onConnected, any number, at any time while the connection lives. */
  onSession(session: TlsSession): void;
}

/** Begins to connect. The owner is told later, never from inside this call. */
export function openTransport(target: ConnectTarget, owner: ConnectOwner): { cancel(): void } {
  const { unavailable = '' } = target;
  if (unavailable !== '') return failLater(owner, `${where(target)} takes TLS, and ${unavailable}`, 'tls');
  try {
    const near = nearestLoopback(target.source?.address ?? '', target.host);
    return near === target.host ? new Connecting(target, owner) : new ConnectingNear(target, near, owner);
  } catch (error) {
    // Only a socket of our own says no at once, and TLS that cannot even begin.
    const { address = '' } = target.source ?? {};
    const { code = '', message, syscall } = error as NodeJS.ErrnoException;
    if (target.tls !== null && syscall === undefined)
      return failLater(owner, `${where(target)}: TLS cannot begin: ${message}`, 'tls');
    const why =
      code === 'EPERM'
        ? 'CAP_NET_ADMIN is needed for that'
        : code === 'EADDRNOTAVAIL'
          ? 'this machine does not have the address'
          : message;
    return failLater(owner, `${where(target)}: no connection can come from ${address}: ${why}`, 'local');
  }
}

function failLater(owner: ConnectOwner, why: string, reason: ConnectFailure): { cancel(): void } {
  let cancelled = false;
  queueMicrotask(() => {
    if (!cancelled) owner.onConnectFailed(noConnection(why), reason, null);
  });
  return {
    cancel: () => {
      cancelled = true;
    },
  };
}

/** To the application at loopback of its caller's family, and where it does not listen there, at the other one from our own address: it is better served without knowing its caller than not at all. */
class ConnectingNear implements ConnectOwner {
  readonly #target: ConnectTarget;
  readonly #owner: ConnectOwner;
  #attempt: Connecting;
  #again = false;

  constructor(target: ConnectTarget, near: string, owner: ConnectOwner) {
    this.#target = target;
    this.#owner = owner;
    this.#attempt = new Connecting({ ...target, host: near }, this);
  }

  cancel(): void {
    this.#attempt.cancel();
  }

  onConnected(socket: Socket, alpn: string, validUntilWallMs?: number): void {
    this.#owner.onConnected(socket, alpn, validUntilWallMs);
  }

  onConnectFailed(error: ProxyError, reason: ConnectFailure, peerReason?: PeerFaultReason | null): void {
    if (this.#again || reason !== 'refused') this.#owner.onConnectFailed(error, reason, peerReason);
    else {
      this.#again = true;
      this.#attempt = new Connecting({ ...this.#target, source: null }, this);
    }
  }

  onSession(session: TlsSession): void {
    this.#owner.onSession(session);
  }
}

class Connecting implements TimerTarget {
  readonly #target: ConnectTarget;
  readonly #owner: ConnectOwner;
  readonly #socket: Socket;
  /** What TLS goes over, where that is a socket of our own. */
  #below: Socket | null = null;
  readonly #timer: WheelTimer;
  readonly #session: TlsSession | null;
  /** Of a peer that was found to be the one wanted; 0 before. */
  #notAfterWallMs = 0;
  #validUntilWallMs = Infinity;
  /** Came before the peer was judged. */
  #earlySession: Buffer | null = null;
  #settled = false;
  #tcpConnected = false;

  constructor(target: ConnectTarget, owner: ConnectOwner) {
    this.#target = target;
    this.#owner = owner;
    this.#timer = new WheelTimer(this);
    const { tls, session, clock } = target;
    this.#session =
      session !== null && session.config === tls && session.notAfterWallMs > clock.wallMs() ? session : null;
    const socket = tls === null ? openPlain(target) : this.#openTls(tls);
    this.#socket = socket;
    if ((target.pipePath ?? '') === '') target.own?.add(this.#below ?? socket);
    if (tls === null) socket.once('connect', () => this.#connected(''));
    else {
      // Over a socket of our own (one that is bound transparently) it is that one that connects.
      (this.#below ?? socket).once('connect', () => {
        this.#tcpConnected = true;
      });
      socket.once('secureConnect', () => this.#secured(socket as TLSSocket, tls));
      socket.on('session', (data: Buffer) => this.#onSession(data, tls));
    }
    socket.once('error', this.#onError);
    socket.once('close', this.#onClose);
    if (target.timeoutMs > 0) target.wheel.arm(this.#timer, target.timeoutMs);
  }

  /** Nobody wants it any more; the owner is not told. */
  cancel(): void {
    if (this.#settled) return;
    this.#settle();
    this.#abandon();
  }

  onTimer(): void {
    this.#fail('timeout', `${where(this.#target)} did not answer within ${this.#target.timeoutMs} ms`);
  }

  #openTls(tls: TlsClientConfig): TLSSocket {
    const { alpn } = this.#target;
    // Documented; missing from the type.
    const { source = null } = this.#target;
    // Before there is a socket: it throws where certificates do not load.
    const context = secureContext(tls);
    if (source !== null && needsSystemSocket(source)) {
      this.#below = openBound(this.#target, source, {});
      this.#below.on('error', this.#onError);
    }
    const options: ConnectionOptions & { allowHalfOpen: boolean } = {
      ...(this.#below === null ? placeOf(this.#target) : { socket: this.#below }),
      allowHalfOpen: true,
      secureContext: context,
      ALPNProtocols: [...alpn],
      // The chain is verified when there is a CA to verify against; names are compared exactly in #secured, not by host name.
      rejectUnauthorized: tls.trustedCaPem !== null,
      checkServerIdentity: () => undefined,
      ...(tls.serverName === '' || isIP(tls.serverName) !== 0 ? {} : { servername: tls.serverName }),
      ...(this.#session === null ? {} : { session: this.#session.data }),
    };
    try {
      return nodeTls().connect(options).setNoDelay(true) as TLSSocket;
    } catch (error) {
      this.#below?.off('error', this.#onError).on('error', () => {
        // Told by what is thrown.
      });
      this.#below?.destroy();
      throw error;
    }
  }

  #secured(socket: TLSSocket, tls: TlsClientConfig): void {
    if (this.#settled) return;
    // Node shows no certificate when a session was resumed. Its peer was judged when the session was made: by this very configuration, and the certificate
    // has not expired since (checked above).
    const resumed = this.#session !== null && socket.isSessionReused();
    const certificate = socket.getPeerX509Certificate();
    const fault = resumed ? null : peerFault(tls, certificate, 'server', this.#target.clock.wallMs());
    if (fault !== null) {
      this.#fail('tls', `${where(this.#target)}: ${fault.message}`, fault.reason);
      return;
    }
    this.#notAfterWallMs = resumed
      ? this.#session!.notAfterWallMs
      : certificate === undefined
        ? Infinity
        : Date.parse(certificate.validTo);
    this.#validUntilWallMs = Math.min(this.#notAfterWallMs, ownNotAfterWallMs(tls));
    this.#connected(typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '');
    if (this.#earlySession !== null) this.#onSession(this.#earlySession, tls);
  }

  #onSession(data: Buffer, config: TlsClientConfig): void {
    if (this.#notAfterWallMs > 0) this.#owner.onSession({ data, config, notAfterWallMs: this.#notAfterWallMs });
    else if (!this.#settled) this.#earlySession = data;
  }

  #connected(alpn: string): void {
    if (this.#settled) return;
    this.#settle();
    const { keepAlive = null } = this.#target;
    if (keepAlive !== null) setKeepAlive(this.#socket, keepAlive);
    this.#owner.onConnected(this.#socket, alpn, this.#validUntilWallMs);
  }

  readonly #onError = (error: NodeJS.ErrnoException): void => {
    const tls = this.#target.tls !== null && this.#tcpConnected;
    // Set when it is the peer's chain that does not verify.
    const chainFault = tls ? ((this.#socket as TLSSocket).authorizationError as unknown as string | null) : null;
    const { code = '' } = error;
    const { host, pipePath = '' } = this.#target;
    const why =
      code === 'ENOENT' && pipePath !== '' && host !== ''
        ? notAround
        : (systemErrors[code] ?? (lookUpFault(code) || error.message || code));
    this.#fail(
      tls ? 'tls' : localShortages.has(error.code ?? '') ? 'local' : 'refused',
      `${where(this.#target)}: ${tls ? `TLS handshake: ${why}` : why}`,
      (chainFault ?? null) === null ? null : chainFaultReason(String(chainFault)),
    );
  };

  readonly #onClose = (): void => {
    this.#fail(
      this.#tcpConnected ? 'tls' : 'refused',
      `${where(this.#target)} closed the connection while it was being made`,
    );
  };

  #fail(reason: ConnectFailure, message: string, peerReason: PeerFaultReason | null = null): void {
    if (this.#settled) return;
    this.#settle();
    this.#abandon();
    this.#owner.onConnectFailed(noConnection(message), reason, peerReason);
  }

  #settle(): void {
    this.#settled = true;
    this.#target.wheel.disarm(this.#timer);
    this.#socket.off('error', this.#onError);
    this.#socket.off('close', this.#onClose);
  }

  #abandon(): void {
    this.#socket.on('error', () => {
      // Told already, or nobody wants to know.
    });
    this.#socket.destroy();
  }
}

/** Of an address on the loopback of the machine around a network of its own. */
const notAround =
  "this is the host's loopback, where a network of its own (run --intercept) reaches other services' registered instances only, with an identity and the control plane on this machine; let it listen on another address";

/** What is not said is what Linux does by itself. Null: off. */
export function setKeepAlive(socket: Socket, config: TcpKeepAliveConfig | null): void {
  if (config === null) socket.setKeepAlive(false);
  else socket.setKeepAlive(true, config.idleMs || 7_200_000, config.intervalMs || 75_000, config.probes || 9);
}

function where({ host, port, pipePath = '' }: ConnectTarget): string {
  // One with both is on the loopback of the machine around us (host-loopback.ts).
  if (host === '' && pipePath !== '') return pipePath;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Why there is no connection to a host, as everybody is told; its request was seen by nobody. */
export function noConnection(message: string): ProxyError {
  return new ProxyError({
    flag: 'UF',
    source: 'upstream',
    details: 'upstream_reset_before_response_started{connection_failure}',
    message: `No connection to the service: ${message}.`,
    retry: 'unsent',
  });
}

function placeOf(target: ConnectTarget): TcpNetConnectOpts | { path: string } {
  const { host, port, pipePath = '', addressFamily = 'ipv4-first', source = null } = target;
  if (pipePath === '') {
    const from = source === null ? {} : { localAddress: source.address, localPort: source.port };
    return isIP(host) === 0
      ? { host, port, lookup: nameLookups.for(addressFamily, target), ...from }
      : { host, port, ...from };
  }
  return { path: pipePath.startsWith('@') ? `\0${pipePath.slice(1)}` : pipePath };
}

function needsSystemSocket({ freebind, transparent, mark }: ConnectSource): boolean {
  return freebind || transparent || mark !== 0;
}

/** Over a socket that is bound by the C library. Throws when it cannot be. */
function openBound(target: ConnectTarget, source: ConnectSource, more: { onread?: OnReadOpts }): Socket {
  const { freebind, transparent, mark } = source;
  const settings = { freebind, transparent, mark, portLater: source.port === 0 };
  const fd = boundSocket({ host: source.address, port: source.port }, settings);
  // Documented of sockets that are made from a descriptor; missing from the type. Without manualStart it would be read before it is connected.
  const options = { fd, manualStart: true, host: target.host, port: target.port, noDelay: true, allowHalfOpen: true };
  return connectTcp({ ...options, ...more });
}

function openPlain(target: ConnectTarget): Socket {
  const reader = new SocketReader();
  const { source = null } = target;
  if (source !== null && needsSystemSocket(source)) {
    const bound = openBound(target, source, { onread: reader.onread });
    reader.attach(bound);
    return bound;
  }
  const socket = connectTcp({ ...placeOf(target), noDelay: true, allowHalfOpen: true, onread: reader.onread });
  reader.attach(socket);
  return socket;
}

const localShortages: ReadonlySet<string> = new Set([
  'EMFILE',
  'ENFILE',
  'EADDRNOTAVAIL',
  'ENOBUFS',
  'ENOMEM',
  'EAGAIN',
]);

const systemErrors: Readonly<Record<string, string>> = Object.assign(Object.create(null) as Record<string, string>, {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset by the peer',
  ENOENT: 'there is no such socket',
  EACCES: 'this process may not use the socket',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  EADDRNOTAVAIL: 'no local port is free, or the address is not reachable from here',
  EINVAL: 'the address cannot be connected to from the source address',
  EMFILE: 'this process has no file descriptors left (raise ulimit -n)',
});

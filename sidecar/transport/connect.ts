/** Opens a connection to a host, with TLS when the cluster says so, within one time limit for all of it (Envoy's connect_timeout covers the handshake). */
import { connect as connectTcp, isIP, type Socket, type TcpNetConnectOpts } from 'node:net';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { ProxyError } from '../codec/proxy-error.ts';
import type { AddressFamily, TcpKeepAliveConfig } from '../config/cluster-config.ts';
import type { TlsClientConfig } from '../config/tls-config.ts';
import type { Clock } from '../runtime/clock.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import { lookUpFault } from './host-name.ts';
import { nameLookups } from './name-lookups.ts';
import { nodeTls } from './node-tls.ts';
import { chainFaultReason, type PeerFaultReason, peerFault } from './peer-certificate.ts';
import { SocketReader } from './socket-reader.ts';
import { ownNotAfterWallMs, secureContext } from './tls-context.ts';

/** A TLS session that may be resumed. */
export interface TlsSession {
  readonly data: Buffer;
  /** The configuration under which its peer was judged: it counts under no other. */
  readonly config: TlsClientConfig;
  /** When the certificate of its peer expires: a resumed connection shows none. */
  readonly notAfterWallMs: number;
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
  /** A session to resume, from `onSession` of a connection to the same host. */
  readonly session: TlsSession | null;
  /** Absent or null: the system does not probe whether the peer is there. */
  readonly keepAlive?: TcpKeepAliveConfig | null;
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
  if (unavailable === '') return new Connecting(target, owner);
  let cancelled = false;
  queueMicrotask(() => {
    if (!cancelled) owner.onConnectFailed(noConnection(`${where(target)} takes TLS, and ${unavailable}`), 'tls', null);
  });
  return {
    cancel: () => {
      cancelled = true;
    },
  };
}

class Connecting implements TimerTarget {
  readonly #target: ConnectTarget;
  readonly #owner: ConnectOwner;
  readonly #socket: Socket;
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
    if (tls === null) socket.once('connect', () => this.#connected(''));
    else {
      socket.once('connect', () => {
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
    const options: ConnectionOptions & { allowHalfOpen: boolean } = {
      ...placeOf(this.#target),
      allowHalfOpen: true,
      secureContext: secureContext(tls),
      ALPNProtocols: [...alpn],
      // The chain is verified when there is a CA to verify against; names are compared exactly in #secured, not by host name.
      rejectUnauthorized: tls.trustedCaPem !== null,
      checkServerIdentity: () => undefined,
      ...(tls.serverName === '' || isIP(tls.serverName) !== 0 ? {} : { servername: tls.serverName }),
      ...(this.#session === null ? {} : { session: this.#session.data }),
    };
    return nodeTls().connect(options).setNoDelay(true) as TLSSocket;
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
    const why = systemErrors[code] ?? (lookUpFault(code) || error.message || code);
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

/** What is not said is what Linux does by itself. Null: off. */
export function setKeepAlive(socket: Socket, config: TcpKeepAliveConfig | null): void {
  if (config === null) socket.setKeepAlive(false);
  else socket.setKeepAlive(true, config.idleMs || 7_200_000, config.intervalMs || 75_000, config.probes || 9);
}

function where({ host, port, pipePath = '' }: ConnectTarget): string {
  if (pipePath !== '') return pipePath;
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
  const { host, port, pipePath = '', addressFamily = 'ipv4-first' } = target;
  if (pipePath === '')
    return isIP(host) === 0 ? { host, port, lookup: nameLookups.for(addressFamily, target) } : { host, port };
  return { path: pipePath.startsWith('@') ? `\0${pipePath.slice(1)}` : pipePath };
}

function openPlain(target: ConnectTarget): Socket {
  const reader = new SocketReader();
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
  EMFILE: 'this process has no file descriptors left (raise ulimit -n)',
});

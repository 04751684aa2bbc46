/** Opens a connection to a host, with TLS when the cluster says so, within one time limit for all of it. */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { ProxyError } from '../codec/proxy-error.ts';
import type { TlsClientConfig } from '../config/tls-config.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import { certificateMatches, secureContext } from './tls-context.ts';

export interface ConnectTarget {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsClientConfig | null;
  /** ALPN to offer; TLS only. */
  readonly alpn: readonly string[];
  /** A session to resume, from `onSession` of a connection to the same host under the same configuration. */
  readonly session: Buffer | null;
  readonly timeoutMs: number;
  readonly wheel: TimerWheel;
}

export interface ConnectOwner {
  /** Connected; `alpn` is what TLS agreed on, or ''. */
  onConnected(socket: Socket, alpn: string): void;
  /** It will not be. Nothing follows. */
  onConnectFailed(error: ProxyError, reason: 'refused' | 'timeout' | 'tls'): void;
  /** A TLS session that may be resumed later. */
  onSession(session: Buffer): void;
}

export class Connecting implements TimerTarget {
  readonly #target: ConnectTarget;
  readonly #owner: ConnectOwner;
  readonly #socket: Socket;
  readonly #timer: WheelTimer;
  #settled = false;
  #tcpConnected = false;

  constructor(target: ConnectTarget, owner: ConnectOwner) {
    this.#target = target;
    this.#owner = owner;
    this.#timer = new WheelTimer(this);
    const { host, port, tls } = target;
    this.#socket = tls === null ? connectTcp({ host, port, noDelay: true, allowHalfOpen: true }) : this.#connectTls(tls);
    const socket = this.#socket;
    if (tls === null) socket.once('connect', () => this.#connected(''));
    else {
      socket.once('connect', () => (this.#tcpConnected = true));
      socket.once('secureConnect', () => this.#secured(socket as TLSSocket, tls));
      socket.on('session', (session: Buffer) => owner.onSession(session));
    }
    socket.once('error', this.#onError);
    socket.once('close', this.#onClose);
    if (target.timeoutMs > 0) target.wheel.arm(this.#timer, target.timeoutMs);
  }

  /** Nobody wants it any more; the owner is not told. */
  cancel(): void {
    if (this.#settled) return;
    this.#settle();
    this.#socket.destroy();
  }

  onTimer(): void {
    this.#fail('timeout', `${this.#where()} did not answer within ${this.#target.timeoutMs} ms`);
  }

  #connectTls(tls: TlsClientConfig): TLSSocket {
    const { host, port, alpn, session } = this.#target;
    return connectTls({
      host,
      port,
      secureContext: secureContext(tls),
      ALPNProtocols: [...alpn],
      // The chain is verified when there is a CA to verify against; names are compared exactly in #secured, not by host name.
      rejectUnauthorized: tls.trustedCaPem !== null,
      checkServerIdentity: () => undefined,
      ...(tls.serverName === '' || isIP(tls.serverName) !== 0 ? {} : { servername: tls.serverName }),
      ...(session === null ? {} : { session }),
    }).setNoDelay(true) as TLSSocket;
  }

  #secured(socket: TLSSocket, tls: TlsClientConfig): void {
    const certificate = socket.getPeerX509Certificate();
    // A resumed session gives no certificate in some versions of TLS; it was checked when the session was made, under the same configuration.
    if (certificate !== undefined && !certificateMatches(tls, certificate)) {
      this.#fail('tls', `the certificate of ${this.#where()} has none of the names ${tls.subjectAltNames.map((name) => `${name.type}:${name.exact}`).join(', ')}`);
      return;
    }
    this.#connected(typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '');
  }

  #connected(alpn: string): void {
    if (this.#settled) return;
    this.#settle();
    this.#owner.onConnected(this.#socket, alpn);
  }

  readonly #onError = (error: NodeJS.ErrnoException): void => {
    const tls = this.#target.tls !== null && this.#tcpConnected;
    this.#fail(tls ? 'tls' : 'refused', `${this.#where()}: ${error.code === 'ECONNREFUSED' ? 'connection refused' : tls ? `TLS: ${error.message}` : error.message}`);
  };

  readonly #onClose = (): void => this.#fail(this.#tcpConnected ? 'tls' : 'refused', `${this.#where()} closed the connection while it was being made`);

  #fail(reason: 'refused' | 'timeout' | 'tls', message: string): void {
    if (this.#settled) return;
    this.#settle();
    this.#socket.on('error', () => {
      // Told already.
    });
    this.#socket.destroy();
    this.#owner.onConnectFailed(
      new ProxyError({
        flag: 'UF',
        source: 'upstream',
        details: `upstream_reset_before_response_started{connection_failure}`,
        message: `No connection to the service: ${message}.`,
        retry: 'unsent',
      }),
      reason,
    );
  }

  #settle(): void {
    this.#settled = true;
    this.#target.wheel.disarm(this.#timer);
    this.#socket.off('error', this.#onError);
    this.#socket.off('close', this.#onClose);
  }

  #where(): string {
    return `${this.#target.host}:${this.#target.port}`;
  }
}

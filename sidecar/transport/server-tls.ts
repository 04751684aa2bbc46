/**
 * The server side of TLS: turns accepted sockets into decrypted ones, for one configuration. A tls.Server that never listens does the handshakes, so that
 * verification, tickets and faults are Node's own; a fault stays with its connection and never throws out of it.
 */
import type { Socket } from 'node:net';
import type { Server, TLSSocket } from 'node:tls';
import type { TlsServerConfig } from '../config/tls-config.ts';
import type { Clock } from '../runtime/clock.ts';
import { nodeTls } from './node-tls.ts';
import { peerFault } from './peer-certificate.ts';
import { contextOptions } from './tls-context.ts';

/** `peer`: the peer's certificate is missing, not trusted, or of somebody else; `protocol`: everything else that went wrong. */
export type HandshakeFailure = 'peer' | 'timeout' | 'protocol';

/** Who ordered the handshakes. */
export interface ServerTlsOwner {
  /** The handshake is done and the peer is wanted; `alpn` is what was agreed on, or ''. Attach an 'error' listener now. */
  onSecured(socket: TLSSocket, alpn: string): void;
  /** The connection is gone, or about to be. `message` is for the log. */
  onHandshakeFailed(reason: HandshakeFailure, message: string): void;
}

/** Also without a limit of its own a handshake ends some time (hardening.md, "slow peers"). */
const longestHandshakeMs = 30_000;

export class ServerTls {
  readonly #server: Server;
  readonly #config: TlsServerConfig;
  readonly #clock: Clock;

  /** `timeoutMs`: for the whole handshake; 0: 30 s. Throws when the configuration cannot be loaded: ask checkTls first. */
  constructor(config: TlsServerConfig, timeoutMs: number, clock: Clock, owner: ServerTlsOwner) {
    this.#config = config;
    this.#clock = clock;
    const limitMs = timeoutMs === 0 ? longestHandshakeMs : timeoutMs;
    const verifies = config.trustedCaPem !== null;
    const server = nodeTls().createServer({
      ...contextOptions(config),
      // Only a configuration with a CA can tell a peer that is wanted from others.
      requestCert: verifies || config.requireClientCertificate,
      rejectUnauthorized: verifies && config.requireClientCertificate,
      ...(config.alpn.length === 0 ? {} : { ALPNProtocols: [...config.alpn] }),
      allowHalfOpen: true,
      handshakeTimeout: limitMs,
    });
    this.#server = server;
    server.on('secureConnection', (socket: TLSSocket) => {
      const fault = this.#unwanted(socket);
      if (fault === null) {
        owner.onSecured(socket, typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '');
        return;
      }
      socket.on('error', ignore);
      socket.destroy();
      owner.onHandshakeFailed('peer', fault);
    });
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
      const { code = '' } = error;
      socket.on('error', ignore);
      socket.destroy();
      if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT')
        owner.onHandshakeFailed('timeout', `the TLS handshake was not done within ${limitMs} ms`);
      // Node only hangs up on a certificate that it does not trust, and leaves the reason here.
      else if (socket.authorizationError) owner.onHandshakeFailed('peer', untrusted(socket));
      else owner.onHandshakeFailed(peerFailures.test(code) ? 'peer' : 'protocol', error.message);
    });
  }

  /** Begins the handshake. Bytes that were read to look at the connection must have been put back (unshift). */
  accept(socket: Socket): void {
    socket.on('error', ignore);
    this.#server.emit('connection', socket);
  }

  /** Why the peer is not wanted, or null. Also for resumed sessions, which carry the certificate that they were made with; TLS does not look at it again. */
  #unwanted(socket: TLSSocket): string | null {
    const config = this.#config;
    const certificate = socket.getPeerX509Certificate();
    // Envoy lets a client without certificate in when none is required; names can only be asked of one that is shown.
    if (certificate === undefined) return config.requireClientCertificate ? 'the client showed no certificate' : null;
    if (config.trustedCaPem !== null && !socket.authorized) return untrusted(socket);
    if (socket.isSessionReused() && Date.parse(certificate.validTo) <= this.#clock.wallMs())
      return "the client's certificate has expired";
    return peerFault(config, certificate);
  }
}

/** OpenSSL's and Node's codes that say the peer's certificate was not good enough. */
const peerFailures = /PEER_DID_NOT_RETURN_A_CERTIFICATE|CERTIFICATE_VERIFY_FAILED|UNABLE_TO|SELF_SIGNED|CERT_/;

function untrusted(socket: TLSSocket): string {
  return `the client's certificate is not trusted (${String(socket.authorizationError)})`;
}

function ignore(): void {
  // The handshake's fault has been told; what the socket says behind it adds nothing.
}

/**
 * The server side of TLS: turns accepted sockets into decrypted ones. A tls.Server that never listens does the handshakes, so that verification, tickets and faults are Node's own; a
 * fault stays with its connection and never throws out of it. There is one tls.Server per version of the configuration: when a secret changes, the next connection gets a new one, with
 * ticket keys of its own, so that no session goes on under a certificate or a CA that it was not made under. Connections in use are not touched.
 */
import { constants, X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Server, TLSSocket } from 'node:tls';
import type { TlsServerConfig } from '../config/tls-config.ts';
import type { Clock } from '../runtime/clock.ts';
import { type KnownPeer, KnownPeers } from './known-peers.ts';
import { nodeTls } from './node-tls.ts';
import {
  chainFaultReason,
  type PeerCertificate,
  type PeerFault,
  type PeerFaultReason,
  peerFault,
  uriNames,
} from './peer-certificate.ts';
import { contextOptions } from './tls-context.ts';

/** `peer`: the peer's certificate is missing, not trusted, or of somebody else; `secret`: we have no certificate or CA to speak TLS with yet; `protocol`: everything else that went wrong. */
export type HandshakeFailure = 'peer' | 'timeout' | 'secret' | 'protocol';

/** What a handshake brought. */
export interface SecuredConnection {
  /** What was agreed on, or ''. */
  readonly alpn: string;
  /** The peer's certificate, verified; null: it showed none. */
  readonly peer: PeerCertificate | null;
  /** `namespace/service account` of the peer's verified identity; '' without one. */
  readonly peerService: string;
  /** URI name of our own certificate; ''. */
  readonly localUri: string;
  /** When the first of the two certificates ends: the connection should have a successor by then. */
  readonly validUntilWallMs: number;
}

/** Who ordered the handshakes. */
export interface ServerTlsOwner {
  /** The handshake is done and the peer is wanted. Attach an 'error' listener now. */
  onSecured(socket: TLSSocket, secured: SecuredConnection): void;
  /** The connection is gone, or about to be. `message` is for the log; `peerReason` says which fault of a peer it was; `remoteAddress` is `ip:port`, or ''. */
  onHandshakeFailed(
    reason: HandshakeFailure,
    message: string,
    peerReason: PeerFaultReason | null,
    remoteAddress: string,
  ): void;
}

/** A TLS configuration as it is now; see ../secret/secret-tls.ts. */
export interface TlsSource<T> {
  /** Null: something is missing. */
  current(): T | null;
  /** What, for people. */
  missing(): string;
}

/** Also without a limit of its own a handshake ends some time (hardening.md, "slow peers"). */
const longestHandshakeMs = 30_000;

export class ServerTls {
  readonly #source: TlsSource<TlsServerConfig>;
  readonly #limitMs: number;
  readonly #clock: Clock;
  readonly #owner: ServerTlsOwner;
  #acceptor: Acceptor | null = null;

  /** `timeoutMs`: for the whole handshake; 0: 30 s. Throws when the configuration cannot be loaded: ask checkTls first. */
  constructor(source: TlsSource<TlsServerConfig>, timeoutMs: number, clock: Clock, owner: ServerTlsOwner) {
    this.#source = source;
    this.#limitMs = timeoutMs === 0 ? longestHandshakeMs : timeoutMs;
    this.#clock = clock;
    this.#owner = owner;
    this.#newest();
  }

  /** Begins the handshake. Bytes that were read to look at the connection must have been put back (unshift). */
  accept(socket: Socket): void {
    socket.on('error', ignore);
    const acceptor = this.#newest();
    if (acceptor !== null) {
      acceptor.accept(socket);
      return;
    }
    // As Envoy does: the port is open, and connections are reset until the secret comes.
    const remoteAddress = remoteOf(socket);
    socket.resetAndDestroy();
    this.#owner.onHandshakeFailed('secret', this.#source.missing(), null, remoteAddress);
  }

  #newest(): Acceptor | null {
    const config = this.#source.current();
    if (config === null) return null;
    if (this.#acceptor?.config !== config)
      this.#acceptor = new Acceptor(config, this.#limitMs, this.#clock, this.#owner);
    return this.#acceptor;
  }
}

/** Handshakes under one version of a configuration. */
class Acceptor {
  readonly config: TlsServerConfig;
  readonly #server: Server;
  readonly #clock: Clock;
  readonly #localUri: string;
  readonly #ownNotAfterWallMs: number;
  readonly #known = new KnownPeers();

  constructor(config: TlsServerConfig, limitMs: number, clock: Clock, owner: ServerTlsOwner) {
    this.config = config;
    this.#clock = clock;
    const [own] = config.certificates;
    const certificate = own === undefined ? null : new X509Certificate(own.chainPem);
    this.#localUri = certificate === null ? '' : (uriNames(certificate)[0] ?? '');
    this.#ownNotAfterWallMs = certificate === null ? Infinity : Date.parse(certificate.validTo);
    const verifies = config.trustedCaPem !== null;
    const server = nodeTls().createServer({
      ...contextOptions(config),
      // Only a configuration with a CA can tell a peer that is wanted from others.
      requestCert: verifies || config.requireClientCertificate,
      rejectUnauthorized: verifies && config.requireClientCertificate,
      ...(config.alpn.length === 0 ? {} : { ALPNProtocols: [...config.alpn] }),
      handshakeTimeout: limitMs,
      // A resumed session shows the leaf without the chain that has to lead to its own trust domain's roots: with several domains each connection shows it.
      ...((config.trustDomains?.length ?? 0) > 1 ? { secureOptions: constants.SSL_OP_NO_TICKET } : {}),
    });
    this.#server = server;
    server.on('secureConnection', (socket: TLSSocket) => {
      socket.allowHalfOpen = true;
      const judged = this.#judge(socket);
      if (judged === null || 'certificate' in judged) {
        owner.onSecured(socket, this.#secured(socket, judged));
        return;
      }
      socket.on('error', ignore);
      const remoteAddress = remoteOf(socket);
      socket.destroy();
      owner.onHandshakeFailed('peer', judged.message, judged.reason, remoteAddress);
    });
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
      const { code = '' } = error;
      socket.on('error', ignore);
      const from = remoteOf(socket);
      socket.destroy();
      if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT')
        owner.onHandshakeFailed('timeout', `the TLS handshake was not done within ${limitMs} ms`, null, from);
      // Node only hangs up on a certificate that it does not trust, and leaves the reason here.
      else if (socket.authorizationError) {
        const { reason, message } = untrusted(String(socket.authorizationError));
        owner.onHandshakeFailed('peer', message, reason, from);
      } else if (peerFailures.test(code))
        owner.onHandshakeFailed(
          'peer',
          error.message,
          code.includes('DID_NOT_RETURN') ? 'no-certificate' : chainFaultReason(code),
          from,
        );
      else owner.onHandshakeFailed('protocol', error.message, null, from);
    });
  }

  accept(socket: Socket): void {
    // From now on the socket remembers it.
    void socket.remoteAddress;
    // Who says goodbye before the handshake is done, as a TCP health probe does, is let go; the TLS socket takes this over from the one below it.
    socket.allowHalfOpen = false;
    this.#server.emit('connection', socket);
  }

  #secured(socket: TLSSocket, peer: KnownPeer | null): SecuredConnection {
    return {
      alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '',
      peer: peer === null ? null : peer.certificate,
      // Without a CA nothing was verified: then the certificate says nothing about who it is.
      peerService: peer !== null && this.config.trustedCaPem !== null ? peer.service : '',
      localUri: this.#localUri,
      validUntilWallMs: Math.min(this.#ownNotAfterWallMs, peer === null ? Infinity : peer.notAfterWallMs),
    };
  }

  /** The peer, or why it is not wanted; null: it may come in without a certificate. Also for resumed sessions, which carry the leaf that they were made with; TLS does not look at it again. */
  #judge(socket: TLSSocket): KnownPeer | PeerFault | null {
    const { config } = this;
    const certificate = socket.getPeerX509Certificate();
    // Envoy lets a client without certificate in when none is required; names can only be asked of one that is shown.
    if (certificate === undefined)
      return config.requireClientCertificate
        ? { reason: 'no-certificate', message: 'the client showed no certificate' }
        : null;
    if (config.trustedCaPem !== null && !socket.authorized) return untrusted(String(socket.authorizationError));
    const nowWallMs = this.#clock.wallMs();
    const known = this.#known.find(certificate, nowWallMs);
    if (known !== undefined) return known;
    if (socket.isSessionReused() && Date.parse(certificate.validTo) <= nowWallMs)
      return { reason: 'expired', message: "the client's certificate has expired" };
    return peerFault(config, certificate, 'client', nowWallMs) ?? this.#known.add(certificate);
  }
}

/** OpenSSL's and Node's codes that say the peer's certificate was not good enough. */
const peerFailures = /PEER_DID_NOT_RETURN_A_CERTIFICATE|CERTIFICATE_VERIFY_FAILED|UNABLE_TO|SELF_SIGNED|CERT_/;

function untrusted(code: string): PeerFault {
  return { reason: chainFaultReason(code), message: `the client's certificate is not trusted (${code})` };
}

/** A TLS socket that Node has destroyed knows its peer no more; the one below it does, once it was asked. */
function remoteOf(socket: Socket): string {
  const { remoteAddress, remotePort } = socket;
  if (remoteAddress !== undefined) return `${remoteAddress}:${remotePort}`;
  const below = (socket as { readonly _parent?: Socket | null })._parent ?? null;
  return below === null ? '' : remoteOf(below);
}

function ignore(): void {
  // The handshake's fault has been told; what the socket says behind it adds nothing.
}

/** A TLS handshake with anybody, and what the peer showed: judged afterwards, by the rules of the mesh. */
import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { formatHostPort, type HostPort } from './host-port.ts';
import { UserError } from './user-error.ts';

export interface TlsPeer {
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[];
  readonly protocol: string;
  readonly alpn: string;
}

const handshakeTimeoutMs = 10_000;
const maxChain = 10;

/** TLS takes anybody. Rejects with a UserError that says why there is no handshake. */
export function tlsHandshake(address: HostPort): Promise<TlsPeer> {
  const at = formatHostPort(address);
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connect({
      ...address,
      ...(isIP(address.host) === 0 ? { servername: address.host } : {}),
      rejectUnauthorized: false,
      ALPNProtocols: ['h2', 'http/1.1'],
      timeout: handshakeTimeoutMs,
    });
    const fail = (why: string): void => {
      socket.destroy();
      reject(new UserError(`${at}: no TLS handshake: ${why}`));
    };
    socket.on('timeout', () => fail(`no answer within ${handshakeTimeoutMs / 1000} s`));
    socket.on('error', (error: NodeJS.ErrnoException) => fail(reasons[error.code ?? ''] ?? error.message));
    socket.on('secureConnect', () => {
      const chain: Uint8Array[] = [];
      let next: X509Certificate | undefined = socket.getPeerX509Certificate();
      for (; next !== undefined && chain.length < maxChain; next = next.issuerCertificate) chain.push(next.raw);
      resolve({ chain, protocol: socket.getProtocol() ?? '', alpn: socket.alpnProtocol || '' });
      socket.destroy();
    });
  });
}

const reasons: Readonly<Record<string, string>> = Object.assign(Object.create(null) as Record<string, string>, {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the peer closed the connection; it may want a client certificate, or speak no TLS',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it speaks no TLS',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it speaks no TLS',
  ENOTFOUND: 'there is no such host',
});

/** Connected sockets for tests, plain or TLS. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { secureContext } from '../tls-context.ts';
import { caPem, orders } from './certificates.ts';

export interface SocketPair {
  readonly near: Socket;
  readonly far: Socket;
  close(): Promise<void>;
}

export async function socketPair(tls = false): Promise<SocketPair> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const accepted = once(server, 'connection');
  let near: Socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  let [far] = (await accepted) as [Socket];
  if (tls) {
    const common = {
      certificates: [orders],
      trustedCaPem: caPem,
      subjectAltNames: [],
      alpn: [],
      minVersion: 'TLSv1.3',
      maxVersion: 'TLSv1.3',
    } as const;
    far = new TLSSocket(far, { isServer: true, secureContext: secureContext(common) });
    near = connectTls({
      socket: near,
      secureContext: secureContext({ ...common, certificates: [] }),
      checkServerIdentity: () => undefined,
    });
    await once(near, 'secureConnect');
  }
  far.on('error', () => {});
  near.on('error', () => {});
  return {
    near,
    far,
    close: async () => {
      near.destroy();
      far.destroy();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

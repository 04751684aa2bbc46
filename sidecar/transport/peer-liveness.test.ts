import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { describe, expect, it, vi } from 'vitest';
import { kernelLiveness } from './peer-liveness.ts';
import { orders } from './test/certificates.ts';

describe.runIf(process.platform === 'linux')('what the kernel knows of a peer (TCP_INFO)', () => {
  it.each(['TCP', 'TLS'])('is read from sockets of %s; nothing of one that is closed', async (kind) => {
    const echo = (socket: Socket): Socket => socket.pipe(socket);
    const server =
      kind === 'TCP' ? createServer(echo) : createTlsServer({ cert: orders.chainPem, key: orders.keyPem }, echo);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const socket =
      kind === 'TCP' ? connect(port, '127.0.0.1') : connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false });
    await new Promise((resolve) => {
      socket.once('data', resolve);
      socket.write('x');
    });
    const known = kernelLiveness.acknowledgements(socket)!;
    expect(known.unanswered).toBe(0);
    expect(known.lastMs).toBeLessThan(10_000);
    // It goes with the time.
    await vi.waitFor(() => expect(kernelLiveness.acknowledgements(socket)!.lastMs).toBeGreaterThan(known.lastMs));
    socket.destroy();
    expect(kernelLiveness.acknowledgements(socket)).toBeNull();
    server.close();
  });
});

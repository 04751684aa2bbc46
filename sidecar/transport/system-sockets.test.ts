import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../runtime/clock.ts';
import { TimerWheel } from '../runtime/timer-wheel.ts';
import { type ConnectSource, openTransport } from './connect.ts';
import { boundSocket, descriptorOf, originalDestination, systemSocketsFault } from './system-sockets.ts';

const cleanUp: Array<() => unknown> = [];
afterEach(async () => {
  for (const action of cleanUp.splice(0).toReversed()) await action();
});

describe.skipIf(process.platform !== 'linux')('sockets by the C library', () => {
  it('are there', () => {
    expect(systemSocketsFault()).toBe('');
  });

  it('can be listened on, and tell that nothing was redirected', async () => {
    const server = createServer();
    server.listen({ fd: boundSocket({ host: '127.0.0.1', port: 0 }, { freebind: true }) });
    await once(server, 'listening');
    cleanUp.push(() => server.close());
    const { port } = server.address() as { port: number };
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const client = connect(port, '127.0.0.1');
    cleanUp.push(() => client.destroy());
    const [socket] = await accepted;
    cleanUp.push(() => socket.destroy());
    const destination = originalDestination(descriptorOf(socket), false);
    // Where the kernel follows connections it knows the address that it came to; elsewhere none.
    expect([null, port]).toContain(destination === null ? null : destination.port);
    expect(originalDestination(-1, false)).toBeNull();
  });

  it('say what the system says, as errors of Node do', () => {
    expect(() => boundSocket({ host: '192.0.2.77', port: 0 }, {})).toThrow(
      expect.objectContaining({ code: 'EADDRNOTAVAIL', syscall: 'bind' }),
    );
  });

  it('are bound to IPv6 addresses in any form', async () => {
    const server = createServer();
    server.listen({ fd: boundSocket({ host: '0:0::0001', port: 0 }, { ipv6Only: true }) });
    await once(server, 'listening');
    expect(server.address()).toMatchObject({ address: '::1', family: 'IPv6' });
    server.close();
  });

  it.each([
    ['by Node', { freebind: false }],
    ['by the C library', { freebind: true }],
  ])('connect from the address that is wanted, %s', async (_how, { freebind }) => {
    const server = createServer((socket) => socket.end('hello'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanUp.push(() => server.close());
    const { port } = server.address() as { port: number };
    const source: ConnectSource = { address: '127.0.0.6', port: 0, freebind, transparent: false, mark: 0 };
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const socket = await new Promise<Socket>((resolve, reject) => {
      openTransport(
        {
          ...{ host: '127.0.0.1', port, tls: null, alpn: [], session: null, timeoutMs: 5_000, source },
          ...{ clock: systemClock, wheel: new TimerWheel(systemClock) },
        },
        {
          onConnected: (connected) => resolve(connected),
          onConnectFailed: (error) => reject(new Error(error.message)),
          onSession: () => {},
        },
      );
    });
    socket.on('error', () => {});
    cleanUp.push(() => socket.destroy());
    const [there] = await accepted;
    expect(there.remoteAddress).toBe('127.0.0.6');
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    expect(chunk.toString()).toBe('hello');
  });

  it.each([
    ['at ::1, from the caller', '::1', '::1'],
    ['at 127.0.0.1 alone, from there', '127.0.0.1', '127.0.0.1'],
  ])('of a caller of IPv6 reach the application that listens %s (TPROXY)', async (_how, listen, from) => {
    const server = createServer();
    server.listen(0, listen);
    await once(server, 'listening');
    cleanUp.push(() => server.close());
    const { port } = server.address() as { port: number };
    const source: ConnectSource = { address: '::1', port: 0, freebind: true, transparent: false, mark: 0 };
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const socket = await new Promise<Socket>((resolve, reject) => {
      openTransport(
        {
          ...{ host: '127.0.0.1', port, tls: null, alpn: [], session: null, timeoutMs: 5_000, source },
          ...{ clock: systemClock, wheel: new TimerWheel(systemClock) },
        },
        {
          onConnected: (connected) => resolve(connected),
          onConnectFailed: (error) => reject(new Error(error.message)),
          onSession: () => {},
        },
      );
    });
    socket.on('error', () => {});
    cleanUp.push(() => socket.destroy());
    const [there] = await accepted;
    expect(there.remoteAddress).toBe(from);
  });

  it('that cannot be had fail the connection, later, and say why', async () => {
    const source: ConnectSource = { address: '192.0.2.77', port: 0, freebind: false, transparent: false, mark: 7 };
    const message = await new Promise<string>((resolve) => {
      openTransport(
        {
          ...{ host: '127.0.0.1', port: 1, tls: null, alpn: [], session: null, timeoutMs: 5_000, source },
          ...{ clock: systemClock, wheel: new TimerWheel(systemClock) },
        },
        {
          onConnected: () => resolve('connected'),
          onConnectFailed: (error, reason) => resolve(`${reason}: ${error.message}`),
          onSession: () => {},
        },
      );
    });
    expect(message).toMatch(/^local: .*no connection can come from 192\.0\.2\.77: /);
  });
});

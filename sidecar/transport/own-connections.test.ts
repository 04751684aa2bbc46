import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { systemClock } from '../runtime/clock.ts';
import { TimerWheel } from '../runtime/timer-wheel.ts';
import { openTransport } from './connect.ts';
import { OwnConnections } from './own-connections.ts';

it('knows a connection that comes back, before it is told that it is connected, and forgets what is closed or never came about', async () => {
  const own = new OwnConnections();
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const make = (to: number): Socket => {
    const socket = connect(to, '127.0.0.1');
    socket.on('error', () => {});
    own.add(socket);
    return socket;
  };
  const unwatched = make(port);
  await once(server, 'connection');
  expect(own.size).toBe(0);
  own.watch();
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const socket = make(port);
  const [other] = await accepted;
  expect(own.has(other.remoteAddress!, other.remotePort!, '127.0.0.1', port)).toBe(true);
  expect(own.has(`::ffff:${other.remoteAddress!}`, other.remotePort!, '127.0.0.1', port)).toBe(true);
  expect(own.has('127.0.0.1', 1, '127.0.0.1', port)).toBe(false);
  socket.destroy();
  await once(socket, 'close');
  const refused = make(1);
  await new Promise((resolve) => refused.once('close', resolve));
  expect(own.size).toBe(0);
  for (const each of [unwatched, other]) each.destroy();
  server.close();
});

it('takes nothing for its own that goes elsewhere from the same port, which Linux gives to several', async () => {
  const own = new OwnConnections();
  own.watch();
  const servers = [createServer(), createServer()] as const;
  for (const server of servers) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
  const [here, there] = servers.map((server) => (server.address() as AddressInfo).port) as [number, number];
  const accepted = once(servers[0], 'connection') as Promise<[Socket]>;
  const socket = connect(here, '127.0.0.1');
  own.add(socket);
  const [other] = await accepted;
  const { remoteAddress, remotePort } = other;
  expect(own.has(remoteAddress!, remotePort!, '127.0.0.1', there)).toBe(false);
  expect(own.has(remoteAddress!, remotePort!, '10.0.0.1', here)).toBe(false);
  expect(own.has(remoteAddress!, remotePort!, '127.0.0.1', here)).toBe(true);
  for (const each of [socket, other]) each.destroy();
  for (const server of servers) server.close();
});

it('is not told of Unix sockets, which have no address to be asked for at each accept', async () => {
  const own = new OwnConnections();
  own.watch();
  const server = createServer();
  const pipePath = join(tmpdir(), `outrigger-own-${process.pid}.sock`);
  server.listen(pipePath);
  await once(server, 'listening');
  const connected = Promise.withResolvers<Socket>();
  openTransport(
    {
      ...{ host: '', port: 0, pipePath, tls: null, alpn: [], session: null, own, timeoutMs: 0 },
      ...{ clock: systemClock, wheel: new TimerWheel(systemClock) },
    },
    { onConnected: connected.resolve, onConnectFailed: connected.reject, onSession: () => {} },
  );
  const socket = await connected.promise;
  expect(own.size).toBe(0);
  socket.destroy();
  server.close();
});

/** The bounds of the TLS door on connections, with small numbers and time in hand. What is behind it is a gRPC server without services. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { type DoorCaller, TlsDoor, type TlsDoorOptions } from './tls-door.ts';

let door: TlsDoor;
let server: Server;
let refused: string[] = [];
let timers: Set<() => void> = new Set();

const caller = (words: string): DoorCaller => ({ words, fault: () => '' });

async function open(
  limits: Pick<TlsDoorOptions, 'maxConnections' | 'maxUnprovenOfOne' | 'maxProvenOfOne'>,
): Promise<void> {
  refused = [];
  timers = new Set();
  server = new Server();
  door = await TlsDoor.start(
    { host: '127.0.0.1', port: 0 },
    {
      server,
      credentials: ServerCredentials.createInsecure(),
      after: (_, callback) => {
        timers.add(callback);
        return () => timers.delete(callback);
      },
      onRefused: (reason) => refused.push(reason),
      ...limits,
    },
  );
}

afterEach(() => {
  door.close();
  door.dropAll();
  server.forceShutdown();
});

/** Resolves when the connection is taken, or was thrown out. */
async function come(): Promise<{ readonly socket: Socket; readonly address: string; readonly in: boolean }> {
  const before = door.connections;
  const socket = connect(door.port, '127.0.0.1');
  socket.on('error', () => {});
  const closed = once(socket, 'close').then(() => false);
  await once(socket, 'connect');
  const address = `127.0.0.1:${socket.localPort}`;
  // The server speaks first (HTTP/2 settings) to who is in.
  const taken = await Promise.race([once(socket, 'data').then(() => true), closed]);
  expect(door.connections).toBe(before + (taken ? 1 : 0));
  return { socket, address, in: taken };
}

describe('TlsDoor', () => {
  it('takes so many connections without proof from one address, and one more when one has proven itself', async () => {
    await open({ maxUnprovenOfOne: 2 });
    const first = await come();
    await come();
    expect((await come()).in).toBe(false);
    expect(refused).toEqual(['too-many-connections-of-one']);
    door.proven(first.address, caller('a'));
    expect((await come()).in).toBe(true);
  });

  it('takes so many connections altogether', async () => {
    await open({ maxConnections: 1 });
    const first = await come();
    door.proven(first.address, caller('a'));
    expect((await come()).in).toBe(false);
    expect(refused).toEqual(['too-many-connections']);
  });

  it('drops who has not proven itself in time, and only those', async () => {
    await open({});
    const good = await come();
    const bad = await come();
    door.proven(good.address, caller('a'));
    door.proven('10.0.0.1:1', caller('a'));
    expect(timers.size).toBe(1);
    const closed = once(bad.socket, 'close');
    for (const timer of timers) timer();
    await closed;
    expect(refused).toEqual(['unproven-connection']);
    expect(good.socket.destroyed).toBe(false);
  });

  it('takes so many connections of one caller, and one more when one has gone; of others as many, though all come from one address', async () => {
    await open({ maxProvenOfOne: 1 });
    const first = await come();
    door.proven(first.address, caller('a'));
    door.proven(first.address, caller('b'));
    const other = await come();
    door.proven(other.address, caller('b'));
    const second = await come();
    const closed = once(second.socket, 'close');
    door.proven(second.address, caller('a'));
    await closed;
    expect(refused).toEqual(['too-many-connections-of-one']);
    expect(other.socket.destroyed).toBe(false);
    first.socket.destroy();
    while (door.connections > 1) await new Promise(setImmediate);
    const third = await come();
    door.proven(third.address, caller('a'));
    expect(refused).toHaveLength(1);
  });

  it('ends a connection whose proof has lapsed, after a while without another', async () => {
    await open({});
    const first = await come();
    let fault = 'expired';
    const lapsing = { words: 'a', fault: () => fault };
    door.proven(first.address, lapsing);
    for (let times = 0; times < 14; times++) door.sweep();
    fault = '';
    door.sweep();
    fault = 'expired';
    for (let times = 0; times < 14; times++) door.sweep();
    expect(refused).toEqual([]);
    const closed = once(first.socket, 'close');
    door.sweep();
    await closed;
    expect(refused).toEqual(['lapsed-connection']);
  });

  it('forgets connections that are gone', async () => {
    await open({ maxUnprovenOfOne: 1 });
    for (let times = 0; times < 3; times++) {
      const { socket, in: taken } = await come();
      expect(taken).toBe(true);
      socket.destroy();
      while (door.connections > 0) await new Promise(setImmediate);
    }
    expect(timers.size).toBe(0);
  });
});

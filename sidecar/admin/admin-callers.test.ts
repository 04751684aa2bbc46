/** Callers of the probe port that hold connections: nobody keeps the kubelet out. Over real sockets, with time by hand. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TimerWheel } from '../runtime/timer-wheel.ts';
import { type AdminContext, AdminServer } from './admin-server.ts';

const probe = 'GET /healthz/live HTTP/1.1\r\nhost: x\r\n\r\n';
let now: number;
let wheel: TimerWheel;
let server: AdminServer;
let sockets: Socket[];
let left: PromiseWithResolvers<boolean>;
beforeEach(async () => {
  now = 1_000;
  // Nothing wakes it but pass().
  wheel = new TimerWheel({ nowMs: () => now, wallMs: () => 0 }, () => () => {});
  left = Promise.withResolvers<boolean>();
  const context = { wheel, wallMs: () => 0, whenLeft: () => left.promise } as unknown as AdminContext;
  server = await AdminServer.start('probe', { host: '0.0.0.0', port: 0 }, context);
  sockets = [];
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await server.close();
});

function pass(ms: number): void {
  for (const end = now + ms; now < end; ) {
    now = Math.min(end, now + 500);
    wheel.advance();
  }
}

async function open(from: string): Promise<Socket> {
  const socket = connect({ port: server.port, host: '127.0.0.1', localAddress: from });
  sockets.push(socket);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Asks, and leaves the connection open; '' when it was closed instead. */
async function ask(from: string, request = probe): Promise<string> {
  const socket = await open(from);
  socket.write(request);
  return new Promise((resolve) => {
    socket.once('data', (chunk: Buffer) => resolve(chunk.toString().slice(0, 15)));
    socket.once('close', () => resolve(''));
  });
}

async function closed(socket: Socket): Promise<void> {
  socket.resume();
  if (!socket.closed) await once(socket, 'close');
}

test('300 connections of one address with a request each, held open, keep no probe out, not even of that address', async () => {
  for (let each = 0; each < 300; each++) expect(await ask('127.0.0.1')).toBe('HTTP/1.1 200 OK');
  expect(await ask('127.0.0.9')).toBe('HTTP/1.1 200 OK');
  await closed(sockets[0]!);
  expect(sockets.at(-1)!.closed).toBe(false);
});

test('nor do as many as there are places, of several addresses, nor such that say nothing', async () => {
  for (let from = 1; from <= 5; from++) {
    for (let each = 0; each < 60; each++)
      if (each % 2 === 0) await ask(`127.0.0.${from}`);
      else await open(`127.0.0.${from}`);
  }
  expect(await ask('127.0.0.9')).toBe('HTTP/1.1 200 OK');
  await closed(sockets[0]!);
});

test('nor do those that wait for an answer: an address has a share, and the one with most gives one up', async () => {
  const held = async (from: string): Promise<void> => {
    (await open(from)).write('GET /app-drain HTTP/1.1\r\nhost: x\r\n\r\n');
  };
  for (let from = 1; from <= 4; from++) for (let each = 0; each < 64; each++) await held(`127.0.0.${from}`);
  // They have all been read when one behind them is answered.
  expect(await ask('127.0.0.9')).toBe('HTTP/1.1 200 OK');
  expect(await ask('127.0.0.8')).toBe('HTTP/1.1 200 OK');
  left.resolve(true);
});

test('a connection that rests is closed after 5 s, whether it has asked something or not', async () => {
  await ask('127.0.0.1');
  await open('127.0.0.1');
  // Taken by the server when one behind it is answered.
  await ask('127.0.0.1');
  pass(4_000);
  for (const socket of sockets) expect(socket.closed).toBe(false);
  pass(2_000);
  for (const socket of sockets) await closed(socket);
});

test('one that waits for its answer stays; one whose request does not become whole is closed within 11 s', async () => {
  const waiting = await open('127.0.0.1');
  waiting.write('GET /app-drain HTTP/1.1\r\nhost: x\r\n\r\n');
  const slow = await open('127.0.0.1');
  slow.write('GET /healthz/live HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nx');
  await ask('127.0.0.1');
  pass(11_000);
  await closed(slow);
  left.resolve(true);
  const [answer] = (await once(waiting, 'data')) as [Buffer];
  expect(answer.toString()).toContain('200 OK');
});

test('one that reads no answers is closed within 11 s', async () => {
  const deaf = await open('127.0.0.1');
  deaf.pause();
  const many = Buffer.from('GET /help HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(100));
  // By an error: its answers are unread.
  const gone = new Promise((resolve) => deaf.once('close', resolve));
  // Until the server reads no more, as its answers are not read.
  const fill = (): void => {
    while (deaf.write(many) && !deaf.destroyed);
  };
  deaf.on('drain', fill);
  fill();
  for (let still = 0, before = -1; still < 20; still = deaf.bytesWritten === before ? still + 1 : 0) {
    before = deaf.bytesWritten;
    await ask('127.0.0.2');
  }
  pass(11_000);
  await gone;
});

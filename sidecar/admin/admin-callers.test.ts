/** Callers of the probe port that hold connections: nobody keeps the kubelet out. Over real sockets, with time by hand. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TimerWheel } from '../runtime/timer-wheel.ts';
import { StatStore } from '../stats/stat-store.ts';
import { type AdminContext, AdminServer } from './admin-server.ts';

const probe = 'GET /healthz/live HTTP/1.1\r\nhost: x\r\n\r\n';
const scrape = 'GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n';
let now: number;
let wheel: TimerWheel;
let server: AdminServer;
let sockets: Socket[];
let left: PromiseWithResolvers<boolean>;
let stats: StatStore;
/** Answers to scrapers that are being made. */
let made: number;
beforeEach(async () => {
  now = 1_000;
  // Nothing wakes it but pass().
  wheel = new TimerWheel({ nowMs: () => now, wallMs: () => 0 }, () => () => {});
  left = Promise.withResolvers<boolean>();
  stats = new StatStore();
  made = 0;
  const context = {
    ...{ wheel, stats, wallMs: () => 0, whenLeft: () => left.promise },
    scrape: async () => ({ contentType: 'text/plain', contentEncoding: '', pieces: endless() }),
  } as unknown as AdminContext;
  server = await AdminServer.start('probe', { host: '0.0.0.0', port: 0 }, context);
  sockets = [];
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await server.close();
  await expect.poll(() => made).toBe(0);
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

/** Asks, and leaves the connection open, with what comes after the first bytes unread; '' when it was closed instead. */
async function ask(from: string, request = probe): Promise<string> {
  const socket = await open(from);
  socket.write(request);
  return new Promise((resolve) => {
    socket.once('data', (chunk: Buffer) => {
      socket.pause();
      resolve(chunk.toString().slice(0, 15));
    });
    socket.once('close', () => resolve(''));
  });
}

/** More than any socket takes. */
async function* endless(): AsyncGenerator<Buffer, void, undefined> {
  made++;
  try {
    for (;;) {
      yield Buffer.alloc(32 * 1024);
      await setImmediate();
    }
  } finally {
    made--;
  }
}

function failedScrapes(reason: string): number {
  return stats.counter('admin.scrapes_failed', 'outrigger_scrapes_failed_total', { reason }).value;
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

test('of one address 4 scrapes are answered at a time: one more is refused by 503 and counted, and another address has its own', async () => {
  for (let each = 0; each < 4; each++) expect(await ask('127.0.0.1', scrape)).toBe('HTTP/1.1 200 OK');
  const fifth = await open('127.0.0.1');
  fifth.write(scrape);
  const [answer] = (await once(fifth, 'data')) as [Buffer];
  expect(answer.toString().slice(0, 600)).toMatch(
    /^HTTP\/1\.1 503 [^]*\r\n\r\n4 scrapes of 127\.0\.0\.1 are being answered; try again in a moment\n$/,
  );
  expect(failedScrapes('too_many')).toBe(1);
  expect(await ask('127.0.0.2', scrape)).toBe('HTTP/1.1 200 OK');
  expect(made).toBe(5);
  const [first] = sockets;
  first!.destroy();
  await expect.poll(() => made).toBe(4);
  expect(await ask('127.0.0.1', scrape)).toBe('HTTP/1.1 200 OK');
});

test('of all addresses 8: the oldest of the address with most makes place for one that has a share', async () => {
  for (let each = 0; each < 4; each++) await ask('127.0.0.1', scrape);
  for (let from = 2; from <= 5; from++) await ask(`127.0.0.${from}`, scrape);
  expect(await ask('127.0.0.6', scrape)).toBe('HTTP/1.1 200 OK');
  await closed(sockets[0]!);
  await expect.poll(() => made).toBe(8);
  expect(failedScrapes('too_many')).toBe(1);
});

test('a scrape that is not read is cut within 11 s and counted, and what was made for it goes', async () => {
  await ask('127.0.0.1', scrape);
  expect(made).toBe(1);
  pass(11_000);
  await expect.poll(() => made).toBe(0);
  await closed(sockets[0]!);
  expect(failedScrapes('not_read')).toBe(1);
});

test('HEAD takes no place, nor does a scrape that was read', async () => {
  for (let each = 0; each < 9; each++)
    expect(await ask('127.0.0.1', scrape.replace('GET', 'HEAD'))).toBe('HTTP/1.1 200 OK');
  expect(made).toBe(0);
});

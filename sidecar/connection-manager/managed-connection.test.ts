/** What becomes of a connection between and after its requests, on manual time. */
import { expect, test } from 'vitest';
import type { HttpConnectionManagerConfig } from '../config/listener-config.ts';
import { FakeSocket, turn } from '../http1/test/fake-socket.ts';
import { answer, bytes, connectionInfo, StreamRig } from './test/stream-rig.ts';

function connected(config: Partial<HttpConnectionManagerConfig>): { rig: StreamRig; socket: FakeSocket } {
  const rig = new StreamRig({ config: { codec: 'http1', ...config } });
  const socket = new FakeSocket();
  rig.manager.accept(socket.asSocket, connectionInfo);
  return { rig, socket };
}

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

test('an answer that is whole here and that its reader does not take ends the connection after the stream idle time', async () => {
  const { rig, socket } = connected({ streamIdleTimeoutMs: 1_000 });
  await socket.feed(get);
  socket.stalled = true;
  rig.cluster.last.receiver.onHead(answer(200, ['content-length', '10000']), false);
  rig.cluster.last.receiver.onData(bytes(10_000), true);
  await turn();
  expect(rig.manager.activeStreams).toBe(0);
  rig.time.advance(900);
  await turn();
  expect(socket.destroyed).toBe(false);
  rig.time.advance(1_200);
  await turn();
  expect(socket.destroyed).toBe(true);
  expect(rig.manager.activeConnections).toBe(0);
  expect(rig.counter('http.test.downstream_rq_idle_timeout')).toBe(1);
});

test('a connection is idle from the end of its last request, not from its beginning', async () => {
  const { rig, socket } = connected({ connectionIdleTimeoutMs: 1_000 });
  rig.time.advance(800);
  await socket.feed(get);
  rig.time.advance(5_000);
  await turn();
  expect(rig.manager.activeStreams).toBe(1);
  rig.cluster.last.receiver.onHead(answer(204), true);
  rig.time.advance(900);
  await turn();
  expect(socket.destroyed).toBe(false);
  rig.time.advance(1_200);
  await turn();
  expect(rig.counter('http.test.downstream_cx_idle_timeout')).toBe(1);
  expect(socket.finished).toBe(false);
  rig.time.advance(6_000);
  await turn();
  expect(socket.finished).toBe(true);
});

test('an idle HTTP/1 connection that drains answers a request that was on its way, and says so', async () => {
  const { rig, socket } = connected({ drainTimeoutMs: 5_000 });
  await socket.feed(get);
  rig.cluster.last.receiver.onHead(answer(204), true);
  rig.manager.drain();
  rig.time.advance(4_000);
  await socket.feed(get);
  rig.cluster.last.receiver.onHead(answer(204), true);
  await turn();
  expect(socket.text.match(/connection: close/g)?.length).toBe(1);
  expect(socket.finished).toBe(true);
});

test('an idle HTTP/1 connection that drains and is not asked for anything is closed after the drain timeout', async () => {
  const { rig, socket } = connected({ drainTimeoutMs: 5_000 });
  await socket.feed(get);
  rig.cluster.last.receiver.onHead(answer(204), true);
  rig.manager.drain();
  rig.time.advance(4_000);
  await turn();
  expect(socket.finished).toBe(false);
  rig.time.advance(2_000);
  await turn();
  expect(socket.finished).toBe(true);
});

test('an answer that began before the drain and ends late gives its client the whole drain timeout to come back', async () => {
  const { rig, socket } = connected({ drainTimeoutMs: 5_000 });
  await socket.feed(get);
  rig.cluster.last.receiver.onHead(answer(200, ['content-length', '2']), false);
  rig.manager.drain();
  rig.time.advance(4_900);
  rig.cluster.last.receiver.onData(bytes('ok'), true);
  await turn();
  expect(socket.text).not.toContain('connection: close');
  rig.time.advance(1_000);
  await turn();
  expect(socket.finished).toBe(false);
  await socket.feed(get);
  rig.cluster.last.receiver.onHead(answer(204), true);
  await turn();
  expect(socket.text).toContain('connection: close');
  expect(socket.finished).toBe(true);
});

test('a connection is unfinished until the kernel has taken its last answer', async () => {
  const { rig, socket } = connected({});
  await socket.feed(get);
  expect(rig.manager.unfinishedConnections).toBe(1);
  socket.stalled = true;
  rig.cluster.last.receiver.onHead(answer(200, ['content-length', '10000']), false);
  rig.cluster.last.receiver.onData(bytes(10_000), true);
  await turn();
  expect([rig.manager.activeStreams, rig.manager.unfinishedConnections, rig.manager.idleConnections().length]).toEqual([
    0, 1, 0,
  ]);
});

test('a connection has max_requests_per_connection requests, and its client is told with the last', async () => {
  const { rig, socket } = connected({ maxRequestsPerConnection: 2 });
  await socket.feed(get);
  rig.cluster.last.receiver.onHead(answer(204), true);
  await turn();
  expect(socket.text).not.toContain('connection: close');
  await socket.feed(get);
  rig.cluster.last.receiver.onHead(answer(204), true);
  await turn();
  expect(socket.text).toContain('connection: close');
  expect(socket.finished).toBe(true);
  expect(rig.counter('http.test.downstream_cx_max_requests_reached')).toBe(1);
});

test('a connection that ends leaves no timer', async () => {
  const { rig, socket } = connected({ maxConnectionDurationMs: 60_000 });
  expect(rig.time.wheel.armedCount).toBe(1);
  await socket.feedReset();
  expect(rig.time.wheel.armedCount).toBe(0);
  expect(rig.manager.activeConnections).toBe(0);
  expect(rig.counter('http.test.downstream_cx_destroy')).toBe(1);
});

test('a connection whose certificates are about to end is asked to make way for a new one, and what is under way on it goes on', async () => {
  const rig = new StreamRig({ config: { codec: 'http1' } });
  const socket = new FakeSocket();
  const validUntilWallMs = rig.time.wallMs() + 10_000;
  rig.manager.accept(socket.asSocket, { ...connectionInfo, secure: true, validUntilWallMs });
  await socket.feed(get);
  rig.time.advance(7_900);
  await turn();
  expect(rig.counter('http.test.outrigger_cx_certificate_ending')).toBe(0);
  rig.time.advance(300);
  await turn();
  expect(rig.counter('http.test.outrigger_cx_certificate_ending')).toBe(1);
  rig.time.advance(3_000);
  await turn();
  expect(socket.destroyed).toBe(false);
  rig.cluster.last.receiver.onHead(answer(204), true);
  await turn();
  expect(socket.text).toContain('connection: close');
  expect(socket.finished).toBe(true);
});

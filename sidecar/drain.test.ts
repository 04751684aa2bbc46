import { expect, test } from 'vitest';
import { ManualTime } from './connection-manager/test/manual-time.ts';
import { Drain, type DrainWait } from './drain.ts';
import { Log } from './runtime/log.ts';

/** A sidecar that ends, on manual time. */
class Bench {
  readonly time = new ManualTime();
  readonly drained: string[] = [];
  readonly lines: string[] = [];
  activeStreams = 0;
  activeConnections = 0;
  unsent = 0;
  unfinishedInbound = 0;
  acceptedInbound = 0;
  done = 0;

  get unfinishedConnections(): number {
    return this.activeStreams + this.unsent;
  }

  drain(direction: string): void {
    this.drained.push(direction);
  }

  start(drainTimeMs: number, waitFor: DrainWait = 'connections', settleMs = 500): this {
    const log = new Log(this.time, 'info', true, (line) => this.lines.push(line));
    const { time } = this;
    new Drain(this, { waitFor, drainTimeMs, settleMs, clock: time, wheel: time.wheel, log, done: () => this.done++ });
    return this;
  }

  get logged(): Array<{ readonly level: string; readonly message: string }> {
    return this.lines.map((line) => JSON.parse(line) as { level: string; message: string });
  }
}

test('tells inbound connections at once, and leaves outbound ones to the application', () => {
  expect(new Bench().start(10_000).drained).toEqual(['inbound', 'unspecified']);
});

test('with nothing open it ends after the moment in which callers hear that it is gone', () => {
  const bench = new Bench().start(45_000);
  bench.time.advance(480);
  expect(bench.done).toBe(0);
  bench.time.advance(120);
  expect([bench.done, bench.lines, bench.time.wheel.armedCount]).toEqual([1, [], 0]);
});

test('waits for connections, and ends soon after the last', () => {
  const bench = new Bench();
  bench.activeConnections = 2;
  bench.start(45_000);
  bench.time.advance(20_000);
  bench.activeConnections = 1;
  bench.time.advance(20_000);
  expect(bench.done).toBe(0);
  bench.activeConnections = 0;
  bench.time.advance(100);
  expect([bench.done, bench.lines]).toEqual([1, []]);
});

test('when the application is gone it waits for requests in hand, not for idle connections', () => {
  const bench = new Bench();
  bench.activeConnections = 3;
  bench.activeStreams = 1;
  bench.start(45_000, 'requests');
  bench.time.advance(2_000);
  expect(bench.done).toBe(0);
  bench.activeStreams = 0;
  bench.time.advance(100);
  expect([bench.done, bench.lines]).toEqual([1, []]);
});

test('when the application is gone, an answer that the kernel has not taken yet is waited for too', () => {
  const bench = new Bench();
  bench.activeConnections = 1;
  bench.unsent = 1;
  bench.start(45_000, 'requests');
  bench.time.advance(2_000);
  expect(bench.done).toBe(0);
  bench.unsent = 0;
  bench.time.advance(100);
  expect([bench.done, bench.lines]).toEqual([1, []]);
});

test('at the deadline it ends all the same, and says how many requests that cost', () => {
  const bench = new Bench();
  bench.activeConnections = 2;
  bench.activeStreams = 1;
  bench.start(3_000);
  bench.time.advance(2_900);
  expect(bench.done).toBe(0);
  bench.time.advance(200);
  expect(bench.done).toBe(1);
  expect(bench.logged).toMatchObject([
    { level: 'warn', message: 'drain time is over: 2 connections are closed, with 1 request on them' },
  ]);
  bench.time.advance(10_000);
  expect(bench.done).toBe(1);
});

test('idle connections that the deadline closes are no warning', () => {
  const bench = new Bench();
  bench.activeConnections = 1;
  bench.start(1_000);
  bench.time.advance(1_100);
  expect(bench.logged).toMatchObject([
    { level: 'info', message: 'drain time is over: 1 connection is closed, with 0 requests on them' },
  ]);
});

test('a drain time of 0 ends at once', () => {
  const bench = new Bench();
  bench.activeConnections = 5;
  bench.activeStreams = 5;
  expect(bench.start(0).done).toBe(1);
});

test('while the application is still there, only what was asked of it is waited for, and nothing is closed', () => {
  const bench = new Bench();
  bench.activeStreams = 3;
  bench.activeConnections = 5;
  bench.unfinishedInbound = 1;
  bench.start(45_000, 'inbound-requests');
  bench.time.advance(10_000);
  expect(bench.done).toBe(0);
  bench.unfinishedInbound = 0;
  bench.time.advance(100);
  expect([bench.done, bench.lines]).toEqual([1, []]);
  bench.unfinishedInbound = 1;
  bench.start(1_000, 'inbound-requests');
  bench.time.advance(1_100);
  expect(bench.done).toBe(2);
  expect(bench.logged.map(({ message }) => message)).toEqual(['requests in hand did not end within 1 s']);
});

test('when callers have heard already it ends at once', () => {
  const bench = new Bench().start(45_000, 'requests', 0);
  expect([bench.done, bench.time.wheel.armedCount]).toEqual([1, 0]);
});

test('while callers still come, not all have heard: the application ends half a second after the last, or 5 s after the first', () => {
  const bench = new Bench().start(45_000, 'inbound-requests');
  for (let i = 0; i < 4; i++) {
    bench.time.advance(400);
    bench.acceptedInbound++;
  }
  bench.time.advance(480);
  expect(bench.done).toBe(0);
  bench.time.advance(120);
  expect(bench.done).toBe(1);
  bench.start(45_000, 'inbound-requests');
  for (let ms = 0; ms < 5_200; ms += 100) {
    bench.time.advance(100);
    bench.acceptedInbound++;
  }
  expect(bench.done).toBe(2);
});

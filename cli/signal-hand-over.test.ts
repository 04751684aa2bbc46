import { expect, test } from 'vitest';
import { SignalHandOver } from './signal-hand-over.ts';

class Bench {
  nowMs = 0;
  readonly events: string[] = [];
  left: () => void = () => {};
  slow: () => void = () => {};
  readonly handOver = new SignalHandOver({
    nowMs: () => this.nowMs,
    leave: () => {
      this.events.push('leave');
      return new Promise((resolve) => (this.left = resolve));
    },
    handOn: (signal) => this.events.push(signal),
    onSlow: () => this.events.push('slow'),
    after: (_delayMs, callback) => {
      this.slow = callback;
      return () => (this.slow = () => {});
    },
  });

  async leaves(): Promise<void> {
    this.left();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test.each(['SIGTERM', 'SIGINT'] as const)('%s reaches the command when the sidecar has left, once', async (signal) => {
  const bench = new Bench();
  bench.handOver.onSignal(signal);
  expect(bench.events).toEqual(['leave']);
  await bench.leaves();
  bench.slow();
  expect(bench.events).toEqual(['leave', signal]);
});

test('a second one is handed on at once, and the first not after it', async () => {
  const bench = new Bench();
  bench.handOver.onSignal('SIGTERM');
  bench.nowMs = 300;
  bench.handOver.onSignal('SIGINT');
  expect(bench.events).toEqual(['leave', 'SIGINT']);
  await bench.leaves();
  expect(bench.events).toEqual(['leave', 'SIGINT']);
  bench.handOver.onSignal('SIGTERM');
  expect(bench.events).toEqual(['leave', 'SIGINT', 'SIGTERM']);
});

test('one that comes twice at a time, as by `timeout`, is one', async () => {
  const bench = new Bench();
  bench.handOver.onSignal('SIGTERM');
  bench.handOver.onSignal('SIGTERM');
  expect(bench.events).toEqual(['leave']);
});

test('says so when leaving takes a while', () => {
  const bench = new Bench();
  bench.handOver.onSignal('SIGTERM');
  bench.slow();
  expect(bench.events).toEqual(['leave', 'slow']);
});

test('other signals are handed on as they come, and are no end', () => {
  const bench = new Bench();
  bench.handOver.onSignal('SIGHUP');
  expect([bench.events, bench.handOver.stopping]).toEqual([['SIGHUP'], false]);
});

import { expect, test } from 'vitest';
import { StopSignals } from './stop-signals.ts';

class Bench {
  nowMs = 0;
  stopping = false;
  readonly events: string[] = [];
  readonly signals = new StopSignals({
    nowMs: () => this.nowMs,
    stopping: () => this.stopping,
    stop: (signal) => {
      this.stopping = true;
      this.events.push(`stop ${signal}`);
    },
    quit: (signal) => this.events.push(`quit ${signal}`),
  });
}

test('the first one begins the end, one after that ends it at once', () => {
  const bench = new Bench();
  bench.signals.onSignal('SIGTERM');
  bench.nowMs = 1_000;
  bench.signals.onSignal('SIGINT');
  expect(bench.events).toEqual(['stop SIGTERM', 'quit SIGINT']);
});

test('one that comes twice at a time, as by `timeout`, is one', () => {
  const bench = new Bench();
  bench.signals.onSignal('SIGTERM');
  bench.nowMs = 100;
  bench.signals.onSignal('SIGTERM');
  expect(bench.events).toEqual(['stop SIGTERM']);
});

test('one that ends already, told otherwise, ends at once', () => {
  const bench = new Bench();
  bench.stopping = true;
  bench.signals.onSignal('SIGTERM');
  expect(bench.events).toEqual(['quit SIGTERM']);
});

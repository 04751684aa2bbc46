import { expect, test } from 'vitest';
import { endLeftBehind } from './left-behind.ts';
import type { SessionProcess } from './session-processes.ts';

/** Processes that are none, on a clock of their own. */
class Bench {
  nowMs = 0;
  left: SessionProcess[];
  readonly signals: string[] = [];
  readonly lines: string[] = [];
  onSignal: (signal: NodeJS.Signals) => void = () => {};
  leaves: () => void = () => {};
  onTime: () => void = () => {};

  constructor(...pids: number[]) {
    this.left = pids.map((pid) => ({ pid, command: 'node' }));
  }

  async end(told: boolean): Promise<number> {
    await endLeftBehind(told, {
      members: () => this.left,
      signal: (pid, signal) => {
        this.signals.push(`${this.nowMs} ${pid} ${signal}`);
        this.onSignal(signal);
      },
      leave: () => {
        this.leaves();
        return Promise.resolve();
      },
      sleep: (ms) => {
        this.nowMs += ms;
        this.onTime();
        return Promise.resolve();
      },
      tell: (line) => this.lines.push(line),
    });
    return this.nowMs;
  }
}

test('nothing left behind is nothing to do', async () => {
  const bench = new Bench();
  expect([await bench.end(false), bench.lines, bench.signals]).toEqual([0, [], []]);
});

test('what follows the command to its end is let go, without a word', async () => {
  const bench = new Bench(7);
  bench.onTime = () => (bench.left = []);
  await bench.end(false);
  expect([bench.lines, bench.signals]).toEqual([[], []]);
});

test('what stays gets SIGTERM, also when it is stopped, and the user is told of it', async () => {
  const bench = new Bench(7, 8);
  bench.onSignal = () => (bench.left = []);
  expect(await bench.end(false)).toBe(500);
  expect(bench.signals).toEqual(['500 7 SIGTERM', '500 7 SIGCONT', '500 8 SIGTERM', '500 8 SIGCONT']);
  expect(bench.lines).toEqual([
    'the command has ended and left pid 7 (node), pid 8 (node) behind: SIGTERM, and after 10 s SIGKILL (what is to stay wants a session of its own: setsid)',
  ]);
});

test('it is told when callers have nothing in hand any more: it may be what serves them', async () => {
  const bench = new Bench(7);
  bench.leaves = () => {
    expect(bench.lines.length).toBe(1);
    bench.nowMs += 2_000;
  };
  bench.onSignal = () => (bench.left = []);
  await bench.end(false);
  expect(bench.signals[0]).toBe('2500 7 SIGTERM');
});

test('who was told to end with the command has 3 s before it is told again', async () => {
  const bench = new Bench(7);
  bench.onSignal = () => (bench.left = []);
  expect(await bench.end(true)).toBe(3_000);
});

test('who does not end by SIGTERM gets SIGKILL 10 s later; who is not ended by that either is not waited for', async () => {
  const bench = new Bench(7);
  expect(await bench.end(false)).toBe(11_500);
  expect(bench.signals.at(-1)).toBe('10500 7 SIGKILL');
  expect(bench.lines[1]).toBe('pid 7 (node) did not end by SIGTERM in 10 s: SIGKILL');
});

test('where members cannot be seen the group is told', async () => {
  const bench = new Bench();
  bench.left = [{ pid: -7, command: '' }];
  bench.onSignal = () => (bench.left = []);
  await bench.end(false);
  expect(bench.signals[0]).toBe('500 -7 SIGTERM');
  expect(bench.lines[0]).toContain('left process group 7 behind');
});

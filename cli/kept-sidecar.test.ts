import type { ChildProcess } from 'node:child_process';
import { expect, test } from 'vitest';
import { KeptSidecar } from './kept-sidecar.ts';
import type { SidecarProcess, SidecarReady } from './sidecar-process.ts';

const ready: SidecarReady = {
  ready: true,
  listeners: { outbound: '127.0.0.1:4' },
  admin: '127.0.0.1:5',
  upstreamProblems: {},
};

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Sidecars that are no processes, on a clock that the test moves. */
class Bench {
  nowMs = 0;
  lost = 0;
  readonly lines: string[] = [];
  readonly starts: Array<SidecarReady | null> = [];
  delaysMs: number[] = [];
  serves = true;
  ended = 0;
  #kill: () => void = () => {};
  #due: (() => void) | null = null;
  readonly kept = new KeptSidecar({
    start: (before) => this.#start(before),
    nowMs: () => this.nowMs,
    after: (delayMs, callback) => {
      this.delaysMs.push(delayMs);
      this.#due = callback;
      return () => (this.#due = null);
    },
    tell: (line) => this.lines.push(line),
    onLost: () => this.lost++,
  });

  #start(before: SidecarReady | null): SidecarProcess {
    this.starts.push(before);
    const child = { signalCode: null as string | null, exitCode: 1, kill: () => {} };
    const ended = new Promise<number>((resolve) => {
      this.#kill = () => {
        child.signalCode = 'SIGKILL';
        resolve(128);
      };
    });
    if (!this.serves) this.#kill();
    return {
      child: child as unknown as ChildProcess,
      ready: this.serves ? Promise.resolve(ready) : Promise.reject(new Error('the port is taken')),
      ended,
      leave: () => Promise.resolve(),
      applicationPaused: () => {},
      applicationEnded: () => {
        this.ended++;
        this.#kill();
      },
    };
  }

  async kill(): Promise<void> {
    this.#kill();
    await turn();
  }

  async due(): Promise<void> {
    this.#due?.();
    this.#due = null;
    await turn();
  }
}

test('one that ends while the command runs is told of, and started again on the same ports', async () => {
  const bench = new Bench();
  expect(await bench.kept.ready()).toBe(ready);
  await bench.kill();
  expect(bench.lines).toEqual([
    'the sidecar ended (SIGKILL) while the command runs; starting it again on the same ports in 0.25 s (1 of 5)',
  ]);
  await bench.due();
  expect(bench.starts).toEqual([null, ready]);
  expect(bench.lines[1]).toBe('the sidecar is ready again');
});

test('is started again later each time, five times at most; then the command is to stop', async () => {
  const bench = new Bench();
  await bench.kept.ready();
  bench.serves = false;
  await bench.kill();
  for (let i = 0; i < 5; i++) await bench.due();
  expect(bench.delaysMs).toEqual([250, 500, 1_000, 2_000, 2_000]);
  expect([bench.lost, bench.starts.length]).toEqual([1, 6]);
  expect(bench.lines.at(-1)).toBe(
    'the sidecar ended again (the port is taken), after 5 restarts: the command is stopped',
  );
});

test('one that served for a minute begins anew', async () => {
  const bench = new Bench();
  await bench.kept.ready();
  for (let i = 0; i < 8; i++) {
    bench.nowMs += 60_000;
    await bench.kill();
    await bench.due();
  }
  expect([bench.lost, new Set(bench.delaysMs)]).toEqual([0, new Set([250])]);
});

test('is not started again once the command is to end', async () => {
  const bench = new Bench();
  await bench.kept.ready();
  await bench.kill();
  await bench.kept.leave();
  await bench.due();
  await bench.kept.end();
  expect([bench.starts.length, bench.ended]).toEqual([1, 1]);
});

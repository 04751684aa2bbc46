import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { Log } from '../sidecar/runtime/log.ts';
import { TimerWheel } from '../sidecar/runtime/timer-wheel.ts';
import { ApplicationGate } from './application-gate.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

function listen(port: number): Promise<number> {
  const server = createServer((socket) => socket.destroy());
  servers.push(server);
  return new Promise((resolve) =>
    server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
  );
}

async function freePort(): Promise<number> {
  const port = await listen(0);
  await new Promise((resolve) => servers.pop()!.close(resolve));
  return port;
}

/** A gate on a clock that the test moves. */
class Bench {
  nowMs = 0;
  opened = 0;
  readonly lines: string[] = [];
  readonly wheel: TimerWheel;
  readonly gate: ApplicationGate;

  constructor(port: number) {
    const clock = { nowMs: () => this.nowMs, wallMs: () => this.nowMs };
    this.wheel = new TimerWheel(clock, () => () => {});
    this.gate = new ApplicationGate(port, {
      clock,
      wheel: this.wheel,
      log: new Log(clock, 'warn', true, (line) => this.lines.push(line)),
      onListening: () => this.opened++,
    });
  }

  /** Waits until the look that is under way has failed. */
  refused(): Promise<void> {
    return expect.poll(() => this.wheel.armedCount).toBe(1);
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.wheel.advance();
  }
}

test('opens at once when the application listens already', async () => {
  const bench = new Bench(await listen(0));
  await expect.poll(() => bench.opened).toBe(1);
  expect(bench.wheel.armedCount).toBe(0);
});

test('looks again until the application listens, then opens once and looks no more', async () => {
  const port = await freePort();
  const bench = new Bench(port);
  await bench.refused();
  bench.pass(60);
  await bench.refused();
  expect(bench.opened).toBe(0);
  await listen(port);
  bench.pass(60);
  await expect.poll(() => bench.opened).toBe(1);
  bench.pass(1_000);
  expect(bench.wheel.armedCount).toBe(0);
  expect(bench.opened).toBe(1);
});

test('says once, after 10 s, that the instance gets no calls', async () => {
  const port = await freePort();
  const bench = new Bench(port);
  await bench.refused();
  expect(bench.lines).toEqual([]);
  for (let i = 0; i < 3; i++) {
    bench.pass(10_000);
    await bench.refused();
  }
  expect(bench.lines.length).toBe(1);
  expect(bench.lines[0]).toContain(`does not listen on 127.0.0.1:${port}`);
  bench.gate.stop();
});

test('tells nobody after it was stopped', async () => {
  const port = await freePort();
  const bench = new Bench(port);
  await bench.refused();
  bench.gate.stop();
  expect(bench.wheel.armedCount).toBe(0);
  await listen(port);
  bench.pass(1_000);
  expect(bench.opened).toBe(0);
});

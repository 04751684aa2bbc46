/** The gate on real sockets, with a clock that tests move. */
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { Log } from '../sidecar/runtime/log.ts';
import { TimerWheel } from '../sidecar/runtime/timer-wheel.ts';
import { ApplicationGate } from './application-gate.ts';

/** What loopback does takes a few turns of the event loop. */
const soon = { interval: 1 };

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
  readonly changes: boolean[] = [];
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
      onChange: (listens) => {
        this.changes.push(listens);
        if (listens) this.opened++;
      },
    });
  }

  /** Waits until the look that is under way has failed. */
  refused(): Promise<void> {
    return expect.poll(() => this.gate.looking, soon).toBe(false);
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.wheel.advance();
  }
}

test('opens at once when the application listens already', async () => {
  const bench = new Bench(await listen(0));
  await expect.poll(() => bench.opened, soon).toBe(1);
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
  await expect.poll(() => bench.opened, soon).toBe(1);
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

async function close(port: number): Promise<void> {
  const at = servers.findIndex((server) => (server.address() as AddressInfo | null)?.port === port);
  await new Promise((resolve) => servers.splice(at, 1)[0]!.close(resolve));
}

/** Looks until something has changed; gives how long that took. */
async function untilChange(bench: Bench): Promise<number> {
  const { length } = bench.changes;
  const began = bench.nowMs;
  while (bench.changes.length === length) {
    bench.pass(50);
    await expect.poll(() => !bench.gate.looking || bench.changes.length > length, soon).toBe(true);
  }
  return bench.nowMs - began;
}

test('a refused connection is looked after: one that still listens stays, one that does not is gone until it listens again', async () => {
  const port = await listen(0);
  const bench = new Bench(port);
  await expect.poll(() => bench.opened, soon).toBe(1);
  bench.gate.refused();
  bench.gate.refused();
  await new Promise((resolve) => setImmediate(resolve));
  expect(bench.changes).toEqual([true]);
  await close(port);
  await expect
    .poll(() => {
      bench.gate.refused();
      return bench.changes;
    }, soon)
    .toEqual([true, false]);
  expect(bench.lines.length).toBe(1);
  expect(bench.lines[0]).toContain(`does not listen on 127.0.0.1:${port} any more`);
  await bench.refused();
  await listen(port);
  expect(await untilChange(bench)).toBeLessThan(500);
  expect(bench.changes).toEqual([true, false, true]);
  // At the level of the line that says that it went: who saw one sees the other.
  expect(bench.lines.length).toBe(2);
  expect(bench.lines[1]).toContain(`the application listens on 127.0.0.1:${port} again`);
  expect(bench.wheel.armedCount).toBe(0);
});

test('one that crashes again and again has to listen for longer each time; after a minute of listening that is forgotten', async () => {
  const port = await listen(0);
  const bench = new Bench(port);
  await expect.poll(() => bench.opened, soon).toBe(1);
  const lose = async (): Promise<void> => {
    await close(port);
    const { length } = bench.changes;
    await expect
      .poll(() => {
        bench.gate.refused();
        return bench.changes.length;
      }, soon)
      .toBe(length + 1);
    await bench.refused();
    await listen(port);
  };
  const took: number[] = [];
  for (let i = 0; i < 4; i++) {
    await lose();
    took.push(await untilChange(bench));
  }
  expect(took.toSorted((a, b) => a - b)).toEqual(took);
  expect(took.at(-1)).toBeGreaterThanOrEqual(2_000);
  bench.pass(60_000);
  await lose();
  expect(await untilChange(bench)).toBeLessThan(500);
});

test('one that takes no connection in time has refused none: it stays', async () => {
  const port = await listen(0);
  const bench = new Bench(port);
  await expect.poll(() => bench.opened, soon).toBe(1);
  bench.gate.refused();
  expect(bench.gate.looking).toBe(true);
  // The kernel's answer is not heard before the time is over.
  bench.pass(1_100);
  expect(bench.gate.looking).toBe(false);
  expect(bench.changes).toEqual([true]);
  bench.gate.stop();
});

/** Several ports of one application, over real sockets. */
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { Log } from '../sidecar/runtime/log.ts';
import { TimerWheel } from '../sidecar/runtime/timer-wheel.ts';
import { ApplicationGates } from './application-gates.ts';

const soon = { timeout: 5_000, interval: 5 };
let servers: Server[] = [];
let gates: ApplicationGates | null = null;
afterEach(() => {
  gates?.stop();
  for (const server of servers) server.close();
  servers = [];
});

function listen(port = 0): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = createServer((socket) => socket.destroy());
  servers.push(server);
  return new Promise((resolve) =>
    server.listen(port, '127.0.0.1', () =>
      resolve({
        port: (server.address() as AddressInfo).port,
        close: () => new Promise((done) => void server.close(() => done())),
      }),
    ),
  );
}

test('the instance listens when all of its ports do, and no more when one of them does not', async () => {
  let nowMs = 0;
  const clock = { nowMs: () => nowMs, wallMs: () => nowMs };
  const wheel = new TimerWheel(clock, () => () => {});
  const changes: boolean[] = [];
  const lines: string[] = [];
  const first = await listen();
  const second = await listen();
  const free = await listen();
  await free.close();
  gates = new ApplicationGates([first.port, second.port, free.port], {
    clock,
    wheel,
    log: new Log(clock, 'warn', true, (line) => void lines.push(line)),
    onChange: (listens) => void changes.push(listens),
  });
  const turn = (): boolean => {
    nowMs += 60;
    wheel.advance();
    return changes.length > 0;
  };
  // The two that are there do not open it.
  for (let at = 0; at < 20; at++) {
    turn();
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(changes).toEqual([]);
  await listen(free.port);
  await expect.poll(() => turn() && changes, soon).toEqual([true]);
  await second.close();
  // Another port's refusal says nothing of this one.
  gates.refused(first.port);
  gates.refused(second.port);
  await expect.poll(() => changes, soon).toEqual([true, false]);
  expect(lines.join()).toContain(`does not listen on 127.0.0.1:${second.port} any more`);
  await listen(second.port);
  await expect.poll(() => turn() && changes, soon).toEqual([true, false, true]);
});

import { expect, test } from 'vitest';
import type { HostPort } from './host-port.ts';
import { InstancePresence } from './instance-presence.ts';

/** A registry that takes its time to let somebody go. */
class Bench {
  inbound: HostPort | null = { host: '127.0.0.1', port: 15006 };
  readonly events: string[] = [];
  readonly gone: Array<() => void> = [];
  readonly presence = new InstancePresence({
    inbound: () => this.inbound,
    register: ({ port }) => {
      this.events.push(`in at ${port}`);
      return {
        close: () => {
          this.events.push('out');
          return new Promise((resolve) => this.gone.push(resolve));
        },
      };
    },
  });

  async letGo(): Promise<void> {
    this.gone.shift()!();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('registers when the application listens, and once', () => {
  const bench = new Bench();
  bench.presence.update();
  expect(bench.events).toEqual([]);
  bench.presence.setApplicationListens(true);
  bench.presence.setApplicationListens(true);
  expect(bench.events).toEqual(['in at 15006']);
});

test('never registers while the inbound listener is not bound; does when it is', () => {
  const bench = new Bench();
  bench.inbound = null;
  bench.presence.setApplicationListens(true);
  expect(bench.events).toEqual([]);
  bench.inbound = { host: '127.0.0.1', port: 4 };
  bench.presence.update();
  expect(bench.events).toEqual(['in at 4']);
});

test('is taken out when the application or the inbound listener is gone, and comes back only when it is out', async () => {
  const bench = new Bench();
  bench.presence.setApplicationListens(true);
  bench.presence.setApplicationListens(false);
  bench.presence.setApplicationListens(true);
  expect(bench.events).toEqual(['in at 15006', 'out']);
  await bench.letGo();
  expect(bench.events).toEqual(['in at 15006', 'out', 'in at 15006']);
  bench.inbound = { host: '127.0.0.1', port: 5 };
  bench.presence.update();
  await bench.letGo();
  expect(bench.events.slice(3)).toEqual(['out', 'in at 5']);
});

test('is out while the application is stopped, also when it begins to listen meanwhile', async () => {
  const bench = new Bench();
  bench.presence.setApplicationPaused(true);
  bench.presence.setApplicationListens(true);
  expect(bench.events).toEqual([]);
  bench.presence.setApplicationPaused(false);
  bench.presence.setApplicationPaused(true);
  await bench.letGo();
  expect(bench.events).toEqual(['in at 15006', 'out']);
  bench.presence.setApplicationPaused(false);
  expect(bench.events).toEqual(['in at 15006', 'out', 'in at 15006']);
});

test('close takes it out for good, and waits for what is on its way out already', async () => {
  const bench = new Bench();
  bench.presence.setApplicationListens(true);
  bench.presence.setApplicationListens(false);
  let closed = false;
  const closing = bench.presence.close().then(() => (closed = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect(closed).toBe(false);
  await bench.letGo();
  await closing;
  bench.presence.setApplicationListens(true);
  expect(bench.events).toEqual(['in at 15006', 'out']);
});

test('close without a registration is at once', async () => {
  await new Bench().presence.close();
});

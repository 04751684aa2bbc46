/** The demo as `npm start` runs it: no call before all is ready, and gone soon after Ctrl-C. Its ports are fixed: skipped when somebody has them. */
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { accepts } from '../../demo/readiness.ts';
import {
  controlPlaneAdminPort,
  controlPlanePort,
  controlPlaneTlsPort,
  shop,
  storefrontOutboundPort,
  storefrontPort,
} from '../../demo/shop.ts';
import { call, eventually, StartedProcess } from './started-process.ts';

const ports = [
  controlPlanePort,
  controlPlaneTlsPort,
  controlPlaneAdminPort,
  storefrontPort,
  storefrontOutboundPort,
  ...shop.map(({ appPort }) => appPort),
];
const taken = (await Promise.all(ports.map(async (port) => ((await accepts(port)) ? [port] : [])))).flat();

let demo: StartedProcess;
/** What a browser that tries again and again was answered, from the beginning. */
const answers = new Map<string, number>();

async function tryAgain(): Promise<void> {
  while (!demo.output.includes('Ctrl-C stops everything')) {
    const answer = await call(storefrontPort, '/buy/1').then(
      ({ status }) => String(status),
      ({ code }: NodeJS.ErrnoException) => code ?? 'error',
    );
    answers.set(answer, (answers.get(answer) ?? 0) + 1);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

beforeAll(async () => {
  if (taken.length > 0) return;
  // What the user's own mesh says in the environment is not for the demo.
  demo = new StartedProcess(['demo'], { OUTRIGGER_CA_KEY: '/nonexistent', OUTRIGGER_BOOTSTRAP: '/nonexistent' });
  void demo.exited.then(() => (demo.output += '\nCtrl-C stops everything'));
  await tryAgain();
}, 60_000);

afterAll(async () => {
  if (taken.length === 0) await demo.stop('SIGINT');
});

const reason = taken.length === 0 ? '' : ` (skipped: port ${taken.join(', ')} is taken)`;

test.skipIf(taken.length > 0)(`who stands before the shop's door while it starts meets no error${reason}`, async () => {
  expect(demo.output).toContain('Ctrl-C stops everything');
  expect([...answers.keys()].filter((answer) => answer !== 'ECONNREFUSED' && answer !== '200')).toEqual([]);
  await eventually('purchases are made', async () => (await call(storefrontPort, '/buy/2')).body.includes('receipt'));
  expect(demo.output).not.toMatch(/→ 5\d\d/);
});

test.skipIf(taken.length > 0)(
  `every edge is mutual TLS with its identity; orders itself refuses a caller without${reason}`,
  async () => {
    for (const account of ['storefront', 'orders', 'payments', 'inventory'])
      expect(demo.output).toContain(`spiffe://cluster.local/ns/shop/sa/${account}`);
    await eventually('the table shows all three edges as mutual TLS', () =>
      Promise.resolve(
        ['storefront → orders', 'orders → payments-v1', 'orders → inventory'].every((edge) =>
          new RegExp(`${edge} .*✓\\n`).test(demo.output),
        ),
      ),
    );
    const orders = /curl -i http:\/\/127\.0\.0\.1:(\d+)\/orders\/1/.exec(demo.output)![1]!;
    const refused = await call(Number(orders), '/orders/1');
    expect(refused.status).toBe(403);
    expect(refused.body).toContain('mTLS STRICT');
  },
);

test.skipIf(taken.length > 0)(`a second demo names who has the port${reason}`, async () => {
  const second = new StartedProcess(['demo']);
  expect(await second.exited).toBe(1);
  expect(second.output).toMatch(
    /^outrigger: port 15010 on 127\.0\.0\.1 is taken by pid \d+ \(\S+\), and the demo needs it/,
  );
});

test.skipIf(taken.length > 0)(`Ctrl-C ends it within 3 s, with idle keep-alive clients${reason}`, async () => {
  const browser: Socket = connect(storefrontPort, '127.0.0.1');
  browser.on('error', () => {});
  browser.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await new Promise((resolve) => browser.once('data', resolve));
  const began = performance.now();
  expect(await demo.stop('SIGINT')).toBe(0);
  expect(performance.now() - began).toBeLessThan(3_000);
  expect(demo.output).toMatch(/\n\d+ purchases answered, 0 failed\n/);
  expect(demo.output).not.toContain('drain time is over');
});

test.skipIf(taken.length > 0)(`when it is killed (kill -9), everything that it started ends${reason}`, async () => {
  await demo.stop('SIGINT');
  const killed = new StartedProcess(['demo']);
  await expect.poll(() => killed.output, { timeout: 40_000 }).toContain('Ctrl-C stops everything');
  killed.child.kill('SIGKILL');
  await eventually('all ports are free', async () => !(await Promise.all(ports.map(accepts))).includes(true));
});

/**
 * A service slows from 10 ms to 2 s and recovers, under a control plane with a TrafficPolicy that has a circuit breaker. The caller's other service is asked all the while: it must not notice. Real processes,
 * real time; the same to the millisecond, by a test's clock, is in sidecar/circuit-breaker/slow-service.test.ts.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../peers/free-port.ts';
import { waitFor } from '../peers/started-program.ts';
import { ask } from './exchange.ts';
import { mesh, service } from './mesh-configuration.ts';
import { isGood, latencyMs, openLoop, type Sent } from './open-loop.ts';
import { type RunningProxy, Stage } from './programs.ts';

const perSecond = 50;
const quickMs = 10;
const slowMs = 2_000;

interface Breaker {
  readonly state: string;
  readonly why: string;
  readonly total: { readonly calls: number; readonly slow: number; readonly refused: number };
}

describe('a service that slows from 10 ms to 2 s, and recovers', () => {
  const stage = new Stage();
  const servers: Server[] = [];
  let ordersMs = quickMs;
  let storefront: RunningProxy;
  let outbound = 0;

  beforeAll(async () => {
    const app = async (tookMs: () => number): Promise<number> => {
      const server = createServer((request, response) => {
        request.resume();
        setTimeout(() => response.end('done'), tookMs());
      });
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return (server.address() as AddressInfo).port;
    };
    const [xdsPort, controlPlaneAdmin, adminPort, outboundPort, inboundPort] = (await freePorts(5)) as [
      number,
      number,
      number,
      number,
      number,
    ];
    outbound = outboundPort;
    const policy = {
      apiVersion: 'outrigger.dev/v1',
      kind: 'TrafficPolicy',
      metadata: { name: 'orders', namespace: 'shop' },
      spec: {
        targetRefs: [{ kind: 'Service', name: 'orders' }],
        circuitBreaker: {
          window: '1s',
          minCalls: 10,
          slowCalls: { longerThan: '200ms', percent: 50 },
          openTime: { base: '1s', max: '2s' },
        },
      },
    };
    const config = stage.file(
      'mesh.yaml',
      mesh(service('orders', [await app(() => ordersMs)]), service('quotes', [await app(() => quickMs)]), policy),
    );
    await stage.controlPlane({ config, port: xdsPort, adminPort: controlPlaneAdmin });
    storefront = await stage.serviceSidecar('storefront', adminPort, [
      ...['--service', 'shop/storefront', '--app-port', '9', '--no-register', '--listen-metrics', 'off'],
      ...['--control-plane', `127.0.0.1:${xdsPort}`, '--admin', `127.0.0.1:${adminPort}`],
      ...['--outbound-listen', `127.0.0.1:${outbound}`, '--inbound-listen', `127.0.0.1:${inboundPort}`],
    ]);
    await waitFor('both services to answer', 10_000, async () => {
      const answers = await Promise.all(['orders', 'quotes'].map((name) => ask(outbound, { host: `${name}.shop` })));
      return answers.every(({ status }) => status === 200);
    });
  }, 60_000);
  afterAll(async () => {
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
    await stage.stop();
  });

  const load = (name: string, seconds: number): Promise<readonly Sent[]> =>
    openLoop({ port: outbound, host: `${name}.shop`, perSecond, seconds });

  async function breaker(): Promise<Breaker> {
    const { circuit_breakers: all } = JSON.parse(await storefront.admin('/circuit_breakers')) as {
      readonly circuit_breakers: readonly Breaker[];
    };
    return all[0]!;
  }

  /** Milliseconds until it is in that state. */
  async function until(state: string, fromMs: number): Promise<number> {
    await waitFor(`the breaker to be ${state}`, 15_000, async () => (await breaker()).state === state);
    return performance.now() - fromMs;
  }

  it('opens the breaker within a second and closes it again; other routes are not slower', async () => {
    const quiet = await Promise.all([load('orders', 5), load('quotes', 5)]);
    const quietMs = latencyMs(quiet[1], 0.99);
    expect((await breaker()).state).toBe('closed');

    const both = Promise.all([load('orders', 9), load('quotes', 9)]);
    await sleep(1_000);
    ordersMs = slowMs;
    const slowSinceMs = performance.now();
    const openedMs = await until('open', slowSinceMs);
    const { why } = await breaker();
    await sleep(3_500);
    ordersMs = quickMs;
    const closedMs = await until('closed', performance.now());
    const [orders, quotes] = await both;
    const { total } = await breaker();
    const during = quotes.filter(({ atMs }) => atMs > 1_000);
    console.log(
      `the breaker opened ${openedMs.toFixed(0)} ms after the service slowed (${why}) and closed ${closedMs.toFixed(0)} ms after it recovered; ${total.slow} slow calls, ${total.refused} refused of ${total.calls + total.refused}; the other route: p99 ${quietMs.toFixed(1)} ms before, ${latencyMs(during, 0.99).toFixed(1)} ms meanwhile; orders got ${orders.filter(isGood).length} answers and ${orders.filter((each) => !isGood(each)).length} refusals`,
    );
    expect(openedMs).toBeLessThan(1_000);
    expect(total.refused).toBe(orders.filter((each) => !isGood(each)).length);
    expect(quotes.every(isGood)).toBe(true);
    // The last requests of all are answered: it closed.
    expect(orders.slice(-10).every(isGood)).toBe(true);
    // Wanted is 1.2 of it; 10 ms more are what the scheduling of a busy machine alone may add.
    expect(latencyMs(during, 0.99)).toBeLessThanOrEqual(quietMs * 1.2 + 10);
  }, 60_000);
});

/**
 * A service at 50 % failures behind three layers, each of which retries three times: storefront → orders → quotes → payments, each application with a sidecar of its own, by mTLS under our control plane. What each layer sends on,
 * for what came to it, with the retry budget of the defaults and without one.
 */
import { createServer, type RequestListener, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../cli/simulate/seeded-random.ts';
import { freePorts } from '../peers/free-port.ts';
import { waitFor } from '../peers/started-program.ts';
import type { Json } from './envoy-resources.ts';
import { ask } from './exchange.ts';
import { service } from './mesh-configuration.ts';
import { MeshWithIdentities, type ServiceProxy } from './mesh-with-identities.ts';
import { isGood, openLoop } from './open-loop.ts';
import { Stage } from './programs.ts';

const layers = ['orders', 'quotes', 'payments'] as const;
/** 40 requests under way at once in each layer: a fifth of them is more than the three retries that there may always be. */
const perSecond = 100;
const tookMs = 400;
const seconds = 8;
/** The same failures in every run. */
const random = seededRandom(20261128, 'failures');

const retries = (budget: Json | undefined): Json => ({
  attempts: 3,
  on: ['5xx'],
  ...(budget === undefined ? {} : { budget }),
});

const traffic = (name: string, budget: Json | undefined): Json => ({
  apiVersion: 'outrigger.dev/v1',
  kind: 'TrafficPolicy',
  metadata: { name, namespace: 'shop' },
  spec: { targetRefs: [{ kind: 'Service', name }], retries: retries(budget) },
});

describe('a service at 50 % failures behind three layers that each retry three times', () => {
  const stage = new Stage();
  const servers: Server[] = [];
  const came = { orders: 0, quotes: 0, payments: 0 };
  /** Those that call somebody. */
  const sidecars: ServiceProxy[] = [];
  let mesh: MeshWithIdentities;
  let first = 0;

  beforeAll(async () => {
    const ports = (await freePorts(3)) as [number, number, number];
    const [toOrders, toQuotes, toPayments] = ports;
    first = toOrders;
    mesh = await MeshWithIdentities.start(stage, documents(undefined));
    const app = async (listener: RequestListener): Promise<number> => {
      const server = createServer(listener);
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return (server.address() as AddressInfo).port;
    };
    const passesOn =
      (name: 'orders' | 'quotes', port: number): RequestListener =>
      (_, response) => {
        came[name]++;
        const call = request({ host: '127.0.0.1', port, path: '/' }, (answer) => {
          answer.resume();
          response.writeHead(answer.statusCode ?? 502);
          response.end();
        });
        call.on('error', () => response.writeHead(502).end());
        call.end();
      };
    const payments: RequestListener = (_, response) => {
      came.payments++;
      const status = random() < 0.5 ? 503 : 200;
      setTimeout(() => response.writeHead(status).end(), tookMs);
    };
    await mesh.sidecar('payments', await app(payments));
    const quotes = await mesh.sidecar('quotes', await app(passesOn('quotes', toPayments)), [
      `payments:80=${toPayments}`,
    ]);
    const orders = await mesh.sidecar('orders', await app(passesOn('orders', toQuotes)), [`quotes:80=${toQuotes}`]);
    const storefront = await mesh.sidecar('storefront', await app((_, response) => response.end()), [
      `orders:80=${toOrders}`,
    ]);
    sidecars.push(quotes, orders, storefront);
    await waitFor('the whole way to be open', 20_000, async () => (await ask(first)).status === 200);
  }, 60_000);
  afterAll(async () => {
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
    mesh.close();
    await stage.stop();
  });

  const documents = (budget: Json | undefined): Json[] => [
    ...['storefront', ...layers].map((name) => service(name, [])),
    ...layers.map((name) => traffic(name, budget)),
  ];

  /** How much each layer was sent, for each request of its callers. */
  async function measure(what: string): Promise<readonly number[]> {
    for (const layer of layers) came[layer] = 0;
    const sent = await openLoop({ port: first, perSecond, seconds });
    const factors = layers.map((layer, i) => came[layer] / (i === 0 ? sent.length : came[layers[i - 1]!]));
    console.log(
      `${what}: ${sent.length} requests, ${((sent.filter(isGood).length / sent.length) * 100).toFixed(1)} % answered; ${layers
        .map((layer, i) => `${layer} was sent ${came[layer]} (${factors[i]!.toFixed(2)} of what its callers had)`)
        .join(', ')}; ${(came.payments / sent.length).toFixed(2)} at the last for each at the first`,
    );
    return factors;
  }

  it('no layer sends more than 1.25 of what came to it, with the budget of the defaults', async () => {
    for (const factor of await measure('with the retry budget (20 %)')) expect(factor).toBeLessThanOrEqual(1.25);
  }, 60_000);

  it('without a budget the last layer sends nearly twice as much', async () => {
    mesh.configure(documents({ percent: 100, minConcurrency: 1000 }));
    await waitFor('the policies to be in force', 20_000, async () => {
      const dumps = await Promise.all(sidecars.map(({ proxy }) => proxy.admin('/config_dump')));
      return dumps.every((dump) => /"min_retry_concurrency":\s*1000\b/.test(dump));
    });
    const factors = await measure('without a budget');
    expect(factors[2]).toBeGreaterThan(1.6);
  }, 60_000);
});

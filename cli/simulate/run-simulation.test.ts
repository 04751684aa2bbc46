/** Whole simulations: what is the same every time, and what a fleet does. What policies promise is in policies.test.ts. */
import { describe, expect, it } from 'vitest';
import { resultText } from './result-tables.ts';
import { svgChart } from './svg-chart.ts';
import { edge, played, playedOnce, service, trafficPolicy } from './test/played.ts';

const shop = {
  seed: 3,
  duration: '20s',
  interval: '2s',
  services: [
    { name: 'storefront', endpoints: 3, latency: '2ms', calls: [{ service: 'orders' }] },
    {
      name: 'orders',
      endpoints: 6,
      latency: { p50: '10ms', p99: '80ms' },
      concurrency: 4,
      failures: [
        { at: '5s', for: '5s', endpoints: '34%', fail: '70%' },
        { at: '8s', for: '4s', endpoints: 1, dead: true },
        { at: '13s', for: '2s', endpoints: 1, refuses: true },
      ],
    },
  ],
  load: [{ service: 'storefront', rate: 80 }],
};
const retries = trafficPolicy({ retries: { attempts: 2, on: ['5xx'] } }, 'storefront', 'orders');

describe('a simulation', () => {
  it('is the same to the byte for the same seed, and another for another', async () => {
    const [one, again, other] = [
      await played(shop, retries),
      await played(shop, retries),
      await played({ ...shop, seed: 4 }, retries),
    ];
    expect(JSON.stringify(again)).toBe(JSON.stringify(one));
    expect(resultText(again)).toBe(resultText(one));
    expect(svgChart(again)).toBe(svgChart(one));
    expect(JSON.stringify(other)).not.toBe(JSON.stringify(one));
  });

  it('gives each variant the same load, and what it does not change stays as it was', async () => {
    const { variants } = await played({
      ...shop,
      variants: [{ name: 'a' }, { name: 'b' }, { name: 'c', documents: [retries] }],
    });
    const [a, b, c] = variants;
    expect(JSON.stringify({ ...b!, name: '' })).toBe(JSON.stringify({ ...a!, name: '' }));
    const calls = variants.map((variant) => edge(variant, 'client', 'storefront'));
    expect(new Set(calls.map(({ calls: count }) => Math.round(count / 20))).size).toBe(1);
    expect(edge(c!, 'client', 'storefront').successPercent).toBeGreaterThan(
      edge(a!, 'client', 'storefront').successPercent,
    );
  });

  it('sends on every request and retry, and loses none: what a service received is what was sent', async () => {
    const quiet = { ...shop, services: shop.services.map((each) => ({ ...each, failures: [] })) };
    const result = await playedOnce({
      ...quiet,
      load: [
        {
          service: 'storefront',
          rate: [
            { at: '0s', rate: 80 },
            { at: '15s', rate: 0 },
          ],
        },
      ],
    });
    const outside = edge(result, 'client', 'storefront');
    expect(outside.calls).toBeGreaterThan(1000);
    expect(service(result, 'storefront').received).toBe(outside.calls);
    expect(edge(result, 'storefront', 'orders').calls).toBe(outside.calls);
    expect(service(result, 'orders')).toMatchObject({ received: outside.calls, succeeded: outside.calls, inVain: 0 });
    expect(outside.successPercent).toBe(100);
  });

  it('takes as long as the way is: each latency, and the network there and back', async () => {
    const chain = {
      duration: '10s',
      roundTrip: '4ms',
      services: [
        { name: 'a', latency: '10ms', calls: [{ service: 'b' }] },
        { name: 'b', latency: '20ms', protocol: 'http2' },
      ],
      load: [{ service: 'a', rate: 5, even: true }],
    };
    const { p50Ms } = edge(await playedOnce(chain), 'client', 'a');
    expect(p50Ms).toBeGreaterThanOrEqual(38);
    expect(p50Ms).toBeLessThan(39);
  });

  it('has as many requests as its load says: at a rate, in steps, or of clients that wait', async () => {
    const at = async (load: object): Promise<number> =>
      edge(
        await playedOnce({
          duration: '20s',
          services: [{ name: 'a', latency: '9ms' }],
          load: [{ service: 'a', ...load }],
        }),
        'client',
        'a',
      ).calls;
    expect(await at({ rate: 50, even: true })).toBeGreaterThanOrEqual(999);
    expect(Math.abs((await at({ rate: 50 })) - 1000)).toBeLessThan(100);
    const steps = await at({
      rate: [
        { at: '0s', rate: 0 },
        { at: '10s', rate: 100 },
      ],
      even: true,
    });
    expect(Math.abs(steps - 1000)).toBeLessThanOrEqual(2);
    // 9 ms, 1 ms on the network, 90 ms of thought.
    const clients = await at({ clients: 10, think: '90ms' });
    expect(Math.abs(clients - 2000)).toBeLessThan(40);
  });

  it('shows an overloaded service: a queue, requests turned away, and no more work than it can do', async () => {
    const full = {
      duration: '20s',
      services: [{ name: 'a', endpoints: 2, latency: '20ms', concurrency: 5, queue: 20 }],
      load: [{ service: 'a', rate: 1000 }],
    };
    const result = await playedOnce(full, trafficPolicy({ outlierDetection: { enabled: false } }, 'a'));
    const { succeeded, turnedAway, mostServing, mostWaiting } = service(result, 'a');
    // 10 at a time, 20 ms each.
    expect(succeeded / 20).toBeLessThanOrEqual(500);
    expect(succeeded / 20).toBeGreaterThan(480);
    expect(turnedAway).toBeGreaterThan(8000);
    expect(mostServing).toBeLessThanOrEqual(10);
    expect(mostWaiting).toBeLessThanOrEqual(40);
  });

  it('has what sidecars log as events, with endpoints by name', async () => {
    const { events } = await playedOnce(shop);
    expect(events.some(({ message }) => /host orders-\d ejected for/.test(message))).toBe(true);
    expect(events.every(({ message }) => !/10\.\d+\.\d+\.\d+/.test(message))).toBe(true);
  });

  it('warns of a policy for what is not there', async () => {
    const { readSimulation } = await import('./simulation-file.ts');
    const { runSimulation } = await import('./run-simulation.ts');
    const { simulationText } = await import('./test/played.ts');
    const text = simulationText(
      { duration: '1s', services: [{ name: 'a' }], load: [{ service: 'a', rate: 1 }] },
      trafficPolicy({ retries: { attempts: 1 } }, 'b'),
    );
    const read = readSimulation('s.yaml', text, () => '');
    const warnings: string[] = [];
    if ('simulation' in read) await runSimulation(read.simulation, (warning) => warnings.push(warning));
    expect(warnings).toEqual([expect.stringContaining('there is no Service shop/b')]);
  });
});

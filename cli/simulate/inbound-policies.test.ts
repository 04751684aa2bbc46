/** What policies of the inbound side promise, on whole fleets: limits and their queue, adaptive concurrency, priorities, by the code of the sidecar before the application. Figures of the issue are named where they are shown. */
import { describe, expect, it } from 'vitest';
import { edge, played, playedOnce, service, trafficPolicy } from './test/played.ts';

/** One instance answers 500 requests a second: ten at a time, each 20 ms. */
const orders = { name: 'orders', latency: '20ms', concurrency: 10, queue: 100_000 };
const quiet = {
  outlierDetection: { enabled: false },
  limits: { maxRequests: 100_000, maxPendingRequests: 100_000, maxConnections: 100_000 },
};
const policy = (spec: object): object => trafficPolicy({ ...quiet, ...spec }, 'orders');

describe('inbound limits', () => {
  it('hold for each instance by itself; what is beyond is refused before the application, and not sent again', async () => {
    const spec = { duration: '10s', services: [{ ...orders, endpoints: 2 }], load: [{ service: 'orders', rate: 800 }] };
    const result = await playedOnce(
      spec,
      policy({ inboundLimits: { maxRequests: 4 }, retries: { attempts: 2, on: ['5xx'] } }),
    );
    const { mostServing, refused, received, succeeded, turnedAway } = service(result, 'orders');
    // At the moments of the table, over both.
    expect(mostServing).toBeLessThanOrEqual(8);
    expect(mostServing).toBeGreaterThan(4);
    expect(refused).toBeGreaterThan(2_000);
    expect(received).toBeCloseTo(succeeded + refused, -2);
    expect(turnedAway).toBe(0);
    const { attemptsPerCall, failures } = edge(result, 'client', 'orders');
    expect(attemptsPerCall).toBe(1);
    expect(failures[0]!.what).toBe('503');
  });

  it('have a queue, in which what comes all at once waits instead of being refused, no longer than it may', async () => {
    const spec = {
      duration: '20s',
      services: [orders],
      load: [
        { service: 'orders', rate: 300 },
        { service: 'orders', from: 'burst', clients: 40, think: '500ms' },
      ],
      variants: [
        { name: 'without', documents: [policy({ inboundLimits: { maxRequests: 10 } })] },
        {
          name: 'queue',
          documents: [policy({ inboundLimits: { maxRequests: 10, queue: { maxRequests: 200, maxWait: '300ms' } } })],
        },
      ],
    };
    const [without, queue] = (await played(spec)).variants;
    expect(service(without!, 'orders').refused).toBeGreaterThan(200);
    expect(service(queue!, 'orders').refused).toBeLessThan(service(without!, 'orders').refused / 10);
    expect(edge(queue!, 'client', 'orders').p99Ms).toBeLessThan(300 + 20 + 10);
    expect(service(queue!, 'orders').mostServing).toBeLessThanOrEqual(10);
  });

  it('of a route leave the rest alone', async () => {
    const spec = {
      duration: '10s',
      services: [{ name: 'orders', latency: '50ms' }],
      load: [
        { service: 'orders', rate: 100 },
        { service: 'orders', from: 'reports', path: '/reports/all', rate: 200 },
      ],
    };
    const perRoute = [{ match: { paths: ['/reports/*'] }, maxRequests: 2 }];
    const result = await playedOnce(spec, policy({ inboundLimits: { perRoute } }));
    expect(edge(result, 'client', 'orders').successPercent).toBe(100);
    // Two at a time, 50 ms each, of 200.
    expect(edge(result, 'reports', 'orders').successPercent).toBeLessThan(25);
  });
});

describe('adaptive concurrency', () => {
  const flood = {
    duration: '60s',
    services: [orders],
    load: [{ service: 'orders', rate: 1_500 }],
  };

  it('at three times the capacity keeps goodput at 90 % of it, and answers in three times the unloaded time (issue)', async () => {
    const result = await played({
      ...flood,
      variants: [
        { name: 'none', documents: [policy({})] },
        { name: 'adaptive', documents: [policy({ adaptiveConcurrency: {} })] },
      ],
    });
    const [none, adaptive] = result.variants;
    expect(service(adaptive!, 'orders').succeeded).toBeGreaterThanOrEqual(0.9 * 500 * 60);
    // Of all calls; those that are refused are answered at once, and are two of three.
    expect(edge(adaptive!, 'client', 'orders').p99Ms).toBeLessThanOrEqual(3 * 21);
    // Without it callers wait for an answer that is too late, and the application works for nobody.
    expect(edge(none!, 'client', 'orders').p99Ms).toBeGreaterThan(10_000);
    expect(service(none!, 'orders').inVain).toBeGreaterThan(10_000);
  });

  it('refuses what is worth less first', async () => {
    const result = await playedOnce(
      {
        ...flood,
        duration: '20s',
        load: [
          { service: 'orders', rate: 300, path: '/pay', from: 'buyers' },
          { service: 'orders', rate: 600, from: 'readers' },
          { service: 'orders', rate: 600, path: '/reports', from: 'batch' },
        ],
      },
      policy({
        adaptiveConcurrency: {},
        priorities: [
          { match: { paths: ['/pay'] }, priority: 'critical' },
          { match: { paths: ['/reports'] }, priority: 'sheddable' },
        ],
      }),
    );
    const [buyers, readers, batch] = ['buyers', 'readers', 'batch'].map(
      (from) => edge(result, from, 'orders').successPercent,
    );
    expect(buyers).toBeGreaterThan(readers! + 10);
    expect(readers).toBeGreaterThan(batch! + 5);
  });

  it('with a queue lets those wait that it has no room for; the same seed gives the same result', async () => {
    const document = policy({
      adaptiveConcurrency: {},
      inboundLimits: { queue: { maxRequests: 50, maxWait: '100ms' } },
    });
    const spec = { ...flood, duration: '20s' };
    const once = await playedOnce(spec, document);
    expect(service(once, 'orders').succeeded).toBeGreaterThanOrEqual(0.9 * 500 * 20);
    expect(JSON.stringify(await playedOnce(spec, document))).toBe(JSON.stringify(once));
  });
});

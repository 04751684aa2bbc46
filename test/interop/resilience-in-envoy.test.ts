/**
 * A stock Envoy under our control plane takes what TrafficPolicies become, and does it. It comes over the plain door, so that no certificates are needed. What the fields are for each policy
 * is in control-plane/translate/translate-traffic.test.ts.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../peers/free-port.ts';
import { type StartedProgram, waitFor } from '../peers/started-program.ts';
import { adsBootstrap, type Json } from './envoy-resources.ts';
import { ask, type Exchange, type Question } from './exchange.ts';
import { httpRoute, mesh, service } from './mesh-configuration.ts';
import { type RunningProxy, Stage } from './programs.ts';

describe('Envoy under our control plane', () => {
  const stage = new Stage();
  const file = join(stage.folder, 'mesh.yaml');
  let envoy: RunningProxy;
  let app: Server;
  let answer: (request: IncomingMessage, response: ServerResponse) => void = (_, response) => response.end('fine');
  let outbound: number;
  let inbound: number;
  let controlPlane: StartedProgram;
  let version = 0;

  beforeAll(async () => {
    const ports = (await freePorts(5)) as [number, number, number, number, number];
    const [xdsPort, controlPlaneAdmin, proxyAdmin, outboundPort, inboundPort] = ports;
    outbound = outboundPort;
    inbound = inboundPort;
    app = createServer((request, response) => answer(request, response));
    await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
    write([]);
    controlPlane = await stage.controlPlane({
      config: file,
      port: xdsPort,
      adminPort: controlPlaneAdmin,
      dataFolder: join(stage.folder, 'data'),
    });
    const node = {
      id: 'resilience',
      cluster: 'shop/orders',
      metadata: {
        app_port: appPort(),
        outbound_listen: `127.0.0.1:${outbound}`,
        inbound_listen: `127.0.0.1:${inbound}`,
        control_plane_cluster: 'control_plane',
      },
    };
    envoy = await stage.envoy(adsBootstrap({ node, adminPort: proxyAdmin, xdsPort, variant: 'DELTA_GRPC' }));
  });
  afterAll(async () => {
    app?.closeAllConnections();
    app?.close();
    await stage.stop();
  });

  const appPort = (): number => (app.address() as AddressInfo).port;

  function write(documents: readonly Json[]): void {
    writeFileSync(`${file}.new`, mesh(service('orders', [appPort()]), ...documents));
    renameSync(`${file}.new`, file);
  }

  const policy = (kind: string, name: string, spec: Json): Json => ({
    apiVersion: 'outrigger.dev/v1',
    kind,
    metadata: { name, namespace: 'shop' },
    spec,
  });
  const traffic = (spec: Json): Json =>
    policy('TrafficPolicy', 'p', { targetRefs: [{ kind: 'Service', name: 'orders' }], ...spec });

  /** Writes the documents, with a Service beside them whose cluster and virtual host are seen in Envoy's own dump; nothing may have been refused. */
  async function inForce(...documents: readonly Json[]): Promise<void> {
    const name = `mark-${++version}`;
    write([...documents, service(name, [appPort()])]);
    await waitFor('the policies to be in force', 15_000, async () => {
      const dump = await envoy.admin('/config_dump');
      expect(await refused()).toEqual([]);
      return dump.split(`${name}.shop`).length > 3 && dump.includes(`"${name}.shop:80"`);
    });
  }

  /** Counters of refused updates that are not 0, and why. */
  async function refused(): Promise<string[]> {
    const stats = await envoy.admin('/stats?filter=update_rejected');
    const counters = stats.split('\n').filter((line) => line !== '' && !line.endsWith(': 0'));
    if (counters.length === 0) return [];
    const details = (await envoy.admin('/config_dump')).matchAll(/"details": "(.*)"/g);
    return [...counters, ...[...details].map(([, text]) => text!)];
  }

  const get = (path: string, question: Question = {}): Promise<Exchange> =>
    ask(outbound, { path, host: 'orders.shop', ...question });
  const counter = async (name: string): Promise<number> =>
    Number(/: (\d+)/.exec(await envoy.admin(`/stats?filter=${encodeURIComponent(`^${name}$`)}`))?.[1] ?? 0);
  const ofCluster = (name: string): Promise<number> => counter(`cluster\\.outbound.80..orders\\.shop\\.${name}`);

  it('takes a TrafficPolicy that says everything', async () => {
    await inForce(
      traffic({
        timeouts: {
          connect: '2s',
          request: '5s',
          perTry: '1s',
          streamIdle: '1m',
          connectionIdle: '10m',
          maxDuration: '1h',
        },
        retries: {
          attempts: 3,
          on: [
            '5xx',
            'gateway-error',
            'reset',
            'reset-before-request',
            'connect-failure',
            'refused-stream',
            'unavailable',
          ],
          statusCodes: [409],
          methods: ['GET', 'HEAD'],
          backoff: { base: '10ms', max: '1s' },
          waitHeaders: [{ name: 'Retry-After' }, { name: 'X-RateLimit-Reset', format: 'unixTimestamp' }],
          maxWait: '10s',
          budget: { percent: 25, minConcurrency: 5 },
          hostSelection: 'other',
        },
        hedging: { onPerTryTimeout: true },
        limits: { maxConnections: 100, maxPendingRequests: 20, maxRequests: 300, highPriority: { maxRequests: 5 } },
        outlierDetection: {
          consecutive5xx: 7,
          consecutiveLocalOriginFailures: 3,
          successRate: { minHosts: 3, requestVolume: 10, deviations: 1.5 },
          failurePercentage: { percent: 50, minHosts: 4, requestVolume: 30 },
          interval: '1s',
          baseEjectionTime: '2s',
          maxEjectionTime: '3s',
          maxEjectionPercent: 30,
          panicThreshold: 25,
        },
        healthChecks: [
          {
            http: { path: '/healthz', expectedStatuses: [{ from: 200, to: 204 }] },
            interval: '1s',
            unhealthyInterval: '30s',
          },
        ],
        loadBalancing: { algorithm: 'leastRequest', slowStart: { window: '1m' } },
        tcpKeepAlive: { time: '1m' },
      }),
    );
    expect((await get('/')).status).toBe(200);
    await waitFor('the health checks', 10_000, async () => (await ofCluster('health_check\\.success')) > 0);
    const dump = await envoy.admin('/config_dump?resource=dynamic_active_clusters');
    for (const field of ['retry_budget', 'outlier_detection', 'slow_start_config', 'tcp_keepalive'])
      expect(dump).toContain(`"${field}"`);
  });

  it('takes every kind of health check, and every way of load balancing', async () => {
    const variants: readonly Json[] = [
      { healthChecks: [{ tcp: { send: 'GET / HTTP/1.0\r\n\r\n', receive: 'HTTP' }, interval: '1s' }] },
      { healthChecks: [{ tls: {}, interval: '1s' }], loadBalancing: { algorithm: 'random' } },
      { healthChecks: [{ grpc: {} }], loadBalancing: { algorithm: 'roundRobin', slowStart: { window: '1s' } } },
      { retries: { attempts: 0 }, loadBalancing: {}, outlierDetection: {}, tcpKeepAlive: {} },
    ];
    for (const variant of variants) {
      await inForce(traffic(variant));
      expect((await get('/')).status).toBe(200);
    }
    await inForce(
      service('calls', [appPort()], 'grpc'),
      policy('TrafficPolicy', 'calls', {
        targetRefs: [{ kind: 'Service', name: 'calls' }],
        timeouts: { request: '2s' },
        healthChecks: [{ grpc: { service: 'a.B' } }],
      }),
    );
  });

  it('tries again as often as the policy of a rule says, and no rule without', async () => {
    let asked = 0;
    answer = (_, response) => {
      asked++;
      response.writeHead(503).end();
    };
    await inForce(
      httpRoute('orders', 'orders', [
        { name: 'reads', matches: [{ path: { value: '/read' } }], backendRefs: [{ name: 'orders', port: 80 }] },
        {
          name: 'gateway',
          matches: [{ path: { value: '/gateway' } }],
          backendRefs: [{ name: 'orders', port: 80 }],
          retry: { codes: [503], attempts: 1, backoff: '1ms' },
          timeouts: { request: '10s', backendRequest: '5s' },
        },
        { backendRefs: [{ name: 'orders', port: 80 }] },
      ]),
      policy('TrafficPolicy', 'reads', {
        targetRefs: [{ kind: 'HTTPRoute', name: 'orders', sectionName: 'reads' }],
        retries: { attempts: 3, statusCodes: [503], backoff: { base: '1ms', max: '2ms' } },
      }),
      traffic({ outlierDetection: { enabled: false } }),
    );
    const attempts = async (path: string): Promise<number> => {
      asked = 0;
      expect((await get(path)).status).toBe(503);
      return asked;
    };
    expect(await attempts('/read')).toBe(4);
    expect(await attempts('/gateway')).toBe(2);
    expect(await attempts('/other')).toBe(1);
    answer = (_, response) => response.end('fine');
  });

  it('gives up when the time of the policy is over', async () => {
    answer = () => {};
    await inForce(traffic({ timeouts: { request: '300ms' } }));
    const began = performance.now();
    expect((await get('/')).status).toBe(504);
    expect(performance.now() - began).toBeLessThan(3_000);
    answer = (_, response) => response.end('fine');
  });

  const atInbound = (path: string, question: Question = {}): Promise<Exchange> => ask(inbound, { path, ...question });
  const statusOf = async (path: string, question: Question = {}): Promise<number> =>
    (await atInbound(path, question)).status;
  const faults = (name: string, spec: Json): Json => policy('FaultPolicy', name, spec);

  it('delays and aborts what a FaultPolicy matches, and nothing when its time is over', async () => {
    await inForce(
      faults('f', {
        for: '6s',
        maxActive: 10,
        faults: [
          { match: { paths: ['/broken'], methods: ['GET', 'POST'] }, abort: { httpStatus: 418 } },
          { match: { headers: [{ name: 'x-slow', value: 'yes' }] }, delay: { duration: '700ms', percent: 100 } },
          { match: { paths: ['/rpc/*', '/other'] }, abort: { grpcStatus: 'UNAVAILABLE', percent: 100 } },
          {
            match: { paths: ['/thin'] },
            responseRateLimit: { kibPerSecond: 64 },
            delay: { duration: '1ms', percent: 0.5 },
          },
          { match: { callers: ['shop/storefront', 'office/*'] }, abort: { httpStatus: 500 } },
        ],
      }),
    );
    expect(await statusOf('/broken')).toBe(418);
    expect(await statusOf('/broken?x=1')).toBe(418);
    expect(await statusOf('/broken', { method: 'PUT' })).toBe(200);
    expect(await statusOf('/brokenly')).toBe(200);
    // Who comes without a certificate is none of the callers, whatever it says of itself.
    const forged = { 'x-forwarded-client-cert': 'By=x;Hash=y;URI=spiffe://cluster.local/ns/shop/sa/storefront' };
    expect(await statusOf('/', { headers: forged })).toBe(200);
    const began = performance.now();
    expect(await statusOf('/', { headers: { 'x-slow': 'yes' } })).toBe(200);
    expect(performance.now() - began).toBeGreaterThan(650);
    const grpc = { method: 'POST', headers: { 'content-type': 'application/grpc', te: 'trailers' } };
    expect((await atInbound('/other', grpc)).headers['grpc-status']).toBe('14');
    expect((await atInbound('/rpc/x', grpc)).headers['grpc-status']).toBe('14');
    expect(await statusOf('/thin')).toBe(200);
    await waitFor('the policy to be over', 10_000, async () => (await statusOf('/broken')) === 200);
    expect(await refused()).toEqual([]);
  });

  it('limits at the workload: one count for all, for each value of a header, and for a path', async () => {
    await inForce(
      policy('RateLimitPolicy', 'limits', {
        local: [
          { match: { paths: ['/pay'] }, limit: { requests: 2, per: '1h' } },
          { by: { headers: ['x-user'] }, limit: { requests: 1, per: '1h', burst: 3 } },
          { by: { caller: true, remoteAddress: true }, limit: { requests: 1_000, per: '1s' } },
          { match: { callers: ['shop/storefront'] }, limit: { requests: 1, per: '1h' } },
        ],
      }),
    );
    await waitFor('the limits', 10_000, async () => (await statusOf('/pay')) === 429);
    const answer = await atInbound('/pay');
    expect(answer.headers['x-ratelimit-limit']).toContain('2');
    expect(await statusOf('//pay')).toBe(429);
    expect(await statusOf('/pay?x=1')).toBe(429);
    expect(await statusOf('/free')).toBe(200);
    const user = (name: string): Question => ({ headers: { 'x-user': name } });
    const statuses = async (name: string): Promise<number[]> => {
      const found: number[] = [];
      for (let at = 0; at < 4; at++) found.push(await statusOf('/free', user(name)));
      return found;
    };
    expect(await statuses('alice')).toEqual([200, 200, 200, 429]);
    expect(await statuses('bob')).toEqual([200, 200, 200, 429]);
  });

  it('takes adaptiveConcurrency and limits by it; what it has nothing like is left out, and the control plane says so', async () => {
    const held: ServerResponse[] = [];
    const statuses: number[] = [];
    answer = (_, response) => void held.push(response);
    const isGuarded = async (): Promise<boolean> =>
      (await envoy.admin('/config_dump?resource=dynamic_listeners')).includes('gradient_controller_config');
    /** So many at once; those that reach the application stay there until `release`. */
    const crowd = (requests: number): Promise<unknown> =>
      Promise.all(
        Array.from({ length: requests }, async () => {
          statuses.push(await statusOf('/'));
        }),
      );
    const release = (): void => {
      for (const response of held.splice(0)) response.end('fine');
    };
    await inForce(
      traffic({
        inboundLimits: { maxRequests: 1, perCaller: { maxRequests: 1 }, queue: {} },
        // Until it knows the least latency, Envoy lets no more in than measure it.
        adaptiveConcurrency: { maxConcurrency: 100, minConcurrency: 4, leastLatency: { requests: 500 } },
        priorities: [{ match: { paths: ['/'] }, priority: 'sheddable' }],
      }),
    );
    await waitFor('the filter', 10_000, isGuarded);
    const limited = crowd(20);
    await waitFor('what is too much to be refused', 10_000, () => statuses.length === 16);
    expect(held).toHaveLength(4);
    expect(new Set(statuses)).toEqual(new Set([503]));
    release();
    await limited;
    expect(statuses.slice(16)).toEqual([200, 200, 200, 200]);
    expect(await counter('http\\..*adaptive_concurrency\\.gradient_controller\\.rq_blocked')).toBe(16);
    expect(await envoy.admin('/config_dump')).not.toContain('inbound_limits');
    expect(controlPlane.output).toContain(
      'inboundLimits and priorities of TrafficPolicies in front of their applications (adaptiveConcurrency, rate limits and the limits of callers hold)',
    );
    await inForce();
    await waitFor('the filter to be gone', 10_000, async () => !(await isGuarded()));
    statuses.length = 0;
    const unlimited = crowd(20);
    await waitFor('all to be with the application', 10_000, () => held.length === 20);
    release();
    await unlimited;
    expect(new Set(statuses)).toEqual(new Set([200]));
    answer = (_, response) => response.end('fine');
  });

  it('limits over all workloads by the service in the control plane, and fails open or closed without it', async () => {
    const limits = (failOpen: boolean): Json =>
      policy('RateLimitPolicy', failOpen ? 'open' : 'closed', {
        global: {
          failOpen,
          timeout: '500ms',
          limits: [
            {
              match: { paths: [failOpen ? '/open/*' : '/closed/*'] },
              by: { headers: ['x-user'] },
              limit: { requests: 3, unit: 'day' },
            },
          ],
        },
      });
    await inForce(limits(true), limits(false));
    const alice = { headers: { 'x-user': 'alice' } };
    await waitFor('the limit', 10_000, async () => (await statusOf('/open/a', alice)) === 429);
    const answer = await atInbound('/open/b', alice);
    expect(answer.status).toBe(429);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(answer.headers['x-ratelimit-limit']).toContain('3');
    expect(await statusOf('/open/a', { headers: { 'x-user': 'bob' } })).toBe(200);
    expect(await statusOf('/open/a')).toBe(200);
    expect(await statusOf('/closed/a', alice)).toBe(200);
    await controlPlane.stop();
    expect(await statusOf('/open/b', alice)).toBe(200);
    expect(await statusOf('/closed/a', alice)).toBe(500);
  });
});

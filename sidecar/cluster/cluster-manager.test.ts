import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import {
  createServer as createHttp2Server,
  createSecureServer,
  type Http2SecureServer,
  type Http2Server,
} from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { ClusterConfig, LoadAssignmentConfig } from '../config/cluster-config.ts';
import type { TlsClientConfig } from '../config/tls-config.ts';
import { systemClock } from '../runtime/clock.ts';
import { Log } from '../runtime/log.ts';
import { TimerWheel } from '../runtime/timer-wheel.ts';
import { StatStore } from '../stats/stat-store.ts';
import { caPem, orders, storefront } from '../transport/test/certificates.ts';
import { ClusterManager } from './cluster-manager.ts';
import { clustersJson, clustersText } from './cluster-status.ts';
import { checkConfig } from './health-check/test/check-config.ts';
import { fetchOver } from './test/fetch-over.ts';
import {
  assignment,
  clusterConfig,
  configuration,
  endpoint,
  locality,
  ScriptedRequest,
  ScriptedUpstream,
} from './test/scripted-upstream.ts';
import type { Cluster } from './upstream.ts';

function manager(): { upstream: ScriptedUpstream; clusters: ClusterManager } {
  const upstream = new ScriptedUpstream();
  return { upstream, clusters: new ClusterManager(upstream.context) };
}

describe('ClusterManager', () => {
  const a = clusterConfig({ name: 'a', statName: 'a' });
  const b = clusterConfig({ name: 'b', statName: 'b', discovery: { kind: 'eds', serviceName: 'b-service' } });

  it('leaves clusters alone whose configuration object is the same, also when others change', () => {
    const { clusters } = manager();
    clusters.apply(configuration([a, b]));
    const kept = clusters.cluster('a');
    const replaced = clusters.cluster('b');
    clusters.apply(configuration([a, { ...b }]));
    expect(clusters.cluster('a')).toBe(kept);
    expect(clusters.cluster('b')).not.toBe(replaced);
  });

  it('says once of a cluster with TLS that its upstreams are not verified', () => {
    const lines: string[] = [];
    const { upstream } = manager();
    const log = new Log(systemClock, 'warn', true, (line) => lines.push(line));
    const clusters = new ClusterManager({ ...upstream.context, log });
    const verified: TlsClientConfig = {
      certificates: [],
      trustedCaPem: caPem,
      subjectAltNames: [],
      alpn: [],
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      serverName: '',
    };
    const tls = { ...verified, trustedCaPem: null };
    const secret = { name: 'ROOTCA', key: 'ROOTCA', source: { kind: 'ads' as const } };
    clusters.apply(configuration([a, { ...b, tls: verified }]));
    clusters.apply(configuration([a, { ...b, tls: { ...tls, trustSecret: secret } }]));
    expect(lines).toEqual([]);
    clusters.apply(configuration([a, { ...b, tls }]));
    clusters.apply(configuration([a, { ...b, tls }]));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("cluster b: its upstreams' certificates are not verified");
    clusters.apply(
      configuration([
        { ...a, transportMatches: [{ name: 'm', match: {}, tls }] },
        { ...b, tls },
      ]),
    );
    expect(lines).toHaveLength(2);
    expect(lines[1]).toContain('cluster a:');
  });

  it('takes endpoints from EDS under the service name, and changes in place', () => {
    const { upstream, clusters } = manager();
    clusters.apply(configuration([b]));
    expect(new ScriptedRequest(clusters.cluster('b')!).ask().error).toMatchObject({ flag: 'UH' });
    const cluster = clusters.cluster('b');
    clusters.apply(configuration([b], { 'b-service': assignment(locality([endpoint('10.0.0.7:80')])) }));
    expect(clusters.cluster('b')).toBe(cluster);
    const request = new ScriptedRequest(cluster!).ask();
    upstream.connectAll();
    expect(request.host!.address).toBe('10.0.0.7:80');
  });

  it('lets a removed cluster finish what it carries, and forgets it then', () => {
    const { upstream, clusters } = manager();
    clusters.apply(configuration([a, b]));
    const cluster = clusters.cluster('a')!;
    const request = new ScriptedRequest(cluster).ask();
    const waiting = new ScriptedRequest(cluster).ask();
    upstream.transports[0]!.connect();
    clusters.apply(configuration([b]));
    expect(clusters.cluster('a')).toBeUndefined();
    expect(clusters.leavingCount).toBe(1);
    upstream.connectAll();
    expect(request.stream !== null && waiting.stream !== null).toBe(true);
    request.stream!.finish();
    waiting.stream!.finish();
    expect(clusters.leavingCount).toBe(0);
    expect(upstream.codecs.every(({ closed }) => closed)).toBe(true);
  });

  it('takes the statistics of a removed cluster away, and no others (also not of a name that begins alike)', () => {
    const { upstream, clusters } = manager();
    const alike = clusterConfig({ name: 'a.b', statName: 'a.b' });
    clusters.apply(configuration([a, alike]));
    clusters.apply(configuration([alike]));
    expect([...upstream.stats.counters.keys()].filter((name) => name.startsWith('cluster.a.upstream'))).toEqual([]);
    expect(upstream.stats.counters.has('cluster.a.b.upstream_cx_total')).toBe(true);
    expect(upstream.stats.gauges.has('cluster.a.b.membership_total')).toBe(true);
    clusters.apply(configuration([{ ...alike }]));
    expect(upstream.stats.counters.has('cluster.a.b.upstream_cx_total')).toBe(true);
  });

  it('ends everything on destroyAll, clusters that are leaving too', () => {
    const { upstream, clusters } = manager();
    clusters.apply(configuration([a, clusterConfig({ name: 'c', statName: 'c' })]));
    const requests = ['a', 'c'].map((name) => new ScriptedRequest(clusters.cluster(name)!).ask());
    upstream.connectAll();
    clusters.apply(configuration([a]));
    clusters.destroyAll();
    expect(requests.map(({ finished }) => finished)).toEqual([true, true]);
    expect(upstream.wheel.armedCount).toBe(0);
    expect(clusters.leavingCount).toBe(0);
  });

  it('a changed cluster with health checks takes over once its hosts were checked; until then the one before serves', () => {
    const { upstream, clusters } = manager();
    const config = clusterConfig({ healthCheck: checkConfig() });
    clusters.apply(configuration([config]));
    for (const transport of upstream.transports) transport.connect();
    const first = clusters.cluster('payments');
    const changed = { ...config, connectTimeoutMs: 2_000 };
    clusters.apply(configuration([changed]));
    expect(clusters.cluster('payments')).toBe(first);
    // What did not change goes on warming.
    clusters.apply(configuration([changed]));
    expect(clusters.cluster('payments')).toBe(first);
    for (const transport of upstream.transports) transport.fail();
    expect(clusters.cluster('payments')!.config).toBe(changed);
    // One that is changed again before it was warm is never used.
    clusters.apply(configuration([{ ...config, connectTimeoutMs: 3_000 }]));
    const last = { ...config, connectTimeoutMs: 4_000 };
    clusters.apply(configuration([last]));
    for (const transport of upstream.transports) transport.connect();
    expect(clusters.cluster('payments')!.config).toBe(last);
    expect(clusters.leavingCount).toBe(0);
    clusters.apply(configuration([]));
    expect(upstream.stats.gauges.get('cluster.payments.health_check.healthy')).toBeUndefined();
  });

  it('shows what /clusters shows', () => {
    const { upstream, clusters } = manager();
    clusters.apply(
      configuration([
        clusterConfig({
          discovery: {
            kind: 'static',
            assignment: assignment(
              locality([endpoint('10.0.0.1:80', { weight: 3, hostname: 'one', health: 'unhealthy' })], { zone: 'z1' }),
            ),
          },
        }),
      ]),
    );
    const request = new ScriptedRequest(clusters.cluster('payments')!).ask();
    upstream.connectAll();
    request.stream!.finish();
    const [status] = clusters.dump();
    expect(status).toMatchObject({
      name: 'payments',
      addedViaApi: true,
      maxConnections: 1_024,
      hosts: [
        {
          address: '10.0.0.1:80',
          cxActive: 1,
          cxTotal: 1,
          rqTotal: 1,
          rqSuccess: 1,
          rqActive: 0,
          healthFlags: '/failed_eds_health',
          weight: 3,
          zone: 'z1',
          hostname: 'one',
          successRate: -1,
        },
      ],
    });
    expect(clustersText(clusters.dump())).toContain(
      'payments::10.0.0.1:80::rq_success::1\npayments::10.0.0.1:80::rq_timeout::0\n',
    );
    expect(JSON.parse(JSON.stringify(clustersJson(clusters.dump())))).toMatchObject({
      cluster_statuses: [
        {
          name: 'payments',
          host_statuses: [
            {
              address: { socket_address: { address: '10.0.0.1', port_value: 80 } },
              health_status: { eds_health_status: 'UNHEALTHY' },
            },
          ],
        },
      ],
    });
  });
});

describe('ClusterManager over real sockets', () => {
  const servers: Array<HttpServer | Http2Server | Http2SecureServer> = [];
  const managers: ClusterManager[] = [];
  /** Added to the clock. */
  let laterMs = 0;
  afterEach(() => {
    laterMs = 0;
    for (const manager of managers.splice(0)) manager.destroyAll();
    for (const server of servers.splice(0)) server.close();
  });

  async function listen<S extends HttpServer | Http2Server | Http2SecureServer>(server: S): Promise<number> {
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  function run(
    port: number,
    more: Partial<ClusterConfig>,
  ): { cluster: Cluster; clusters: ClusterManager; stats: StatStore } {
    const stats = new StatStore();
    const clock = { nowMs: () => systemClock.nowMs() + laterMs, wallMs: systemClock.wallMs };
    const clusters = new ClusterManager({ stats, clock, wheel: new TimerWheel(clock), random: () => 0.5 });
    managers.push(clusters);
    clusters.apply(
      configuration([
        clusterConfig({
          discovery: { kind: 'static', assignment: assignment(locality([endpoint(`127.0.0.1:${port}`)])) },
          ...more,
        }),
      ]),
    );
    return { cluster: clusters.cluster('payments')!, clusters, stats };
  }

  const tls = {
    certificates: [storefront],
    trustedCaPem: caPem,
    subjectAltNames: [{ type: 'uri', exact: 'spiffe://cluster.local/ns/shop/sa/orders' }],
    alpn: [],
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    serverName: 'orders.shop',
  } as const;
  const serverTls = { cert: orders.chainPem, key: orders.keyPem, ca: caPem, requestCert: true };

  it('speaks HTTP/1 to a node:http server, on one connection', async () => {
    const port = await listen(createHttpServer((request, response) => void request.pipe(response)));
    const { cluster, clusters, stats } = run(port, { protocol: 'http1' });
    expect(await fetchOver(cluster, 'one')).toEqual({ status: 200, text: 'one', protocol: 'http1', reused: false });
    expect(await fetchOver(cluster, 'two')).toEqual({ status: 200, text: 'two', protocol: 'http1', reused: true });
    clusters.collect();
    expect(stats.counters.get('cluster.payments.upstream_cx_total')!.value).toBe(1);
    expect(stats.counters.get('cluster.payments.upstream_cx_tx_bytes_total')!.value).toBeGreaterThan(50);
    expect(stats.counters.get('cluster.payments.upstream_cx_rx_bytes_total')!.value).toBeGreaterThan(50);
  });

  it('speaks HTTP/2 with prior knowledge to a node:http2 server', async () => {
    const port = await listen(createHttp2Server((request, response) => void request.pipe(response)));
    const { cluster, stats } = run(port, { protocol: 'http2' });
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => fetchOver(cluster, `body ${i}`)));
    expect(answers.map(({ text }) => text)).toEqual(Array.from({ length: 20 }, (_, i) => `body ${i}`));
    expect(stats.counters.get('cluster.payments.upstream_cx_http2_total')!.value).toBe(1);
  });

  it('speaks HTTP/1 and HTTP/2 over mTLS as ALPN says', async () => {
    const http1Port = await listen(createHttpsServer(serverTls, (request, response) => void request.pipe(response)));
    const http2Port = await listen(
      createSecureServer({ ...serverTls, allowHTTP1: true }, (request, response) => void request.pipe(response)),
    );
    const one = run(http1Port, { protocol: 'auto', tls });
    expect(await fetchOver(one.cluster, 'mtls')).toMatchObject({ text: 'mtls', protocol: 'http1' });
    expect(one.stats.counters.get('cluster.payments.ssl.handshake')!.value).toBe(1);
    const two = run(http2Port, { protocol: 'auto', tls });
    expect(await fetchOver(two.cluster, 'mtls')).toMatchObject({ text: 'mtls', protocol: 'http2' });
  });

  it('resumes TLS sessions to the same host', async () => {
    const port = await listen(
      createHttpsServer(serverTls, (request, response) => {
        response.setHeader('connection', 'close');
        request.pipe(response);
      }),
    );
    const { cluster, stats } = run(port, { protocol: 'http1', tls });
    for (let i = 0; i < 3; i++) await fetchOver(cluster, 'again');
    expect(stats.counters.get('cluster.payments.ssl.session_reused')!.value).toBeGreaterThanOrEqual(1);
  });

  it('refuses a host whose certificate is of somebody else', async () => {
    const port = await listen(
      createHttpsServer(
        { ...serverTls, cert: storefront.chainPem, key: storefront.keyPem },
        (request, response) => void request.pipe(response),
      ),
    );
    const { cluster, stats } = run(port, { protocol: 'http1', tls });
    await expect(fetchOver(cluster)).rejects.toThrow('wanted is uri:spiffe://cluster.local/ns/shop/sa/orders');
    expect(stats.counters.get('cluster.payments.ssl.connection_error')!.value).toBe(1);
  });

  it.each(['http1', 'http2'] as const)(
    'fails no request while endpoints and the cluster itself change all the time (%s)',
    async (protocol) => {
      const serve = (): HttpServer | Http2Server =>
        protocol === 'http1'
          ? createHttpServer((request, response) => void request.pipe(response))
          : createHttp2Server((request, response) => void request.pipe(response));
      const ports = [await listen(serve()), await listen(serve()), await listen(serve())];
      const base = clusterConfig({ protocol, discovery: { kind: 'eds', serviceName: 'payments' } });
      const { clusters } = run(ports[0]!, { protocol });
      const endpointsOf = (round: number): LoadAssignmentConfig =>
        assignment(
          locality(
            ports.filter((_, i) => round % 4 === 3 || i !== round % 3).map((port) => endpoint(`127.0.0.1:${port}`)),
          ),
        );
      clusters.apply(configuration([base], { payments: endpointsOf(0) }));
      const calls = { left: 600 };
      let answered = 0;
      const caller = async (): Promise<void> => {
        while (calls.left-- > 0) {
          const { text } = await fetchOver(clusters.cluster('payments')!, `request ${calls.left}`);
          if (text.startsWith('request ')) answered++;
        }
      };
      const all = Promise.all(Array.from({ length: 12 }, caller));
      let round = 0;
      while (calls.left > 0) {
        round++;
        clusters.apply(configuration([round % 5 === 0 ? { ...base } : base], { payments: endpointsOf(round) }));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await all;
      expect(answered).toBe(600);
      expect(clusters.leavingCount).toBeLessThan(600);
    },
  );

  it("keeps away from a node:http server's idle timeout by its Keep-Alive hint", async () => {
    const server = createHttpServer({ keepAliveTimeout: 1_000 }, (request, response) => void request.pipe(response));
    const port = await listen(server);
    const { cluster, stats } = run(port, { protocol: 'http1' });
    await fetchOver(cluster, 'x');
    laterMs = 850;
    expect(await fetchOver(cluster, 'x')).toMatchObject({ reused: false });
    expect(stats.counters.get('cluster.payments.upstream_cx_idle_timeout')!.value).toBe(1);
  });
});

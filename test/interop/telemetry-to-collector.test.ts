/** The OpenTelemetry Collector takes what our exporters send, by every protocol; and from a stock Envoy under our control plane, which takes everything of a Telemetry document that it is sent. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ClusterManager } from '../../sidecar/cluster/cluster-manager.ts';
import type { TracingProviderConfig } from '../../sidecar/config/tracing-config.ts';
import { systemClock } from '../../sidecar/runtime/clock.ts';
import { Log } from '../../sidecar/runtime/log.ts';
import { TimerWheel } from '../../sidecar/runtime/timer-wheel.ts';
import { StatStore } from '../../sidecar/stats/stat-store.ts';
import { SpanExporters } from '../../sidecar/tracing/export/span-exporters.ts';
import { otlpProvider, span, zipkinProvider } from '../../sidecar/tracing/export/test/spans.ts';
import { decodeBootstrap } from '../../sidecar/xds/bootstrap-file.ts';
import { freePorts } from '../peers/free-port.ts';
import { waitFor } from '../peers/started-program.ts';
import { adsBootstrap, type Json } from './envoy-resources.ts';
import { ask } from './exchange.ts';
import { mesh, service } from './mesh-configuration.ts';
import { OtelCollector } from './otel-collector.ts';
import { type RunningProxy, Stage } from './programs.ts';

const stage = new Stage();
let collector: OtelCollector;

beforeAll(async () => {
  const folder = join(stage.folder, 'collector');
  mkdirSync(folder);
  collector = await OtelCollector.start(folder);
});
afterAll(async () => {
  await collector?.stop();
  await stage.stop();
});

describe('spans of two hops', () => {
  const queue = { maxQueueSpans: 64, maxQueueBytes: 1_000_000, maxBatchSpans: 8, delayMs: 10 };

  it.each([
    ['grpc', 'a1', (): TracingProviderConfig => otlpProvider({ cluster: 'grpc', queue, serviceName: '' })],
    [
      'http',
      'a2',
      (): TracingProviderConfig => otlpProvider({ transport: 'http', cluster: 'http', queue, serviceName: '' }),
    ],
    ['zipkin', 'a3', (): TracingProviderConfig => zipkinProvider({ cluster: 'zipkin', queue, serviceName: '' })],
  ])('are one trace with their parents in the collector, by %s', async (_, first, provider) => {
    const traceId = first.repeat(16);
    const wheel = new TimerWheel(systemClock);
    const clusters = clustersTo(wheel);
    const exporterOf = (named: string): SpanExporters =>
      new SpanExporters({
        ...{ clusters, clock: systemClock, wheel, random: () => 0.5, stats: new StatStore() },
        log: new Log(systemClock, 'off', false, () => {}),
        ...{ service: named, instance: `${named}-1`, lingerMs: 0, version: '1' },
      });
    const ids = ['01', '02', '03'].map((end) => `00000000000000${end}`) as [string, string, string];
    const now = Date.now();
    const times = { startWallMs: now - 20, endWallMs: now };
    const storefront = exporterOf('storefront');
    const orders = exporterOf('orders');
    storefront
      .sink(provider())
      .offer([
        span({ ...times, traceId, spanId: ids[0], name: 'GET /buy' }),
        span({ ...times, traceId, spanId: ids[1], parentSpanId: ids[0], kind: 'client' }),
      ]);
    orders
      .sink(provider())
      .offer([span({ ...times, traceId, spanId: ids[2], parentSpanId: ids[1], failed: true, statusMessage: 'UH' })]);
    const spans = await waitFor('the spans', 10_000, () => {
      const found = collector.spans().filter((each) => each.traceId === traceId);
      return found.length === 3 ? found : null;
    });
    expect(
      Object.fromEntries(
        spans.map(({ spanId, parentSpanId = '', kind, service: of }) => [spanId, [of, kind, parentSpanId]]),
      ),
    ).toEqual({
      [ids[0]]: ['storefront', 2, ''],
      [ids[1]]: ['storefront', 3, ids[0]],
      [ids[2]]: ['orders', 2, ids[1]],
    });
    expect(spans.find(({ spanId }) => spanId === ids[2])!.status?.code).toBe(2);
    await Promise.all([storefront.close(1000), orders.close(1000)]);
    clusters.destroyAll();
  });

  function clustersTo(wheel: TimerWheel): ClusterManager {
    const { grpcPort, httpPort, zipkinPort } = collector;
    const cluster = (name: string, port: number, http2: boolean): object => ({
      name,
      type: 'STATIC',
      load_assignment: {
        cluster_name: name,
        endpoints: [
          { lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } }] },
        ],
      },
      ...(http2
        ? {
            typed_extension_protocol_options: {
              'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
                '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
                explicit_http_config: { http2_protocol_options: {} },
              },
            },
          }
        : {}),
    });
    const list = [
      cluster('grpc', grpcPort, true),
      cluster('http', httpPort, false),
      cluster('zipkin', zipkinPort, false),
    ];
    const decoded = decodeBootstrap({ node: { id: 'a', cluster: 'b' }, static_resources: { clusters: list } }, 0);
    if (!decoded.ok) throw new Error(JSON.stringify(decoded.faults));
    const clusters = new ClusterManager({ stats: new StatStore(), clock: systemClock, wheel, random: () => 0 });
    const none = new Map<string, never>();
    clusters.apply({ listeners: none, clusters: decoded.bootstrap.clusters, routeTables: none, assignments: none });
    return clusters;
  }
});

describe('a stock Envoy under our control plane', () => {
  let envoy: RunningProxy;
  let inbound: number;
  const file = join(stage.folder, 'mesh.yaml');

  beforeAll(async () => {
    const [xdsPort, controlPlaneAdmin, proxyAdmin, outbound, port] = (await freePorts(5)) as [
      number,
      number,
      number,
      number,
      number,
    ];
    inbound = port;
    const appPort = (await stage.backend('app')).httpPort;
    const address = `127.0.0.1:${collector.grpcPort}`;
    const telemetry: Json = {
      apiVersion: 'outrigger.dev/v1',
      kind: 'Telemetry',
      metadata: { name: 'all', namespace: 'outrigger' },
      spec: {
        tracing: {
          sampling: 100,
          exporters: [{ otlp: { address } }],
          tags: [
            { name: 'team', value: 'blue' },
            { name: 'tenant', header: 'x-tenant' },
            { name: 'zone', environment: 'ZONE', default: 'z' },
          ],
        },
        accessLog: {
          mode: 'all',
          filter: {
            minStatus: 200,
            share: 100,
            headers: [{ name: 'x-tenant' }],
            cel: "request.method == 'GET'",
          },
          to: [
            { file: { path: join(stage.folder, 'access.log') } },
            { stdout: {} },
            { otlp: { address } },
            { als: { address: '127.0.0.1:1' } },
          ],
        },
      },
    };
    writeFileSync(file, mesh(service('orders', [appPort]), telemetry));
    const dataFolder = join(stage.folder, 'data');
    await stage.controlPlane({ config: file, port: xdsPort, adminPort: controlPlaneAdmin, dataFolder });
    const node = {
      id: 'telling',
      cluster: 'shop/orders',
      metadata: {
        app_port: appPort,
        outbound_listen: `127.0.0.1:${outbound}`,
        inbound_listen: `127.0.0.1:${inbound}`,
      },
    };
    envoy = await stage.envoy(adsBootstrap({ node, adminPort: proxyAdmin, xdsPort, variant: 'DELTA_GRPC' }));
  });

  it('takes tracing and access logs of a Telemetry document, and tells the collector', async () => {
    const traceId = 'b4'.repeat(16);
    await waitFor('the listener', 15_000, () =>
      ask(inbound, { path: '/' }).then(
        ({ status }) => status === 200,
        () => false,
      ),
    );
    expect(await envoy.admin('/stats?filter=lds.update_rejected')).toMatch(/update_rejected: 0/);
    expect(await envoy.admin('/stats?filter=cds.update_rejected')).toMatch(/update_rejected: 0/);
    await ask(inbound, {
      path: '/traced',
      headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01`, 'x-tenant': 't1' },
    });
    const spans = await waitFor('its spans', 15_000, () => {
      const found = collector.spans().filter((each) => each.traceId === traceId);
      return found.length > 0 ? found : null;
    });
    expect(spans.map((each) => each.service)).toContain('orders');
    expect(JSON.stringify(spans)).toMatch(/"team".*blue/);
    expect(JSON.stringify(spans)).toMatch(/"tenant".*t1/);
    await waitFor('its log', 15_000, () => collector.logs().some((line) => line.includes('/traced')));
  });
});

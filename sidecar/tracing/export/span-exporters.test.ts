/** Exporters against servers that are not ours, on real sockets, with a clock that stands still until the test moves it. */
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ClusterManager } from '../../cluster/cluster-manager.ts';
import type { TracingProviderConfig } from '../../config/tracing-config.ts';
import { ManualTime } from '../../connection-manager/test/manual-time.ts';
import { GrpcPeer, type PeerHandler } from '../../grpc/test/grpc-peer.ts';
import { systemClock } from '../../runtime/clock.ts';
import { Log } from '../../runtime/log.ts';
import { TimerWheel } from '../../runtime/timer-wheel.ts';
import { StatStore } from '../../stats/stat-store.ts';
import { decodeBootstrap } from '../../xds/bootstrap-file.ts';
import { SpanExporters } from './span-exporters.ts';
import { otlpProvider, spans, zipkinProvider } from './test/spans.ts';

const closing: Array<() => Promise<unknown>> = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

class Rig {
  readonly time = new ManualTime();
  readonly stats = new StatStore();
  readonly lines: string[] = [];
  readonly exporters: SpanExporters;

  constructor(clusters: ClusterManager) {
    this.exporters = new SpanExporters({
      clusters,
      clock: this.time,
      wheel: this.time.wheel,
      random: () => 1,
      log: new Log(this.time, 'info', false, (line) => this.lines.push(line)),
      stats: this.stats,
      service: 'shop/orders',
      instance: 'orders-1',
      version: '1',
      lingerMs: 60_000,
    });
    closing.push(() => this.exporters.close(0));
  }

  /** Of all exporters, by name and reason. */
  count(family: string, reason = ''): number {
    let sum = 0;
    for (const { name, labels, value } of this.stats.counters.values())
      if (name === `outrigger_tracing_${family}_total` && (reason === '' || labels['reason'] === reason)) sum += value;
    return sum;
  }

  /** Moves on until it holds. */
  async until(holds: () => boolean): Promise<void> {
    for (let turns = 0; !holds(); turns++) {
      if (turns > 20_000) throw new Error('it never came to hold');
      this.time.advance(8);
      await new Promise(setImmediate);
    }
  }
}

async function overGrpc(handler: PeerHandler): Promise<{ readonly rig: Rig; readonly peer: GrpcPeer }> {
  const peer = await GrpcPeer.start(handler);
  const rig = new Rig(peer.clusters);
  closing.push(() => peer.close());
  return { rig, peer };
}

interface Received {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

async function overHttp(
  answer: (response: ServerResponse, received: Received) => void,
): Promise<{ readonly rig: Rig; readonly received: readonly Received[]; readonly server: Server }> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const one = { url: request.url!, headers: request.headers, body: Buffer.concat(chunks) };
      received.push(one);
      answer(response, one);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const clusters = clustersTo(port);
  closing.push(async () => {
    clusters.destroyAll();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { rig: new Rig(clusters), received, server };
}

/** Cluster `xds`, over HTTP/1.1. */
function clustersTo(port: number): ClusterManager {
  const clusters = new ClusterManager({
    stats: new StatStore(),
    clock: systemClock,
    wheel: new TimerWheel(systemClock),
    random: () => 0,
  });
  const address = { socket_address: { address: '127.0.0.1', port_value: port } };
  const decoded = decodeBootstrap(
    {
      node: { id: 'a', cluster: 'b' },
      static_resources: {
        clusters: [
          {
            name: 'xds',
            type: 'STATIC',
            load_assignment: {
              cluster_name: 'xds',
              endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
            },
          },
        ],
      },
    },
    0,
  );
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.faults));
  clusters.apply({
    listeners: new Map(),
    clusters: decoded.bootstrap.clusters,
    routeTables: new Map(),
    assignments: new Map(),
  });
  return clusters;
}

const http = (more: Parameters<typeof otlpProvider>[0] = {}): TracingProviderConfig =>
  otlpProvider({ transport: 'http', authority: 'otel.example:4318', headers: [['x-key', 'k']], ...more });

describe('OTLP over gRPC', () => {
  it('is one call a batch, with its metadata and its deadline', async () => {
    const { rig, peer } = await overGrpc({ onHalfClose: (call) => call.end(0) });
    rig.exporters.sink(otlpProvider({ headers: [['x-key', 'k']] })).offer(spans(3));
    await rig.until(() => rig.count('spans_sent') === 3);
    expect(peer.calls).toHaveLength(1);
    expect(peer.calls[0]!.path).toBe('/opentelemetry.proto.collector.trace.v1.TraceService/Export');
    expect(peer.calls[0]!.headers).toMatchObject({ ':authority': 'collector', 'x-key': 'k', 'grpc-timeout': '10000m' });
    expect(rig.stats.counter('tracing.opentelemetry.spans_sent').value).toBe(3);
  });

  it('comes again after UNAVAILABLE, and says both in the log once', async () => {
    let calls = 0;
    const { rig } = await overGrpc({ onHalfClose: (call) => call.end(++calls < 3 ? 14 : 0, 'busy') });
    rig.exporters.sink(otlpProvider()).offer(spans(3));
    await rig.until(() => rig.count('spans_sent') === 3);
    expect(rig.count('export_failures', 'connection')).toBe(2);
    expect(rig.lines.map((line) => line.replace(/^.*tracing: /, '').trim())).toEqual([
      'xds does not take spans (gRPC status 14: busy); they wait, and are dropped when there are too many',
      'xds takes spans again',
    ]);
  });

  it.each([3, 7, 12, 16])('does not come again after status %i', async (code) => {
    const { rig } = await overGrpc({ onHalfClose: (call) => call.end(code) });
    rig.exporters.sink(otlpProvider()).offer(spans(3));
    await rig.until(() => rig.count('spans_dropped', 'failed') === 3);
    expect(rig.count('export_failures', 'status')).toBe(1);
  });

  it('counts an answer that makes no sense, and does not send the batch again', async () => {
    const { rig } = await overGrpc({
      onHalfClose: (call) => {
        call.send(Buffer.from([0xff, 0xff, 0xff]));
        call.end(0);
      },
    });
    rig.exporters.sink(otlpProvider()).offer(spans(3));
    await rig.until(() => rig.count('export_failures', 'answer') === 1);
    expect(rig.count('spans_dropped', 'failed')).toBe(3);
  });

  it('holds no more than its bound while the collector hangs, and ends in time', async () => {
    const { rig } = await overGrpc({});
    const sink = rig.exporters.sink(otlpProvider());
    for (let i = 0; i < 100; i++) sink.offer(spans(10));
    await rig.until(() => rig.count('export_failures', 'timeout') === 1);
    for (let i = 0; i < 100; i++) sink.offer(spans(10));
    // 64 wait, 8 are under way.
    expect(rig.count('spans_dropped', 'queue')).toBeGreaterThanOrEqual(2000 - 64 - 8 - 8);
    const closed = rig.exporters.close(1500);
    await rig.time.passUntil(closed);
    expect(rig.count('spans_sent')).toBe(0);
    expect(rig.count('spans_dropped')).toBe(2000);
    expect(rig.time.wheel.armedCount).toBe(0);
  });

  it('waits for a collector that is not there, or whose cluster is not', async () => {
    const { rig, peer } = await overGrpc({ onHalfClose: (call) => call.end(0) });
    await peer.close();
    rig.exporters.sink(otlpProvider({ cluster: 'nowhere' })).offer(spans(1));
    await rig.until(() => rig.count('export_failures', 'cluster') === 2);
    expect(rig.count('spans_dropped')).toBe(0);
    rig.exporters.sink(otlpProvider()).offer(spans(1));
    await rig.until(() => rig.count('export_failures', 'connection') + rig.count('export_failures', 'cluster') > 4);
  });
});

describe('OTLP over HTTP', () => {
  it('is a POST of binary protobuf a batch', async () => {
    const { rig, received } = await overHttp((response) => response.writeHead(200).end());
    rig.exporters.sink(http()).offer(spans(2));
    await rig.until(() => rig.count('spans_sent') === 2);
    const [one] = received;
    expect(one!.url).toBe('/v1/traces');
    expect(one!.headers).toMatchObject({
      host: 'otel.example:4318',
      'content-type': 'application/x-protobuf',
      'content-length': String(one!.body.length),
      'x-key': 'k',
    });
    expect(one!.body.includes(Buffer.from('b7ad6b7169203331', 'hex'))).toBe(false);
    expect(one!.body.includes(Buffer.from('0af7651916cd43dd8448eb211c80319c', 'hex'))).toBe(true);
  });

  it('comes again after 503, not before Retry-After says', async () => {
    const { rig, received } = await overHttp((response) => {
      if (received.length === 1) response.writeHead(503, { 'retry-after': '7' }).end();
      else response.writeHead(200).end();
    });
    rig.exporters.sink(http()).offer(spans(2));
    await rig.until(() => received.length === 1 && rig.count('export_failures', 'status') === 1);
    rig.time.advance(6900);
    await new Promise(setImmediate);
    expect(received).toHaveLength(1);
    await rig.until(() => rig.count('spans_sent') === 2);
  });

  it.each([400, 401, 404, 413, 500])('does not come again after %i', async (status) => {
    const { rig, received } = await overHttp((response) => response.writeHead(status).end('no'));
    rig.exporters.sink(http()).offer(spans(2));
    await rig.until(() => rig.count('spans_dropped', 'failed') === 2);
    expect(received).toHaveLength(1);
  });

  it('takes a page of HTML, or more than it reads, for what it is', async () => {
    const { rig } = await overHttp((response, { url }) =>
      response
        .writeHead(200, { 'content-type': url === '/v1/traces' ? 'text/html' : 'application/x-protobuf' })
        .end(Buffer.alloc(url === '/v1/traces' ? 100 : 200_000)),
    );
    rig.exporters.sink(http()).offer(spans(2));
    rig.exporters.sink(http({ path: '/long' })).offer(spans(2));
    await rig.until(() => rig.count('export_failures', 'answer') === 2);
    expect(rig.count('spans_dropped', 'failed')).toBe(4);
  });
});

describe('Zipkin', () => {
  it('is a POST of JSON a batch', async () => {
    const { rig, received } = await overHttp((response) => response.writeHead(202).end());
    rig.exporters.sink(zipkinProvider({ serviceName: '' })).offer(spans(2));
    await rig.until(() => rig.count('spans_sent') === 2);
    expect(received[0]!.headers).toMatchObject({ host: 'xds', 'content-type': 'application/json' });
    expect(JSON.parse(received[0]!.body.toString())).toMatchObject([
      { localEndpoint: { serviceName: 'shop/orders' } },
      {},
    ]);
    expect(rig.stats.counter('tracing.zipkin.reports_sent').value).toBe(1);
  });
});

describe('exporters', () => {
  it('are one for a provider, whoever asks, and every span goes to each of several', async () => {
    const { rig, received } = await overHttp((response) => response.writeHead(200).end());
    expect(rig.exporters.sink(http())).toBe(rig.exporters.sink(http()));
    const providers = [otlpProvider({ transport: 'http' }), zipkinProvider()];
    rig.exporters.sink({ kind: 'several', providers }).offer(spans(2));
    await rig.until(() => rig.count('spans_sent') === 4);
    expect(received.map(({ url }) => url).toSorted()).toEqual(['/api/v2/spans', '/v1/traces']);
  });

  it('that no configuration names any more take spans of connections that are left, and go when there can be none', async () => {
    const { rig } = await overHttp((response) => response.writeHead(200).end());
    const sink = rig.exporters.sink(http());
    sink.offer(spans(2));
    rig.exporters.retain({ listeners: new Map(), clusters: new Map(), routeTables: new Map(), assignments: new Map() });
    await rig.until(() => rig.count('spans_sent') === 2);
    rig.time.advance(30_000);
    sink.offer(spans(1));
    await rig.until(() => rig.count('spans_sent') === 3);
    expect(rig.exporters.running).toBe(1);
    rig.time.advance(30_000);
    await rig.until(() => rig.exporters.running === 0);
    sink.offer(spans(1));
    expect(rig.count('spans_dropped', 'shutdown')).toBe(1);
  });
});

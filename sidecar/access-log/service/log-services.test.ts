import { fromBinary } from '@bufbuild/protobuf';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type StreamAccessLogsMessage,
  StreamAccessLogsMessageSchema,
} from '../../../proto/generated/envoy/service/accesslog/v3/als_pb.js';
import type { AlsConfig, OtlpLogConfig } from '../../config/access-log-config.ts';
import { ManualTime } from '../../connection-manager/test/manual-time.ts';
import { GrpcPeer, type PeerHandler } from '../../grpc/test/grpc-peer.ts';
import { Log } from '../../runtime/log.ts';
import { streamRecord, tcpRecord } from '../test/records.ts';
import type { LogServiceInit } from './log-service.ts';
import { LogServices } from './log-services.ts';

let peer: GrpcPeer | null = null;

afterEach(async () => {
  await peer?.close();
  peer = null;
});

const common = {
  logName: 'shop-log',
  cluster: 'xds',
  authority: 'xds',
  initialMetadata: [['x-tenant', 'blue']],
  flushIntervalMs: 1000,
  bufferBytes: 16_384,
} as const;
const als: AlsConfig = {
  kind: 'als',
  entries: 'http',
  ...common,
  requestHeaders: [],
  responseHeaders: [],
  responseTrailers: [],
};
const otlp: OtlpLogConfig = {
  kind: 'otlp',
  ...common,
  statPrefix: '',
  timeoutMs: 10_000,
  body: null,
  attributes: [],
  resourceAttributes: [],
  builtinLabels: true,
};

class Rig {
  readonly time = new ManualTime();
  readonly lines: string[] = [];
  readonly services: LogServices;
  readonly peer: GrpcPeer;

  constructor(to: GrpcPeer) {
    this.peer = to;
    const init: LogServiceInit = {
      clusters: to.clusters,
      node: { id: 'n1', cluster: 'shop/orders', region: '', zone: 'z', subZone: '', metadata: {} },
      stats: to.stats,
      clock: this.time,
      wheel: this.time.wheel,
      random: () => 1,
      log: new Log(this.time, 'info', false, (line) => this.lines.push(line)),
      farewellMs: 500,
      lingerMs: 60_000,
    };
    this.services = new LogServices(init);
  }

  static async start(handler: PeerHandler): Promise<Rig> {
    peer = await GrpcPeer.start(handler);
    return new Rig(peer);
  }

  counted(name: string): number {
    return this.peer.stats.counters.get(`access_logs.${name}`)?.value ?? 0;
  }
}

describe("Envoy's access log service", () => {
  it('gets entries of one stream in batches, and who sends them in the first message only', async () => {
    const messages: StreamAccessLogsMessage[] = [];
    const rig = await Rig.start({
      onMessage: (_call, message) => messages.push(fromBinary(StreamAccessLogsMessageSchema, message)),
    });
    const take = rig.services.open(als);
    take(streamRecord({ requestId: 'one' }));
    take(streamRecord({ requestId: 'two' }));
    expect(rig.peer.calls).toEqual([]);
    rig.time.advance(1020);
    await expect.poll(() => messages.length).toBe(1);
    take(streamRecord({ requestId: 'three' }));
    rig.time.advance(1020);
    await expect.poll(() => messages.length).toBe(2);
    expect(rig.peer.calls.map(({ path, headers }) => [path, headers['x-tenant']])).toEqual([
      ['/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs', 'blue'],
    ]);
    expect(messages.map(({ identifier }) => [identifier?.logName, identifier?.node?.id])).toEqual([
      ['shop-log', 'n1'],
      [undefined, undefined],
    ]);
    const ids = messages.map(({ logEntries }) =>
      logEntries.case === 'httpLogs'
        ? logEntries.value.logEntry.map((entry) => entry.commonProperties!.streamId)
        : logEntries.case,
    );
    expect(ids).toEqual([['one', 'two'], ['three']]);
    expect([rig.counted('grpc_access_log.logs_written'), rig.counted('grpc_access_log.logs_dropped')]).toEqual([3, 0]);
  });

  it('gets entries at once when there are enough of them (buffer_size_bytes), connections as tcp_logs', async () => {
    const messages: StreamAccessLogsMessage[] = [];
    const rig = await Rig.start({
      onMessage: (_call, message) => messages.push(fromBinary(StreamAccessLogsMessageSchema, message)),
    });
    rig.services.open({ ...als, entries: 'tcp', bufferBytes: 0 })(tcpRecord());
    await expect.poll(() => messages.length).toBe(1);
    expect(messages[0]!.logEntries.case).toBe('tcpLogs');
  });

  it('is asked again on another stream, with who sends, when it ends the first; what came meanwhile waits', async () => {
    const messages: StreamAccessLogsMessage[] = [];
    const rig = await Rig.start({
      onMessage: (call, message) => {
        messages.push(fromBinary(StreamAccessLogsMessageSchema, message));
        if (messages.length === 1) call.end(13, 'no more');
      },
    });
    const take = rig.services.open({ ...als, bufferBytes: 0 });
    take(streamRecord());
    await expect.poll(() => rig.lines.join()).toContain('no more');
    take(streamRecord({ requestId: 'later' }));
    rig.time.advance(520);
    await expect.poll(() => messages.length).toBe(2);
    expect(messages[1]!.identifier?.logName).toBe('shop-log');
    expect(rig.counted('grpc_access_log.logs_dropped')).toBe(0);
  });

  it('costs entries past a bound where nobody listens, counted; told once', async () => {
    const rig = await Rig.start({});
    const { port } = rig.peer;
    await rig.peer.close();
    rig.peer.apply(port);
    const take = rig.services.open(als);
    const long = streamRecord({ originalPath: `/${'x'.repeat(60_000)}`, details: 'd'.repeat(60_000) });
    for (let i = 0; i < 40; i++) take(long);
    await expect.poll(() => rig.lines.length).toBe(1);
    rig.time.advance(10_000);
    const written = rig.counted('grpc_access_log.logs_written');
    expect(written).toBeLessThan(20);
    expect(written + rig.counted('grpc_access_log.logs_dropped')).toBe(40);
    expect(rig.lines.length).toBe(1);
  });

  it('costs no more than the bound where it never reads, and is tried again on another stream', async () => {
    const rig = await Rig.start({ onCall: (call) => call.stream.pause() });
    const take = rig.services.open({ ...als, bufferBytes: 1 });
    const long = streamRecord({ details: 'd'.repeat(60_000) });
    take(long);
    await expect.poll(() => rig.peer.calls.length).toBe(1);
    for (let i = 0; i < 200; i++) take(long);
    expect(rig.counted('grpc_access_log.logs_dropped')).toBeGreaterThan(100);
    await new Promise((resolve) => setImmediate(resolve));
    for (let s = 0; s < 40; s++) rig.time.advance(1020);
    await expect.poll(() => rig.peer.calls.length).toBe(2);
  });

  it('is not listened to: what it says ends nothing but its own stream', async () => {
    const rig = await Rig.start({
      onMessage: (call) => {
        call.stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
        call.stream.write(Buffer.from('\xff\xff\xff\xff garbage', 'latin1'));
      },
    });
    rig.services.open({ ...als, bufferBytes: 0 })(streamRecord());
    await expect.poll(() => rig.lines.join()).toContain('prefix is broken');
  });

  it('gets what is left when the sidecar ends, and is not waited for longer than half a second', async () => {
    const messages: string[] = [];
    const rig = await Rig.start({
      onMessage: (_call, message) => messages.push(String(message.length)),
      onHalfClose: (call) => call.end(0),
    });
    rig.services.open(als)(streamRecord());
    await rig.services.close();
    expect(messages.length).toBe(1);
    const hanging = await Rig.start({});
    hanging.services.open(als)(streamRecord());
    const closed = hanging.services.close();
    hanging.time.advance(520);
    await closed;
  });

  it('is told the end once, behind all entries; what comes after that is lost and counted', async () => {
    let messages = 0;
    const rig = await Rig.start({ onMessage: () => void messages++ });
    const take = rig.services.open(als);
    take(streamRecord());
    rig.time.advance(1020);
    await expect.poll(() => messages).toBe(1);
    take(streamRecord());
    const closed = rig.services.close();
    for (let i = 0; i < 100; i++) take(streamRecord());
    expect([rig.counted('grpc_access_log.logs_written'), rig.counted('grpc_access_log.logs_dropped')]).toEqual([
      2, 100,
    ]);
    await expect.poll(() => messages).toBe(2);
    rig.time.advance(520);
    await closed;
    expect(messages).toBe(2);
  });
});

describe("OpenTelemetry's logs service", () => {
  it('gets an ExportLogsServiceRequest with time, body, attributes and resource', async () => {
    const messages: Buffer[] = [];
    const rig = await Rig.start({
      onMessage: (call, message) => {
        messages.push(message);
        call.send(Buffer.alloc(0));
        call.end(0);
      },
    });
    const take = rig.services.open({
      ...otlp,
      body: '%REQ(:METHOD)% %RESPONSE_FLAGS%',
      attributes: [
        ['code', '%RESPONSE_CODE%'],
        ['nested', { fields: [['list', { list: [1, true, 'x'] }]] }],
      ],
      resourceAttributes: [['service.name', 'orders']],
    });
    take(streamRecord());
    rig.time.advance(1020);
    await expect.poll(() => messages.length).toBe(1);
    expect(rig.peer.calls[0]!.path).toBe('/opentelemetry.proto.collector.logs.v1.LogsService/Export');
    const text = messages[0]!.toString('latin1');
    for (const part of [
      'GET -',
      'code',
      '200',
      'nested',
      'service.name',
      'orders',
      'log_name',
      'shop-log',
      'shop/orders',
    ])
      expect(text).toContain(part);
  });

  it('gets all that waits in one batch: buffer_size_bytes says when one goes, not how much is in it', async () => {
    const messages: Buffer[] = [];
    const rig = await Rig.start({
      onMessage: (call, message) => {
        messages.push(Buffer.from(message));
        call.send(Buffer.alloc(0));
        call.end(0);
      },
    });
    const take = rig.services.open({ ...otlp, bufferBytes: 0, body: 'one-%REQ(:METHOD)%' });
    for (let i = 0; i < 4_000; i++) take(streamRecord());
    rig.time.advance(16);
    await expect.poll(() => messages.length).toBe(1);
    expect(messages[0]!.toString('latin1').split('one-GET').length - 1).toBe(4_000);
    expect(rig.counted('open_telemetry_access_log.logs_dropped')).toBe(0);
  });

  it('is told the trace and the span of a record in their own fields', async () => {
    const messages: Buffer[] = [];
    const rig = await Rig.start({
      onMessage: (call, message) => {
        messages.push(message);
        call.send(Buffer.alloc(0));
        call.end(0);
      },
    });
    const take = rig.services.open({ ...otlp, bufferBytes: 0, body: 'a' });
    const [traceId, spanId] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'];
    take(streamRecord({ traceId, spanId }));
    rig.time.advance(16);
    await expect.poll(() => messages.length).toBe(1);
    // LogRecord.trace_id = 9 and .span_id = 10, bytes.
    expect(messages[0]!.toString('hex')).toContain(`4a10${traceId}5208${spanId}`);
  });

  it('brings a batch again when the collector was away, and gives up in the end; told once', async () => {
    let asked = 0;
    const rig = await Rig.start({
      onHalfClose: (call) => {
        asked++;
        call.end(14, 'not now');
      },
    });
    rig.services.open({ ...otlp, bufferBytes: 0 })(streamRecord());
    rig.time.advance(16);
    for (let tries = 1; tries <= 5; tries++) {
      await expect.poll(() => asked).toBe(tries);
      // The call has ended when its cluster has it back.
      await expect.poll(() => rig.peer.gauge('upstream_rq_active')).toBe(0);
      rig.time.advance(1000 * 2 ** (tries - 1) + 20);
    }
    await expect.poll(() => rig.counted('open_telemetry_access_log.logs_dropped')).toBe(1);
    expect(rig.lines.map((line) => line.replace(/^.*access log/, 'access log').trim())).toEqual([
      'access log collector xds (shop-log) does not take entries (gRPC status 14: not now); they wait, and are dropped when there are too many',
    ]);
  });

  it('does not bring again what the collector refuses, and counts what it turned down', async () => {
    let asked = 0;
    const rig = await Rig.start({
      onHalfClose: (call) => {
        if (++asked === 1) {
          // partial_success.rejected_log_records = 1
          call.send(Buffer.from([0x0a, 0x02, 0x08, 0x01]));
          call.end(0);
        } else call.end(3, 'bad');
      },
    });
    const take = rig.services.open({ ...otlp, bufferBytes: 0, statPrefix: 'mine' });
    take(streamRecord());
    rig.time.advance(16);
    await expect.poll(() => rig.counted('open_telemetry_access_log.mine.logs_dropped')).toBe(1);
    expect(rig.lines.join()).toContain('took a batch without 1 of its entries');
    take(streamRecord());
    rig.time.advance(1020);
    await expect.poll(() => rig.counted('open_telemetry_access_log.mine.logs_dropped')).toBe(2);
    expect(asked).toBe(2);
  });

  it('gives a collector up that hangs', async () => {
    const rig = await Rig.start({});
    rig.services.open({ ...otlp, bufferBytes: 0 })(streamRecord());
    rig.time.advance(16);
    await expect.poll(() => rig.peer.calls.length).toBe(1);
    expect(rig.peer.calls[0]!.headers['grpc-timeout']).toBe('10000m');
    rig.time.advance(10_020);
    expect(rig.lines[0]).toContain('no answer within 10000 ms');
  });

  it('gets what is left when the sidecar ends; then entries are counted as lost', async () => {
    let bytes = 0;
    const rig = await Rig.start({
      onMessage: (_call, message) => void (bytes += message.length),
      onHalfClose: (call) => call.end(0),
    });
    const take = rig.services.open(otlp);
    take(streamRecord());
    await rig.services.close();
    expect(bytes).toBeGreaterThan(100);
    take(streamRecord());
    expect([
      rig.counted('open_telemetry_access_log.logs_written'),
      rig.counted('open_telemetry_access_log.logs_dropped'),
    ]).toEqual([1, 1]);
  });
});

it('a service that is in no configuration any more takes what older connections log, and ends when there can be none; the same configuration is the same stream', async () => {
  const rig = await Rig.start({ onHalfClose: (call) => call.end(0) });
  const take = rig.services.open(als);
  expect(rig.services.open({ ...als })).toBe(take);
  rig.services.retain([]);
  take(streamRecord());
  rig.time.advance(1_020);
  await expect.poll(() => rig.peer.calls.length).toBe(1);
  expect(rig.peer.gauge('upstream_rq_active')).toBe(1);
  rig.time.advance(59_000);
  await expect.poll(() => rig.peer.gauge('upstream_rq_active')).toBe(0);
  take(streamRecord());
  expect(rig.counted('grpc_access_log.logs_dropped')).toBe(1);
});

/**
 * What observing costs a request, without sockets and codecs: a connection manager between peers that do nothing, with log and traces off and on in turn, in one process. Prints microseconds of CPU time of the whole process (with
 * garbage collection and the writing of the file) per request, and what each adds. Run: node --max-semi-space-size=1 bench/micro/observing.ts [seconds per turn] [turns] [part of a name]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProtobufWriter } from '../../metrics/protobuf-writer.ts';
import { AccessLogFiles } from '../../sidecar/access-log/access-log-sink.ts';
import type { Cluster, Host, PendingStream, StreamRequest } from '../../sidecar/cluster/upstream.ts';
import type { ClientStream, ServerStream } from '../../sidecar/codec/codec.ts';
import { HeaderFields } from '../../sidecar/codec/header-fields.ts';
import { RequestHead, ResponseHead } from '../../sidecar/codec/message-head.ts';
import type { AccessLogConfig, LogFormatConfig } from '../../sidecar/config/access-log-config.ts';
import type { ClusterConfig } from '../../sidecar/config/cluster-config.ts';
import type { TracingConfig } from '../../sidecar/config/tracing-config.ts';
import { ActiveStream } from '../../sidecar/connection-manager/active-stream.ts';
import { HttpConnectionManager } from '../../sidecar/connection-manager/http-connection-manager.ts';
import type { DownstreamConnectionInfo, HttpContext } from '../../sidecar/connection-manager/http-context.ts';
import { anyPath, forward, managerConfig, route, routeTable } from '../../sidecar/connection-manager/test/configs.ts';
import { BatchExporter } from '../../sidecar/export/batch-exporter.ts';
import { systemClock } from '../../sidecar/runtime/clock.ts';
import { Log } from '../../sidecar/runtime/log.ts';
import { TimerWheel } from '../../sidecar/runtime/timer-wheel.ts';
import { StatStore } from '../../sidecar/stats/stat-store.ts';
import { encodeSpan, type OtlpResource, writeTraces } from '../../sidecar/tracing/export/otlp-trace-message.ts';
import { SpanQueue } from '../../sidecar/tracing/export/span-queue.ts';
import { benchLogFields } from '../peers/envoy-bootstrap.ts';

const seconds = Number(process.argv[2] ?? 0.5);
const turns = Number(process.argv[3] ?? 8);
/** Part of the names of those that are measured beside the first. */
const only = process.argv[4] ?? '';
/** Requests that end in one turn of the event loop. */
const together = 8;
const body = Buffer.alloc(1024, 'a');
const host: Host = { address: '127.0.0.1:41234', host: '127.0.0.1', port: 41_234 };
const folder = mkdtempSync(join(tmpdir(), 'outrigger-observing-'));

const ignore = (): void => undefined;
const nobody = {
  ...{ sendHead: ignore, sendData: ignore, sendTrailers: ignore, sendInformational: ignore, reset: ignore },
  ...{ pauseReading: ignore, resumeReading: ignore },
} as unknown as ServerStream & ClientStream;

class Upstream implements Cluster {
  readonly config = { name: 'first' } as ClusterConfig;
  last: StreamRequest | null = null;

  requestStream(request: StreamRequest): PendingStream | null {
    this.last = request;
    request.onStreamReady(nobody, host, true);
    return null;
  }

  onResponse(): void {}
  hasOtherHost(): boolean {
    return false;
  }
  tryBeginRetry(): boolean {
    return false;
  }
  endRetry(): void {}
  tryBeginRepeat(): boolean {
    return false;
  }
  endRepeat(): void {}
}

const info: DownstreamConnectionInfo = {
  ...{
    listenerName: 'bench',
    direction: 'outbound',
    secure: false,
    alpn: '',
    serverName: '',
    peer: null,
    localUri: '',
  },
  ...{ localAddress: '127.0.0.1:15001', remoteAddress: '127.0.0.1:45678' },
};

function tracing(percent: number): TracingConfig {
  return {
    // Only that there is one counts here.
    provider: { kind: 'several', providers: [] },
    ...{ propagation: ['w3c'], clientSampling: 10_000, randomSampling: percent * 100, overallSampling: 10_000 },
    ...{ ratePerSecond: 0, spawnUpstreamSpan: true, customTags: [], verbose: false, maxPathTagLength: 256 },
    tailKeep: { errors: false, slowerThanMs: Infinity },
  };
}

const message = new ProtobufWriter();
const resource: OtlpResource = {
  attributes: [['service.name', 'bench']],
  scopeName: 'outrigger',
  scopeVersion: '0',
};

class Subject {
  readonly name: string;
  readonly #upstream = new Upstream();
  readonly #manager: HttpConnectionManager;
  readonly #context: HttpContext;
  micros: number[] = [];

  constructor(name: string, sink: AccessLogConfig['sink'], log: boolean, percent: number) {
    this.name = name;
    const stats = new StatStore();
    const wheel = new TimerWheel(systemClock);
    const quiet = new Log(systemClock, 'error', true, ignore);
    const exporter = new BatchExporter({
      transport: {
        encode: (batch) => {
          message.clear();
          writeTraces(message, batch, resource);
          return message.finish();
        },
        release: ignore,
        send: (_message, done) => {
          setImmediate(() => done({ kind: 'taken', rejected: 0, why: '' }));
          return { cancel: ignore };
        },
      },
      queue: {
        ...{ maxItems: 100_000, maxBytes: 1 << 30, batchItems: 512 },
        ...{ batchBytes: 1 << 30, flushBytes: 1 << 30, delayMs: 1000 },
      },
      ...{ timeoutMs: 10_000, wheel, random: Math.random },
      observer: { sent: ignore, dropped: ignore, rejected: ignore, failed: ignore, flushedByTimer: ignore },
    });
    const spans = new SpanQueue(encodeSpan, exporter);
    this.#context = {
      ...{ stats, wheel, clock: systemClock, random: Math.random, log: quiet, localService: 'bench' },
      clusters: { cluster: () => this.#upstream },
      routeTables: { routeTable: () => undefined },
      spanSinks: { sink: () => spans },
      accessLogSinks: new AccessLogFiles(stats, quiet, systemClock, process, wheel),
    };
    const config = managerConfig(routeTable([route('', anyPath, forward('first'))]), {
      accessLogs: log ? [{ sink, filter: null }] : [],
      tracing: percent < 0 ? null : tracing(percent),
    });
    this.#manager = new HttpConnectionManager(config, this.#context, 'outbound', 1 << 20);
  }

  async take(): Promise<void> {
    const untilMs = performance.now() + seconds * 1000;
    const before = process.cpuUsage();
    let requests = 0;
    const connection = { manager: this.#manager, context: this.#context, info, streamEnded: ignore };
    while (performance.now() < untilMs) {
      for (let i = 0; i < together; i++) {
        const stream = new ActiveStream(connection, nobody);
        const fields = HeaderFields.of(['user-agent', 'wrk/4.2'], ['accept', '*/*']);
        stream.onHead(new RequestHead('GET', 'http', '127.0.0.1:15001', '/', '1.1', fields), true);
        const { last } = this.#upstream;
        const answer = HeaderFields.of(['server', 'nginx'], ['content-type', 'text/plain'], ['content-length', '1024']);
        last!.onHead(new ResponseHead(200, answer), false);
        last!.onData(body, true);
      }
      requests += together;
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { user, system } = process.cpuUsage(before);
    this.micros.push((user + system) / requests);
  }
}

const file = (name: string, format: LogFormatConfig): AccessLogConfig['sink'] => ({
  kind: 'file',
  path: join(folder, name),
  format,
});
const own: LogFormatConfig = { kind: 'default' };
const operators: LogFormatConfig = {
  kind: 'json',
  value: { fields: Object.entries(benchLogFields) },
  omitEmpty: false,
};
const subjects = [
  new Subject('nothing', file('none', own), false, -1),
  new Subject('log, our format', file('own', own), true, -1),
  new Subject('log, JSON of operators', file('json', operators), true, -1),
  new Subject('traces, 0 %', file('none', own), false, 0),
  new Subject('traces, 1 %', file('none', own), false, 1),
  new Subject('traces, 100 %', file('none', own), false, 100),
].filter(({ name }, i) => i === 0 || name.includes(only));
for (let turn = 0; turn <= turns; turn++)
  for (const subject of subjects) {
    await subject.take();
    // What the compilers do to the first.
    if (turn === 0) subject.micros = [];
  }
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const base = median(subjects[0]!.micros);
for (const { name, micros } of subjects)
  console.log(
    `${name.padEnd(24)} ${median(micros).toFixed(2)} µs, ${(median(micros) - base).toFixed(2)} more (least ${Math.min(...micros).toFixed(2)})`,
  );
rmSync(folder, { recursive: true });
process.exit(0);

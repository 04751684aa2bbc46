/** An ActiveStream between fake peers, under a real connection manager, on manual time. */
import { linesTo } from '../../access-log/test/lines-to.ts';
import { BreakerRegistry } from '../../circuit-breaker/breaker-registry.ts';
import { HeaderFields } from '../../codec/header-fields.ts';
import { type HttpVersion, RequestHead, ResponseHead } from '../../codec/message-head.ts';
import type { HttpConnectionManagerConfig } from '../../config/listener-config.ts';
import type { RouteConfig } from '../../config/route-config.ts';
import type { RequestGate } from '../../filters/request-gate.ts';
import { FlightRecorder } from '../../recorder/flight-recorder.ts';
import type { RouteMemory } from '../../router/route-memory.ts';
import { Log } from '../../runtime/log.ts';
import { StatStore } from '../../stats/stat-store.ts';
import type { Span } from '../../tracing/span.ts';
import { ActiveStream, type StreamConnection } from '../active-stream.ts';
import { HttpConnectionManager } from '../http-connection-manager.ts';
import type { DownstreamConnectionInfo, HttpContext } from '../http-context.ts';
import { anyPath, forward, managerConfig, route, routeTable } from './configs.ts';
import { FakeCluster, FakeServerStream } from './fake-peers.ts';
import { ManualTime } from './manual-time.ts';

export const connectionInfo: DownstreamConnectionInfo = {
  listenerName: 'outbound',
  direction: 'outbound',
  secure: false,
  alpn: '',
  serverName: '',
  peer: null,
  localUri: '',
  localAddress: '127.0.0.1:15001',
  remoteAddress: '10.1.2.3:4567',
};

/** Clusters that are not there; of another name there is one. */
const absent: ReadonlySet<string> = new Set(['missing', 'late', 'outbound|0||backend.invalid']);

export class StreamRig implements StreamConnection {
  readonly time = new ManualTime();
  readonly stats = new StatStore();
  readonly cluster = new FakeCluster();
  /** Instead of `cluster`, by name. */
  readonly others = new Map<string, FakeCluster>();
  readonly lines: string[] = [];
  /** Of the sidecar's own log. */
  readonly logLines: string[] = [];
  downstream = new FakeServerStream();
  readonly breakers: BreakerRegistry;
  readonly recorder: FlightRecorder;
  /** What a tracer made, if requests are traced. */
  readonly spans: Span[] = [];
  readonly context: HttpContext;
  readonly manager: HttpConnectionManager;
  info: DownstreamConnectionInfo = connectionInfo;
  stream: ActiveStream;
  /** How often the stream ended. */
  ends = 0;
  random = 0;

  constructor(
    options: {
      routes?: readonly RouteConfig[];
      config?: Partial<HttpConnectionManagerConfig>;
      bufferLimitBytes?: number;
      gates?: readonly RequestGate[];
      routeMemory?: RouteMemory;
    } = {},
  ) {
    const log = new Log(this.time, 'info', false, (line) => this.logLines.push(line));
    this.breakers = new BreakerRegistry({ stats: this.stats, clock: this.time, random: () => this.random, log });
    this.recorder = new FlightRecorder({
      service: 'shop/storefront',
      nodeId: 'storefront-1',
      stats: this.stats,
      samplesPerSecond: 0.5,
    });
    this.context = {
      breakers: this.breakers,
      clusters: { cluster: (name) => (absent.has(name) ? undefined : (this.others.get(name) ?? this.cluster)) },
      routeTables: { routeTable: () => undefined },
      recorder: this.recorder,
      spanSinks: { sink: () => ({ offer: (spans) => void this.spans.push(...spans) }) },
      nodeId: 'storefront-1',
      stats: this.stats,
      clock: this.time,
      wheel: this.time.wheel,
      random: () => this.random,
      log,
      localService: 'shop/storefront',
      ...(options.routeMemory === undefined ? {} : { routeMemory: options.routeMemory }),
      accessLogSinks: linesTo(this.lines),
    };
    const routes = options.routes ?? [route('shop/orders#rule-0', anyPath, forward('outbound|80||orders.shop'))];
    const logs = [{ sink: { kind: 'stdout', format: { kind: 'default' } }, filter: null }] as const;
    const config = managerConfig(routeTable(routes), { accessLogs: logs, ...options.config });
    this.manager = new HttpConnectionManager(config, this.context, 'outbound', options.bufferLimitBytes ?? 1_048_576);
    if (options.gates !== undefined) Object.assign(this.manager, { gates: options.gates });
    this.stream = new ActiveStream(this, this.downstream);
  }

  streamEnded(): void {
    this.ends++;
  }

  get logged(): Record<string, unknown> {
    return JSON.parse(this.lines[0]!) as Record<string, unknown>;
  }

  counter(name: string): number {
    return this.stats.counters.get(name)?.value ?? 0;
  }

  /** A further stream of the same manager takes the place of the first. */
  again(): this {
    this.downstream = new FakeServerStream();
    this.stream = new ActiveStream(this, this.downstream);
    this.ends = 0;
    this.lines.length = 0;
    return this;
  }

  request(head: RequestHead = get('/'), endStream = true): this {
    this.stream.onHead(head, endStream);
    return this;
  }
}

export function get(
  path: string,
  fields: HeaderFields = new HeaderFields(),
  version: HttpVersion = '1.1',
): RequestHead {
  return new RequestHead('GET', 'http', 'orders.shop', path, version, fields);
}

export function post(path: string, fields: HeaderFields = new HeaderFields()): RequestHead {
  return new RequestHead('POST', 'http', 'orders.shop', path, '1.1', fields);
}

export function grpcCall(...pairs: ReadonlyArray<readonly [string, string]>): RequestHead {
  return new RequestHead(
    'POST',
    'http',
    'orders.shop',
    '/shop.Orders/Get',
    '2',
    HeaderFields.of(['content-type', 'application/grpc'], ['te', 'trailers'], ...pairs),
  );
}

export function answer(status: number, ...pairs: ReadonlyArray<readonly [string, string]>): ResponseHead {
  return new ResponseHead(status, HeaderFields.of(...pairs));
}

export function bytes(text: string | number): Buffer {
  return typeof text === 'number' ? Buffer.alloc(text, 'x') : Buffer.from(text);
}

/** What is measured: a table of scenarios, each with the setup every proxy gets and the load that is sent through it. How it is measured is in measure/. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GoBackend } from './backend/go-backend.ts';
import { answerBytes, type NginxBackend } from './backend/nginx-backend.ts';
import type { OtlpSinks } from './backend/otlp-sink.ts';
import { runAutocannon } from './load/autocannon.ts';
import { hasGhz, runGhz } from './load/ghz.ts';
import { type H2Load, hasH2load, runH2load } from './load/h2load.ts';
import { runHandshakes } from './load/handshakes.ts';
import type { LoadResult } from './load/load-result.ts';
import { type Http1Load, hasWrk, runWrk } from './load/wrk.ts';
import type { ProxySetup, UpstreamTls } from './proxy.ts';

export interface Backends {
  readonly nginx: NginxBackend;
  readonly go: GoBackend;
  readonly collectors: OtlpSinks;
  readonly proxyTls: UpstreamTls;
  readonly meshTls: UpstreamTls;
  /** For request bodies. */
  readonly folder: string;
}

export type ScenarioSetup = Pick<
  ProxySetup,
  | 'downstream'
  | 'upstream'
  | 'upstreamPort'
  | 'tls'
  | 'listenTls'
  | 'routes'
  | 'policies'
  | 'resilience'
  | 'accessLog'
  | 'tracing'
  | 'flightRecorder'
>;

export interface Scenario {
  readonly id: string;
  readonly title: string;
  /** `saturation`: CPU time per unit while the load generator sends what it can. `latency`: percentiles at a fixed rate. */
  readonly kind: 'saturation' | 'latency';
  /** What CPU time is divided by. */
  readonly unit: 'request' | 'message' | 'MiB';
  readonly unitsPerRequest: number;
  readonly inQuick: boolean;
  /** The figure that the project wants against Envoy's, at most; null where none was set. */
  readonly goal: number | null;
  /** The scenario that is the same without what this one measures: the report gives the ratio to it; null: none. */
  readonly without: string | null;
  setup(backends: Backends): ScenarioSetup;
  /** Two proxies in a row, as two sidecars are: what is spoken between them, over mutual TLS. Figures are the sum of both. Null: one proxy. */
  readonly between: 'http1' | 'http2' | 'grpc' | null;
  /** A reason why it can't run here, or null. */
  missing(): string | null;
  load(port: number, seconds: number, backends: Backends): Promise<LoadResult>;
}

const mebibyte = 1 << 20;
const bodyBytes = 10 * mebibyte;
export const fixedRate = 6000;

const plainHttp1 = (backends: Backends): ScenarioSetup => ({
  downstream: 'http1',
  upstream: 'http1',
  upstreamPort: backends.nginx.http1Port,
  tls: null,
  listenTls: null,
  routes: 1,
  policies: 0,
  resilience: false,
});
const tlsHttp1 = (backends: Backends): ScenarioSetup => ({
  ...plainHttp1(backends),
  upstreamPort: backends.nginx.tlsPort,
  tls: backends.proxyTls,
});
const plainHttp2 = (backends: Backends): ScenarioSetup => ({
  downstream: 'http2',
  upstream: 'http2',
  upstreamPort: backends.nginx.http2Port,
  tls: null,
  listenTls: null,
  routes: 1,
  policies: 0,
  resilience: false,
});
const observed = (backends: Backends, percent: number, collectorPort: number): ScenarioSetup => ({
  ...plainHttp1(backends),
  accessLog: true,
  tracing: { percent, collectorPort },
});
const bodies = (backends: Backends): ScenarioSetup => ({ ...plainHttp1(backends), upstreamPort: backends.go.httpPort });
const grpc = (backends: Backends): ScenarioSetup => ({
  downstream: 'grpc',
  upstream: 'grpc',
  upstreamPort: backends.go.grpcPort,
  tls: null,
  listenTls: null,
  routes: 1,
  policies: 0,
  resilience: false,
});

function http1Load(port: number, seconds: number, load: Partial<Http1Load>, path = '/'): Promise<LoadResult> {
  const whole: Http1Load = {
    url: `http://127.0.0.1:${port}${path}`,
    connections: 64,
    seconds,
    method: 'GET',
    bodyBytes: 0,
    answerBytes,
    ...load,
  };
  return hasWrk() ? runWrk(whole) : runAutocannon(whole, 0);
}

function http2Load(port: number, seconds: number, load: Partial<H2Load>, path = '/'): Promise<LoadResult> {
  return runH2load({
    url: `http://127.0.0.1:${port}${path}`,
    protocol: 'http2',
    connections: 1,
    streams: 100,
    seconds,
    rate: 0,
    bodyFile: null,
    headers: [],
    answerBytes,
    ...load,
  });
}

function rated(port: number, seconds: number, protocol: 'http1' | 'http2'): Promise<LoadResult> {
  // The first second of the log is not counted.
  if (hasH2load())
    return http2Load(port, seconds + 1, {
      protocol,
      connections: protocol === 'http1' ? 60 : 4,
      streams: protocol === 'http1' ? 1 : 100,
      rate: fixedRate,
    });
  return runAutocannon(
    { url: `http://127.0.0.1:${port}/`, connections: 60, seconds, method: 'GET', bodyBytes: 0, answerBytes },
    fixedRate,
  );
}

const none = (): string | null => null;
const needsH2load = (): string | null => (hasH2load() ? null : 'h2load is missing, and autocannon speaks no HTTP/2');
const needsGhz = (): string | null => (hasGhz() ? null : 'ghz is missing; node test/peers/install.ts ghz builds it');

const grpcHeaders = ['content-type: application/grpc', 'te: trailers'];
const unaryAnswerBytes = 64;
const messagesPerStream = 100;
const messageBytes = 100;

/** A length-prefixed protobuf message as h2load's request body. */
function grpcBodyFile(backends: Backends, name: string, message: Buffer): string {
  const file = join(backends.folder, name);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  writeFileSync(file, Buffer.concat([prefix, message]));
  return file;
}

function unaryLoad(port: number, seconds: number, backends: Backends): Promise<LoadResult> {
  // response_size = 64
  const bodyFile = grpcBodyFile(backends, 'unary', Buffer.from([0x10, unaryAnswerBytes]));
  const load = { bodyFile, headers: grpcHeaders, answerBytes: 5 + unaryAnswerBytes };
  return http2Load(port, seconds, load, '/grpc.testing.TestService/UnaryCall');
}

const saturation = {
  kind: 'saturation',
  unit: 'request',
  unitsPerRequest: 1,
  inQuick: false,
  goal: null,
  without: null,
  between: null,
  missing: none,
} as const;
const latency = { ...saturation, kind: 'latency' } as const;

export const scenarios: readonly Scenario[] = [
  {
    ...saturation,
    id: 'http1',
    title: 'HTTP/1.1, 64 connections, 1 KiB',
    inQuick: true,
    goal: 0.7,
    setup: plainHttp1,
    load: (port, seconds) => http1Load(port, seconds, {}),
  },
  {
    ...saturation,
    id: 'http1-mtls',
    title: 'HTTP/1.1, upstream over mutual TLS 1.3',
    inQuick: true,
    goal: 0.7,
    setup: tlsHttp1,
    load: (port, seconds) => http1Load(port, seconds, {}),
  },
  {
    ...saturation,
    id: 'http2',
    title: 'HTTP/2 both sides, 100 streams on one connection',
    inQuick: true,
    goal: 0.9,
    setup: plainHttp2,
    missing: needsH2load,
    load: (port, seconds) => http2Load(port, seconds, {}),
  },
  {
    ...saturation,
    id: 'grpc-unary',
    title: 'gRPC unary calls, 100 at a time on one connection (h2load)',
    inQuick: true,
    goal: 0.9,
    setup: grpc,
    missing: needsH2load,
    load: unaryLoad,
  },
  {
    ...saturation,
    id: 'mesh-http1',
    title: 'Two in a row, mutual TLS 1.3 between them, HTTP/1.1',
    goal: 0.7,
    between: 'http1',
    setup: plainHttp1,
    load: (port, seconds) => http1Load(port, seconds, {}),
  },
  {
    ...saturation,
    id: 'mesh-http1-over-http2',
    title: 'Two in a row, HTTP/1.1 to both, HTTP/2 over mutual TLS 1.3 between them',
    between: 'http2',
    setup: plainHttp1,
    load: (port, seconds) => http1Load(port, seconds, {}),
  },
  {
    ...saturation,
    id: 'mesh-grpc',
    title: 'Two in a row, mutual TLS 1.3 between them, gRPC unary calls',
    goal: 0.9,
    between: 'grpc',
    setup: grpc,
    missing: needsH2load,
    load: unaryLoad,
  },
  {
    ...saturation,
    id: 'handshakes',
    title: 'Full TLS 1.3 handshakes with client certificates, a request each',
    goal: 1.25,
    setup: (backends) => ({ ...plainHttp1(backends), listenTls: backends.meshTls }),
    load: (port, seconds, backends) => runHandshakes({ port, seconds, tls: backends.meshTls, resume: false }),
  },
  {
    ...saturation,
    id: 'handshakes-resumed',
    title: 'Resumed TLS 1.3 handshakes, a request each',
    goal: 1.25,
    setup: (backends) => ({ ...plainHttp1(backends), listenTls: backends.meshTls }),
    load: (port, seconds, backends) => runHandshakes({ port, seconds, tls: backends.meshTls, resume: true }),
  },
  {
    ...saturation,
    id: 'grpc-unary-ghz',
    title: 'gRPC unary calls by ghz (does not saturate the proxy)',
    setup: grpc,
    missing: needsGhz,
    load: (port, seconds) =>
      runGhz({
        target: `127.0.0.1:${port}`,
        call: 'grpc.testing.TestService/UnaryCall',
        message: { response_size: unaryAnswerBytes },
        concurrency: 64,
        connections: 4,
        seconds,
      }),
  },
  {
    ...saturation,
    id: 'grpc-streaming',
    title: `gRPC server streaming by ghz, ${messagesPerStream} messages a call`,
    unit: 'message',
    unitsPerRequest: messagesPerStream,
    setup: grpc,
    missing: needsGhz,
    load: (port, seconds) =>
      runGhz({
        target: `127.0.0.1:${port}`,
        call: 'grpc.testing.TestService/StreamingOutputCall',
        message: { response_parameters: Array.from({ length: messagesPerStream }, () => ({ size: messageBytes })) },
        concurrency: 32,
        connections: 4,
        seconds,
      }),
  },
  {
    ...saturation,
    id: 'post-64k',
    title: 'POST 64 KiB, 64 connections',
    setup: bodies,
    load: (port, seconds) => http1Load(port, seconds, { method: 'POST', bodyBytes: 64 << 10, answerBytes: 1 }, '/sink'),
  },
  {
    ...saturation,
    id: 'get-10m',
    title: 'GET 10 MiB, 8 connections',
    unit: 'MiB',
    unitsPerRequest: 10,
    goal: 1.25,
    setup: bodies,
    load: (port, seconds) =>
      http1Load(port, seconds, { connections: 8, answerBytes: bodyBytes }, `/bytes/${bodyBytes}`),
  },
  {
    ...saturation,
    id: 'post-10m',
    title: 'POST 10 MiB, 8 connections',
    unit: 'MiB',
    unitsPerRequest: 10,
    goal: 1.25,
    setup: bodies,
    missing: () => (hasWrk() ? null : 'wrk is missing, and autocannon is not handed bodies of 10 MiB'),
    load: (port, seconds) =>
      http1Load(port, seconds, { method: 'POST', connections: 8, bodyBytes, answerBytes: 1 }, '/sink'),
  },
  {
    ...saturation,
    id: 'routes-1000',
    title: 'HTTP/1.1, the last of 1,000 routes',
    setup: (backends) => ({ ...plainHttp1(backends), routes: 1000 }),
    load: (port, seconds) => http1Load(port, seconds, {}),
  },
  {
    ...saturation,
    id: 'http1-rbac-1000',
    title: 'HTTP/1.1, 1,000 RBAC policies',
    without: 'http1',
    setup: (backends) => ({ ...plainHttp1(backends), policies: 1000 }),
    load: (port, seconds) => http1Load(port, seconds, {}),
  },
  {
    ...saturation,
    id: 'http1-resilience',
    title: 'HTTP/1.1, every policy of resilience configured and none firing',
    without: 'http1',
    setup: (backends) => ({ ...plainHttp1(backends), resilience: true }),
    load: (port, seconds) => http1Load(port, seconds, {}),
  },
  {
    ...saturation,
    id: 'http1-access-log',
    title: 'HTTP/1.1, a JSON line in a file for each request',
    goal: 0.75,
    without: 'http1',
    setup: (backends) => ({ ...plainHttp1(backends), accessLog: true }),
    load: (port, seconds) => http1Load(port, seconds, {}),
  },
  {
    ...saturation,
    id: 'http1-unobserved',
    title: 'HTTP/1.1, as http1, and ours keeps no records of requests',
    setup: (backends) => ({ ...plainHttp1(backends), flightRecorder: false }),
    load: (port, seconds) => http1Load(port, seconds, {}),
  },
  {
    ...saturation,
    id: 'http1-observed',
    title: 'HTTP/1.1, a JSON line in a file for each request, 1 % of requests traced',
    goal: 0.75,
    without: 'http1-unobserved',
    setup: (backends) => observed(backends, 1, backends.collectors.takesPort),
    load: (port, seconds) => http1Load(port, seconds, {}),
  },
  {
    ...saturation,
    id: 'http1-traced',
    title: 'HTTP/1.1, a JSON line in a file for each request, every request traced',
    without: 'http1-unobserved',
    setup: (backends) => observed(backends, 100, backends.collectors.takesPort),
    load: (port, seconds) => http1Load(port, seconds, {}),
  },
  {
    ...saturation,
    id: 'http1-traced-dead',
    title: 'HTTP/1.1, the same with a collector that answers nothing: memory',
    without: 'http1-unobserved',
    setup: (backends) => observed(backends, 100, backends.collectors.hangsPort),
    load: (port, seconds) => http1Load(port, seconds, {}),
  },
  {
    ...saturation,
    id: 'connections-1',
    title: 'HTTP/1.1, one connection',
    setup: plainHttp1,
    load: (port, seconds) => http1Load(port, seconds, { connections: 1 }),
  },
  {
    ...saturation,
    id: 'connections-500',
    title: 'HTTP/1.1, 500 connections',
    setup: plainHttp1,
    load: (port, seconds) => http1Load(port, seconds, { connections: 500 }),
  },
  {
    ...latency,
    id: 'latency-http1',
    title: `HTTP/1.1 at ${fixedRate} requests/s`,
    inQuick: true,
    goal: 1,
    setup: plainHttp1,
    load: (port, seconds) => rated(port, seconds, 'http1'),
  },
  {
    ...latency,
    id: 'latency-http1-mtls',
    title: `HTTP/1.1, upstream over mutual TLS 1.3, at ${fixedRate} requests/s`,
    goal: 1,
    setup: tlsHttp1,
    load: (port, seconds) => rated(port, seconds, 'http1'),
  },
  {
    ...latency,
    id: 'latency-http2',
    title: `HTTP/2 at ${fixedRate} requests/s`,
    goal: 1,
    setup: plainHttp2,
    missing: needsH2load,
    load: (port, seconds) => rated(port, seconds, 'http2'),
  },
];

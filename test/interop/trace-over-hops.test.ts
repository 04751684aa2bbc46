/**
 * One request through three sidecar processes with identities, traced as a Telemetry document says, into a real OpenTelemetry Collector: web → orders → payments, whose first answer fails and is tried again. One trace with the right parents, by each
 * transport and propagation; and one request id in the trace, the log lines, and the flight recorders.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type RequestListener, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../peers/started-program.ts';
import type { Json } from './envoy-resources.ts';
import { ask, type Exchange } from './exchange.ts';
import { service } from './mesh-configuration.ts';
import { MeshWithIdentities, type ServiceProxy } from './mesh-with-identities.ts';
import { type CollectedSpan, OtelCollector } from './otel-collector.ts';
import { Stage } from './programs.ts';

const server = 2;
const client = 3;
/** What an application hands on. */
const contextFields = [
  'x-request-id',
  'traceparent',
  'tracestate',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
];

const stage = new Stage();
const servers: Server[] = [];
const logFile = join(stage.folder, 'logs', 'requests.log');
/** By path: how often payments was asked. */
const asked = new Map<string, number>();
/** What payments was sent last. */
let sentToPayments: IncomingHttpHeaders = {};
let collector: OtelCollector;
let mesh: MeshWithIdentities;
let web: ServiceProxy;
let orders: ServiceProxy;
let payments: ServiceProxy;

beforeAll(async () => {
  const folder = join(stage.folder, 'collector');
  mkdirSync(folder);
  collector = await OtelCollector.start(folder);
  mesh = await MeshWithIdentities.start(stage, documents({ sampling: 100, exporters: [otlp('grpc')] }));
  payments = await mesh.sidecar(
    'payments',
    await app(({ url, headers }, response) => {
      const times = (asked.get(url!) ?? 0) + 1;
      asked.set(url!, times);
      sentToPayments = headers;
      response.writeHead(url!.startsWith('/broken') || (url!.startsWith('/again') && times === 1) ? 503 : 200).end();
    }),
  );
  orders = await mesh.sidecar(
    'orders',
    await app(({ url, headers: came }, response) => {
      const headers: Record<string, string> = { host: 'payments.shop' };
      for (const name of contextFields) if (typeof came[name] === 'string') headers[name] = came[name];
      request({ host: '127.0.0.1', port: orders.outbound, path: url, headers }, (answer) => {
        answer.resume();
        response.writeHead(answer.statusCode!).end();
      }).end();
    }),
  );
  web = await mesh.sidecar('web', await app((_, response) => response.end()));
  await waitFor('every hop', 20_000, async () => (await buy('/ready')).status === 200);
});
afterAll(async () => {
  mesh?.close();
  await stage.stop();
  await collector?.stop();
  for (const each of servers) each.close();
});

async function app(listener: RequestListener): Promise<number> {
  const listening = createServer(listener);
  servers.push(listening);
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  return (listening.address() as AddressInfo).port;
}

function otlp(protocol: 'grpc' | 'http'): Json {
  const port = protocol === 'grpc' ? collector.grpcPort : collector.httpPort;
  return { otlp: { address: `127.0.0.1:${port}`, protocol } };
}

function documents(tracing: Json): Json[] {
  return [
    ...['orders', 'payments'].map((name) => service(name, [])),
    {
      apiVersion: 'outrigger.dev/v1',
      kind: 'TrafficPolicy',
      metadata: { name: 'payments', namespace: 'shop' },
      spec: { targetRefs: [{ kind: 'Service', name: 'payments' }], retries: { attempts: 1, on: ['5xx'] } },
    },
    {
      apiVersion: 'outrigger.dev/v1',
      kind: 'Telemetry',
      metadata: { name: 'all', namespace: 'outrigger' },
      spec: {
        tracing,
        accessLog: {
          mode: 'all',
          to: [{ file: { path: logFile } }, { otlp: { address: `127.0.0.1:${collector.grpcPort}` } }],
        },
      },
    },
  ];
}

function buy(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Exchange> {
  return ask(web.outbound, { host: 'orders.shop', path, headers });
}

/** The configuration that tests ask for has arrived when a request is answered by it. */
async function configure(tracing: Json, isThere: () => Promise<boolean>): Promise<void> {
  mesh.configure(documents(tracing));
  await waitFor('the configuration at every hop', 20_000, isThere);
}

function attribute(span: CollectedSpan, name: string): unknown {
  const value = span.attributes?.find(({ key }) => key === name)?.value;
  return value === undefined ? undefined : Object.values(value)[0];
}

const requestIdOf = (span: CollectedSpan): unknown => attribute(span, 'guid:x-request-id');

/** Those of the trace that the request with this path belongs to. */
function spansOf(path: string, count: number): Promise<CollectedSpan[]> {
  return waitFor(`${count} spans of ${path}`, 15_000, () => {
    const all = collector.spans();
    const ids = new Set(all.filter((span) => attribute(span, 'url.path') === path).map(({ traceId }) => traceId));
    const found = all.filter(({ traceId }) => ids.has(traceId));
    if (found.length < count) return null;
    expect(ids.size).toBe(1);
    return found;
  });
}

/** Each span by its sidecar's service and side, its kind, and what became of it; indented below its parent. */
function tree(spans: readonly CollectedSpan[], root: string): string[] {
  const below = (parent: string, depth: number): string[] =>
    spans
      .filter(({ parentSpanId = '' }) => parentSpanId === parent)
      .toSorted(
        (a, b) =>
          Number(attribute(a, 'http.request.resend_count') ?? 0) -
          Number(attribute(b, 'http.request.resend_count') ?? 0),
      )
      .flatMap((span) => [
        `${'  '.repeat(depth)}${span.service} ${span.kind === server ? `server ${String(attribute(span, 'outrigger.direction'))}` : 'client'} ${String(attribute(span, 'http.response.status_code'))}`,
        ...below(span.spanId, depth + 1),
      ]);
  return below(root, 0);
}

const retried = [
  'web server outbound 200',
  '  web client 200',
  '    orders server inbound 200',
  '      orders client 200',
  '        orders server outbound 200',
  '          orders client 503',
  '            payments server inbound 503',
  '              payments client 503',
  '          orders client 200',
  '            payments server inbound 200',
  '              payments client 200',
];

describe.each([
  ['gRPC, W3C', 'grpc', ['w3c'], 'traceparent'],
  ['HTTP, B3', 'http', ['b3'], 'b3'],
  ['gRPC, B3 in several fields', 'grpc', ['b3multi'], 'x-b3-traceid'],
] as const)('exported and handed on by %s', (_, protocol, propagation, field) => {
  const path = (what: string): string => `/${what}/${protocol}-${propagation[0]}`;

  beforeAll(() =>
    configure({ sampling: 100, exporters: [otlp(protocol)], propagation }, async () => {
      await buy('/ready');
      const fields = Object.keys(sentToPayments).filter((each) => each === 'traceparent' || each.includes('b3'));
      return fields.includes(field) && !fields.includes(field === 'traceparent' ? 'b3' : 'traceparent');
    }),
  );

  it('is one trace over all hops, with a retry as a span of its own', async () => {
    const { status, headers } = await buy(path('again'));
    expect(status).toBe(200);
    const spans = await spansOf(path('again'), retried.length);
    expect(tree(spans, '')).toEqual(retried);
    expect(new Set(spans.filter(({ kind }) => kind === server).map(requestIdOf))).toEqual(
      new Set([headers['x-request-id']]),
    );
    expect(spans.filter(({ kind }) => kind === client).length).toBe(6);
    const [again] = spans.filter((span) => attribute(span, 'http.request.resend_count') !== undefined);
    expect([attribute(again!, 'outrigger.attempt.why'), again!.service]).toEqual(['policy', 'orders']);
  });

  it("goes on from the caller's own span", async () => {
    const traceId = `${propagation[0] === 'w3c' ? 'a' : 'b'}${protocol === 'grpc' ? '1' : '2'}`.repeat(16);
    const parent = '00f067aa0ba902b7';
    const headers: Readonly<Record<string, string>> = {
      w3c: { traceparent: `00-${traceId}-${parent}-01`, tracestate: 'shop=1' },
      b3: { b3: `${traceId}-${parent}-1` },
      b3multi: { 'x-b3-traceid': traceId, 'x-b3-spanid': parent, 'x-b3-sampled': '1' },
    }[propagation[0]];
    await buy(path('go-on'), headers);
    const spans = await spansOf(path('go-on'), 8);
    expect(new Set(spans.map((span) => span.traceId))).toEqual(new Set([traceId]));
    expect(tree(spans, parent)).toHaveLength(8);
    if (propagation[0] === 'w3c') expect(sentToPayments['tracestate']).toBe('shop=1');
  });
});

describe('a request id', () => {
  it('is that of the trace, of the log line, and of the record of every hop, which have the trace id too', async () => {
    const { headers } = await buy('/joined');
    const id = String(headers['x-request-id']);
    const spans = await spansOf('/joined', 8);
    const { traceId } = spans[0]!;
    for (const span of spans.filter(({ kind }) => kind === server)) expect(requestIdOf(span)).toBe(id);
    const lines = await waitFor('the log lines', 10_000, () => {
      const found = readFileSync(logFile, 'utf8')
        .split('\n')
        .filter((line) => line.includes(id));
      return found.length === 4 ? found.map((line) => JSON.parse(line) as Record<string, unknown>) : null;
    });
    expect(lines.map((line) => [line['request_id'], line['trace_id'], line['path']])).toEqual(
      lines.map(() => [id, traceId, '/joined']),
    );
    const own = spans.filter(({ kind }) => kind === server);
    const collected = await waitFor('the log records in the collector', 10_000, () => {
      const text = collector.logs().join('\n');
      const found = own.filter(({ spanId }) => text.includes(`"traceId":"${traceId}","spanId":"${spanId}"`));
      return found.length === 4 ? found : null;
    });
    expect(collected).toHaveLength(4);
    for (const { proxy } of [web, orders, payments])
      for (const key of [id, traceId]) {
        const answer = JSON.parse(await proxy.admin(`/requests/${key}`)) as {
          readonly requests: ReadonlyArray<{
            readonly requestId: string;
            readonly traceId: string;
            readonly spanId: string;
          }>;
        };
        expect(answer.requests.map((record) => [record.requestId, record.traceId])).toEqual(
          answer.requests.map(() => [id, traceId]),
        );
        const own = answer.requests.map(({ spanId }) => spanId);
        expect(own).not.toEqual([]);
        for (const spanId of own) expect(spans.map((span) => span.spanId)).toContain(spanId);
      }
  });
});

describe('with a share of 0', () => {
  beforeAll(() =>
    configure({ sampling: 0, exporters: [otlp('grpc')], keep: { errors: true } }, async () => {
      await buy('/ready');
      return String(sentToPayments['traceparent']).endsWith('-00');
    }),
  );

  it('a failure is kept at every hop that saw it, as one trace; what went well is not', async () => {
    expect((await buy('/fine')).status).toBe(200);
    const { status, headers } = await buy('/broken');
    expect(status).toBe(503);
    const spans = await spansOf('/broken', retried.length);
    expect(tree(spans, '')).toEqual(retried.map((line) => line.replace('200', '503')));
    expect(requestIdOf(spans.find((span) => requestIdOf(span) !== undefined)!)).toBe(headers['x-request-id']);
    expect(collector.spans().filter((span) => attribute(span, 'url.path') === '/fine')).toEqual([]);
  });
});

/** Hedges and fallbacks over real sockets and both codecs: who is cancelled, and what a caller reads. */
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import { expect, test } from 'vitest';
import type { ForwardActionConfig } from '../config/route-config.ts';
import { anyPath, fallbackTo, forward, hedgeAfter, route } from './test/configs.ts';
import { ManualTime } from './test/manual-time.ts';
import type { Proxy, ProxyOptions } from './test/proxy.ts';
import { ask, closeAfter, http1App, listen, proxyTo } from './test/real-sockets.ts';

function proxyOf(action: Partial<ForwardActionConfig>, { upstreamPort, ...options }: ProxyOptions): Promise<Proxy> {
  return proxyTo(upstreamPort, { routes: [route('r', anyPath, forward('app', action))], ...options });
}

/** An HTTP/2 application that never answers, and tells of each stream that was reset. */
async function silentHttp2(): Promise<{ port: number; streams: Array<Promise<number>>; next: () => Promise<void> }> {
  const streams: Array<Promise<number>> = [];
  const server = http2.createServer();
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    streams.push(once(stream, 'close').then(() => stream.rstCode ?? -1));
    server.emit('asked');
  });
  closeAfter(() => {
    for (const session of sessions) session.destroy();
  });
  const port = await listen(server);
  return {
    port,
    streams,
    next: async () => {
      await once(server, 'asked');
    },
  };
}

test('a hedge goes to another host, and the loser gets RST_STREAM CANCEL while the connection stays', async () => {
  const time = new ManualTime();
  const silent = await silentHttp2();
  let answered = 0;
  const quick = http2.createServer();
  const sessions = new Set<http2.ServerHttp2Session>();
  quick.on('session', (session) => sessions.add(session));
  quick.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    answered++;
    stream.respond({ ':status': 200, 'x-attempt': headers['x-envoy-attempt-count'] });
    stream.end('quick');
  });
  closeAfter(() => {
    for (const session of sessions) session.destroy();
  });
  const proxy = await proxyOf(
    { hedging: hedgeAfter(50) },
    { upstreamPort: silent.port, morePorts: [await listen(quick)], protocol: 'http2', time },
  );
  // Hosts take turns: the silent one is met by one of two requests.
  for (let i = 0; i < 6 && silent.streams.length < 2; i++) {
    const reply = ask(proxy.port);
    const asked = silent.next();
    const first = await Promise.race([reply, asked]);
    if (first === undefined) time.advance(64);
    expect((await reply).body).toBe('quick');
  }
  expect(silent.streams.length).toBe(2);
  expect(await Promise.all(silent.streams)).toEqual([http2.constants.NGHTTP2_CANCEL, http2.constants.NGHTTP2_CANCEL]);
  expect(answered).toBeGreaterThanOrEqual(2);
  expect(proxy.stats.counters.get('cluster.app.upstream_rq_hedge')?.value).toBe(2);
  expect(proxy.stats.counters.get('cluster.app.upstream_rq_hedge_won')?.value).toBe(2);
  expect(proxy.stats.gauges.get('cluster.app.upstream_rq_active')?.value).toBe(0);
  expect(proxy.stats.counters.get('cluster.app.upstream_cx_destroy')?.value).toBe(0);
});

test('another service answers a request, with its body, whose service cannot be reached; streamed, with the mark', async () => {
  const gone = http.createServer();
  const port = await listen(gone);
  gone.close();
  await once(gone, 'close');
  const copy = await http1App((request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/plain', Trailer: 'X-Sum' });
    request.on('data', (chunk) => response.write(chunk));
    request.on('end', () => {
      response.addTrailers({ 'X-Sum': '1' });
      response.end('!');
    });
  });
  const fallback = fallbackTo({ service: { cluster: 'copy', timeoutMs: null } });
  const proxy = await proxyOf(
    { fallback },
    { upstreamPort: port, clusters: [{ name: 'copy', port: copy, protocol: 'http1' }] },
  );
  const reply = await ask(proxy.port, { method: 'POST' }, 'two shirts');
  expect(reply).toMatchObject({ status: 200, body: 'two shirts!' });
  expect(reply.headers['x-outrigger-fallback']).toBe('service; policy="TrafficPolicy shop/orders"');
  const counter = [...proxy.stats.counters.values()].find(({ family }) => family === 'outrigger_fallbacks_total');
  expect(counter).toMatchObject({
    name: 'cluster.app.upstream_rq_fallback_service',
    labels: { cluster: 'app', kind: 'service' },
    value: 1,
  });
  expect(JSON.parse(proxy.lines[0]!)).toMatchObject({ flags: 'UF,FB', cluster: 'copy', status: 200 });
});

test('the last good answer is given when the service fails, over HTTP/1.1 and HTTP/2, and no longer when it is well again', async () => {
  let well = true;
  const upstreamPort = await http1App((request, response) => {
    if (!well) response.writeHead(503).end('down');
    else response.writeHead(200, { ETag: '"1"', 'Content-Type': 'text/html' }).end(`page of ${request.url}`);
  });
  const stale = { maxAgeMs: 60_000, maxEntryBytes: 65_536, varyBy: [] };
  const proxy = await proxyOf({ fallback: fallbackTo({ stale }) }, { upstreamPort });
  // Both callers have to name the same host for the same page.
  const headers = { host: 'orders.shop' };
  expect((await ask(proxy.port, { path: '/a', headers })).body).toBe('page of /a');
  well = false;
  const kept = await ask(proxy.port, { path: '/a', headers });
  expect(kept).toMatchObject({ status: 200, body: 'page of /a' });
  expect(kept.headers).toMatchObject({ etag: '"1"', age: '0', 'content-type': 'text/html', 'content-length': '10' });
  expect(kept.headers['x-outrigger-fallback']).toBe('stale; policy="TrafficPolicy shop/orders"');
  const head = await ask(proxy.port, { path: '/a', headers, method: 'HEAD' });
  expect([head.status, head.body, head.headers['content-length']]).toEqual([200, '', '10']);
  expect(await ask(proxy.port, { path: '/b', headers })).toMatchObject({ status: 503, body: 'down' });
  const client = http2.connect(`http://127.0.0.1:${proxy.port}`);
  closeAfter(() => client.destroy());
  const stream = client.request({ ':path': '/a', ':authority': 'orders.shop' });
  const [answer] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
  let text = '';
  for await (const chunk of stream.setEncoding('latin1')) text += chunk;
  expect([answer[':status'], answer['x-outrigger-fallback'], text]).toEqual([
    200,
    'stale; policy="TrafficPolicy shop/orders"',
    'page of /a',
  ]);
  well = true;
  const again = await ask(proxy.port, { path: '/a', headers });
  expect(again.headers['x-outrigger-fallback']).toBeUndefined();
});

test('a fixed answer for HTTP and for gRPC, where the connection stays usable', async () => {
  const upstreamPort = await http1App((_, response) => response.writeHead(503).end());
  const answer = {
    status: 200,
    headers: [['Content-Type', 'application/json']],
    body: '[]',
    grpcStatus: 8,
    grpcMessage: 'later, please',
  } as const;
  const proxy = await proxyOf({ fallback: fallbackTo({ answer }) }, { upstreamPort });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  closeAfter(() => agent.destroy());
  for (let i = 0; i < 3; i++) {
    const reply = await ask(proxy.port, { agent });
    expect(reply).toMatchObject({ status: 200, body: '[]' });
    expect(reply.headers['content-type']).toBe('application/json');
  }
  expect(proxy.manager.stats.connections.value).toBe(1);
  const client = http2.connect(`http://127.0.0.1:${proxy.port}`);
  closeAfter(() => client.destroy());
  const call = client.request({
    ':method': 'POST',
    ':path': '/shop.Orders/Get',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  call.end();
  const [head] = (await once(call, 'response')) as [http2.IncomingHttpHeaders];
  expect([head[':status'], head['grpc-status'], head['grpc-message']]).toEqual([200, '8', 'later, please']);
});

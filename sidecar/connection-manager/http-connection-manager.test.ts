/** The middle of the data path with its real neighbours: sockets, both codecs, the cluster manager. */
import { once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import http2 from 'node:http2';
import { connect, createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { ProxyError } from '../codec/proxy-error.ts';
import { anyPath, forward, route } from './test/configs.ts';
import { ManualTime } from './test/manual-time.ts';
import { ask, closeAfter, http1App, listen, proxyTo } from './test/real-sockets.ts';

/** Sends raw bytes, gives back everything until the end. */
async function raw(port: number, ...pieces: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  closeAfter(() => socket.destroy());
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
  for (const piece of pieces) {
    socket.write(piece, 'latin1');
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  await once(socket, 'end');
  return text;
}

function echo(request: IncomingMessage, response: http.ServerResponse): void {
  response.writeHead(200, {
    'X-Path': request.url!,
    'X-Method': request.method!,
    'X-Id': request.headers['x-request-id'] ?? '',
  });
  request.pipe(response);
}

test('HTTP/1.1 to HTTP/1.1: bodies both ways, many requests on few connections, counted', async () => {
  const proxy = await proxyTo(await http1App(echo));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  closeAfter(() => agent.destroy());
  for (let i = 0; i < 5; i++) {
    const reply = await ask(proxy.port, { agent, path: `/n?${i}`, method: 'POST' }, 'x'.repeat(i * 50_000));
    expect([reply.status, reply.headers['x-path'], reply.body.length]).toEqual([200, `/n?${i}`, i * 50_000]);
    expect(reply.headers['x-id']).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
  expect(proxy.stats.counters.get('cluster.app.upstream_cx_total')!.value).toBe(1);
  expect(proxy.stats.counters.get('http.test.downstream_cx_http1_total')!.value).toBe(1);
  expect(proxy.stats.counters.get('http.test.downstream_rq_2xx')!.value).toBe(5);
  expect(proxy.lines.length).toBe(5);
});

test('keeps the case and order of header names from HTTP/1.1 to HTTP/1.1', async () => {
  let seen: string[] = [];
  const app = await http1App((request, response) => {
    seen = request.rawHeaders;
    response.writeHead(200, ['X-ZuErSt', '1', 'content-LENGTH', '0']);
    response.end();
  });
  const proxy = await proxyTo(app);
  const text = await raw(
    proxy.port,
    'GET / HTTP/1.1\r\nHOST: a\r\nX-One: 1\r\nx-TWO: 2\r\nConnection: close, X-One\r\n\r\n',
  );
  expect(seen.slice(0, 4)).toEqual(['HOST', 'a', 'x-TWO', '2']);
  expect(seen).not.toContain('X-One');
  expect(text).toContain('\r\nX-ZuErSt: 1\r\ncontent-LENGTH: 0\r\n');
});

for (const [down, up] of [
  ['2', 'http1'],
  ['1.1', 'http2'],
  ['2', 'http2'],
] as const) {
  test(`HTTP/${down} to ${up}: body, trailers and status`, async () => {
    let app: number;
    if (up === 'http2') {
      const server = http2.createServer();
      server.on('stream', (stream: http2.ServerHttp2Stream) => {
        stream.respond({ ':status': 201, 'x-proto': 'h2' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'ok' }));
        stream.pipe(stream);
      });
      app = await listen(server);
    } else {
      app = await http1App((request, response) => {
        response.writeHead(201, { 'x-proto': 'h1', trailer: 'x-sum' });
        response.addTrailers({ 'x-sum': 'ok' });
        request.pipe(response);
      });
    }
    const proxy = await proxyTo(app, { protocol: up });
    const body = 'y'.repeat(300_000);
    if (down === '2') {
      const session = http2.connect(`http://127.0.0.1:${proxy.port}`);
      closeAfter(() => session.close());
      const stream = session.request({ ':method': 'POST', ':path': '/a', te: 'trailers' });
      const headers = once(stream, 'response');
      const trailers = once(stream, 'trailers');
      stream.end(body);
      let text = '';
      for await (const chunk of stream.setEncoding('latin1')) text += chunk;
      expect([(await headers)[0][':status'], text.length]).toEqual([201, 300_000]);
      expect((await trailers)[0]['x-sum']).toBe('ok');
      expect(proxy.stats.counters.get('http.test.downstream_cx_http2_total')!.value).toBe(1);
    } else {
      const reply = await ask(proxy.port, { method: 'POST', headers: { te: 'trailers' } }, body);
      expect([reply.status, reply.headers['x-proto'], reply.body.length]).toEqual([201, 'h2', 300_000]);
    }
  });
}

test('finds HTTP/2 by its preface, also in pieces, and HTTP/1 that begins alike (RFC 9113 3.4)', async () => {
  const proxy = await proxyTo(await http1App(echo));
  const text = await raw(
    proxy.port,
    'P',
    'UT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
  );
  expect(text).toContain('X-Method: PUT');
  const socket = connect(proxy.port, '127.0.0.1');
  closeAfter(() => socket.destroy());
  const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0';
  for (const char of preface) {
    socket.write(char, 'latin1');
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  const [settings] = (await once(socket, 'data')) as [Buffer];
  expect(settings[3]).toBe(4);
});

test('a server that closes its idle connections loses no request: a stale one is replaced', async () => {
  let sockets: Socket[] = [];
  let requests = 0;
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.on('data', () => {
      // The second request on a connection meets its end, unread for all the client knows.
      if (++requests === 2) socket.destroy();
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
  });
  const proxy = await proxyTo(await listen(server));
  closeAfter(() => {
    for (const socket of sockets) socket.destroy();
    sockets = [];
  });
  expect((await ask(proxy.port)).body).toBe('ok');
  expect((await ask(proxy.port)).body).toBe('ok');
  expect(requests).toBe(3);
  expect(JSON.parse(proxy.lines[1]!)).toMatchObject({ attempts: 2, status: 200 });
});

test('a POST on a stale connection that may have been read is answered 503 UC, not sent twice', async () => {
  let requests = 0;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => {
      if (++requests === 2) socket.destroy();
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    closeAfter(() => socket.destroy());
  });
  const proxy = await proxyTo(await listen(server));
  expect((await ask(proxy.port, { method: 'POST' }, 'a')).status).toBe(200);
  const reply = await ask(proxy.port, { method: 'POST' }, 'a');
  expect(reply.status).toBe(503);
  expect(JSON.parse(reply.body)).toMatchObject({ flag: 'UC' });
  expect(requests).toBe(2);
});

test('nobody listens: 503 UF that says so', async () => {
  const server = createServer();
  const port = await listen(server);
  server.close();
  await once(server, 'close');
  const proxy = await proxyTo(port);
  const reply = await ask(proxy.port);
  expect(reply.status).toBe(503);
  expect(JSON.parse(reply.body)).toMatchObject({ flag: 'UF', rule: 'r' });
});

test('a WebSocket-like upgrade becomes a tunnel in which directions end apart', async () => {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi');
      socket.on('data', (chunk) => socket.write(chunk));
      socket.on('end', () => socket.end('bye'));
    });
  });
  const proxy = await proxyTo(await listen(server));
  const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
  closeAfter(() => socket.destroy());
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    const greeted = text.includes('\r\n\r\nhi');
    text += chunk;
    if (!greeted && text.includes('\r\n\r\nhi')) socket.end('echo');
  });
  socket.write('GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  await once(socket, 'end');
  expect(text).toMatch(/^HTTP\/1\.1 101 /);
  expect(text).toMatch(/hiechobye$/);
  expect(JSON.parse(proxy.lines[0]!)).toMatchObject({ status: 101, bytes_received: 4 });
});

for (const down of ['HTTP/1.1', 'HTTP/2'] as const) {
  test(`a caller over ${down} that goes away takes its upstream request with it`, async () => {
    const gone = Promise.withResolvers<void>();
    const proxy = await proxyTo(
      await http1App((_request, response) => {
        response.on('close', () => gone.resolve());
        response.write('x');
      }),
    );
    if (down === 'HTTP/2') {
      const session = http2.connect(`http://127.0.0.1:${proxy.port}`);
      closeAfter(() => session.close());
      const stream = session.request({ ':path': '/' });
      await once(stream, 'response');
      stream.close(http2.constants.NGHTTP2_CANCEL);
    } else {
      const socket = connect(proxy.port, '127.0.0.1');
      socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      await once(socket, 'data');
      // FIN alone is no cancellation: who has closed its sending side still gets its answer (needs-and-defaults.md, 20).
      socket.resetAndDestroy();
    }
    await gone.promise;
    expect(JSON.parse(proxy.lines[0]!)).toMatchObject({ flags: 'DC', status: 200 });
    expect(proxy.manager.activeStreams).toBe(0);
  });
}

test('drain finishes what is in hand with connection: close, and later connections after one answer', async () => {
  const held = Promise.withResolvers<http.ServerResponse>();
  const proxy = await proxyTo(
    await http1App((request, response) => {
      if (request.url === '/slow') held.resolve(response);
      else response.end('quick');
    }),
  );
  const agent = new http.Agent({ keepAlive: true });
  closeAfter(() => agent.destroy());
  const slow = ask(proxy.port, { agent, path: '/slow' });
  const response = await held.promise;
  proxy.manager.drain();
  response.end('slow');
  const reply = await slow;
  expect([reply.body, reply.headers.connection]).toEqual(['slow', 'close']);
  const late = await ask(proxy.port, { agent });
  expect([late.body, late.headers.connection]).toEqual(['quick', 'close']);
});

test.each(['HTTP/1.1', 'HTTP/2'])(
  'a replaced manager judges no more request on %s connections that are there: its successor does',
  async (protocol) => {
    const held = Promise.withResolvers<http.ServerResponse>();
    const app = await http1App((request, response) => {
      if (request.url === '/slow') held.resolve(response);
      else response.end('quick');
    });
    const proxy = await proxyTo(app);
    const strict = await proxyTo(app, { routes: [] });
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const session = http2.connect(`http://127.0.0.1:${proxy.port}`);
    closeAfter(
      () => agent.destroy(),
      () => session.close(),
    );
    const get = async (path: string): Promise<number> => {
      if (protocol === 'HTTP/1.1') return (await ask(proxy.port, { agent, path })).status;
      const stream = session.request({ ':path': path });
      const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
      stream.resume();
      await once(stream, 'close');
      return Number(headers[':status']);
    };
    expect(await get('/')).toBe(200);
    const slow = protocol === 'HTTP/2' ? get('/slow') : Promise.resolve(200);
    if (protocol === 'HTTP/2') await held.promise;
    proxy.manager.succeededBy(strict.manager);
    // No drain, which would end the connection: what counts is that the next request on it meets the new rules.
    expect(await get('/')).toBe(404);
    if (protocol === 'HTTP/2') (await held.promise).end('slow');
    expect(await slow).toBe(200);
    expect([proxy.manager.activeStreams, strict.manager.activeStreams]).toEqual([0, 0]);
  },
);

test('destroyAll ends every connection now', async () => {
  const proxy = await proxyTo(await http1App(() => {}));
  const request = http.get({ port: proxy.port, host: '127.0.0.1', agent: false });
  const failed = once(request, 'error').catch((error: unknown) => error);
  await expect.poll(() => proxy.manager.activeStreams, { interval: 1 }).toBe(1);
  proxy.manager.destroyAll(
    new ProxyError({ flag: 'LR', source: 'local', details: 'drain_time_exceeded', message: 'Bye.' }),
  );
  await failed;
  await expect.poll(() => proxy.manager.activeConnections, { interval: 1 }).toBe(0);
  expect(JSON.parse(proxy.lines[0]!)).toMatchObject({ flags: 'LR' });
});

test('a malformed request is counted and logged though no stream was made', async () => {
  const proxy = await proxyTo(await http1App(echo));
  const text = await raw(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n');
  expect(text).toMatch(/^HTTP\/1\.1 400 /);
  expect(proxy.stats.counters.get('http.test.downstream_cx_protocol_error')!.value).toBe(1);
  expect(proxy.stats.counters.get('http.test.downstream_rq_4xx')!.value).toBe(1);
  expect(JSON.parse(proxy.lines[0]!)).toMatchObject({ status: 400, flags: 'DPE', method: null });
});

test('10 MiB pass while the reader is slow, within bounded memory', async () => {
  const total = 10 * 1024 * 1024;
  let written = 0;
  const chunk = Buffer.alloc(64 * 1024, 'z');
  const proxy = await proxyTo(
    await http1App((_request, response) => {
      const write = (): void => {
        while (written < total) {
          written += chunk.length;
          if (!response.write(chunk)) {
            response.once('drain', write);
            return;
          }
        }
        response.end();
      };
      write();
    }),
  );
  const socket = connect(proxy.port, '127.0.0.1');
  closeAfter(() => socket.destroy());
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  await once(socket, 'readable');
  // Nobody reads: what the app could write is what buffers on the way hold. The kernel's are the larger part.
  // All of them are of this process, so turns of its event loop say when nothing moves any more, however slow the machine is.
  let before = written;
  for (let still = 0; still < 500; still = before === written ? still + 1 : 0) {
    before = written;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(written).toBeLessThan(total);
  let read = 0;
  socket.on('data', (data: Buffer) => (read += data.length));
  socket.resume();
  await once(socket, 'end');
  expect(read).toBeGreaterThan(total);
});

test('a connection on which nothing is asked is closed (idle timeout), also before its protocol is known', async () => {
  const time = new ManualTime();
  const proxy = await proxyTo(await http1App(echo), { time, config: { connectionIdleTimeoutMs: 40 } });
  expect(await time.passUntil(raw(proxy.port))).toBe('');
  const text = await time.passUntil(raw(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'));
  expect(text).toMatch(/^HTTP\/1\.1 200 /);
  expect(proxy.stats.counters.get('http.test.downstream_cx_idle_timeout')!.value).toBe(2);
  await expect.poll(() => proxy.manager.activeConnections, { interval: 1 }).toBe(0);
});

test('a head that does not come to its end is answered 408, a preface cut off', async () => {
  const time = new ManualTime();
  const proxy = await proxyTo(await http1App(echo), { time, config: { requestHeadersTimeoutMs: 40 } });
  const text = await time.passUntil(raw(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\nX-Slow'));
  expect(text).toMatch(/^HTTP\/1\.1 408 /);
  const socket = connect(proxy.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write('PRI * HT');
  await time.passUntil(once(socket, 'close'));
  expect(proxy.stats.counters.get('http.test.downstream_rq_timeout')!.value).toBe(2);
});

test('a connection past its maximum duration is drained', async () => {
  const time = new ManualTime();
  const proxy = await proxyTo(await http1App(echo), { time, config: { maxConnectionDurationMs: 40 } });
  const text = await time.passUntil(raw(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'));
  expect(text).toMatch(/^HTTP\/1\.1 200 /);
  expect(proxy.stats.counters.get('http.test.downstream_cx_max_duration_reached')!.value).toBe(1);
});

for (const kind of ['its upstream', 'no route'] as const) {
  test(`an upload that is refused early by ${kind} is answered, over HTTP/1.1 and HTTP/2`, async () => {
    const app = await http1App((request, response) => {
      response.writeHead(413, { 'content-length': '3' });
      response.end('big');
      request.resume();
    });
    const proxy = await proxyTo(app, kind === 'no route' ? { routes: [] } : {});
    const status = kind === 'no route' ? 404 : 413;
    // HTTP/1.1: the body never ends; the answer comes, then the connection closes.
    const text = raw(
      proxy.port,
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n${'x'.repeat(300_000)}`,
    );
    expect(await text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    const session = http2.connect(`http://127.0.0.1:${proxy.port}`);
    closeAfter(() => session.close());
    const stream = session.request({ ':method': 'POST', ':path': '/' });
    stream.on('error', () => {});
    stream.write('x'.repeat(300_000));
    const [headers] = await once(stream, 'response');
    expect(headers[':status']).toBe(status);
    stream.resume();
    await once(stream, 'close');
    expect(proxy.manager.activeStreams).toBe(0);
    expect(proxy.lines.length).toBe(2);
  });
}

test('gRPC over HTTP/2 on both sides: messages both ways, trailers, and a deadline that cuts the upstream off', async () => {
  const cancelled = Promise.withResolvers<number>();
  const server = http2.createServer();
  server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
    if (headers[':path'] === '/s/Hang') {
      stream.on('close', () => cancelled.resolve(stream.rstCode));
      stream.on('error', () => {});
      return;
    }
    stream.respond(
      { 'content-type': 'application/grpc', 'x-deadline': headers['grpc-timeout'] },
      { waitForTrailers: true },
    );
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '3', 'grpc-message': 'no' }));
    stream.pipe(stream);
  });
  const routes = [route('grpc', anyPath, forward('app', { timeoutMs: 0, grpcTimeoutHeaderMaxMs: 0 }))];
  const proxy = await proxyTo(await listen(server), { protocol: 'http2', routes });
  const session = http2.connect(`http://127.0.0.1:${proxy.port}`);
  closeAfter(() => session.close());
  const call = (path: string, timeout: string): http2.ClientHttp2Stream =>
    session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-timeout': timeout,
    });
  const echoed = call('/s/Echo', '10S');
  const head = once(echoed, 'response');
  const trailers = once(echoed, 'trailers');
  echoed.write('one');
  expect(String((await once(echoed, 'data'))[0])).toBe('one');
  echoed.end('two');
  expect(String((await once(echoed, 'data'))[0])).toBe('two');
  const toldMs = Number.parseInt((await head)[0]['x-deadline'], 10);
  expect(toldMs).toBeGreaterThan(5_000);
  expect(toldMs).toBeLessThanOrEqual(10_000);
  expect((await trailers)[0]['grpc-status']).toBe('3');
  const hanging = call('/s/Hang', '50m');
  hanging.end('x');
  const [answer] = await once(hanging, 'response');
  expect([answer[':status'], answer['grpc-status']]).toEqual([200, '4']);
  expect(await cancelled.promise).toBe(http2.constants.NGHTTP2_CANCEL);
  expect(proxy.lines.map((line) => (JSON.parse(line) as { grpc_status: number }).grpc_status)).toEqual([3, 4]);
});

/** Both sides on real sockets with Node's own HTTP client and server at the ends, and a pass-through without any policy between. */

import { once } from 'node:events';
import {
  Agent,
  createServer as createHttpServer,
  type Server as HttpServer,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type {
  ClientConnectionOwner,
  ClientStream,
  RequestReceiver,
  ResponseReceiver,
  ServerConnectionOwner,
  ServerStream,
} from '../codec/codec.ts';
import type { HeaderFields } from '../codec/header-fields.ts';
import { defaultHttpLimits } from '../codec/limits.ts';
import type { RequestHead, ResponseHead } from '../codec/message-head.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import { systemClock } from '../runtime/clock.ts';
import { TimerWheel } from '../runtime/timer-wheel.ts';
import { Http1ClientConnection } from './client-connection.ts';
import { Http1ServerConnection } from './server-connection.ts';

const wheel = new TimerWheel(systemClock);
const limits = { ...defaultHttpLimits, highWatermarkBytes: 128 * 1024, lowWatermarkBytes: 32 * 1024 };

/** Passes one downstream connection through to one upstream connection. */
class PassThrough implements ServerConnectionOwner, ClientConnectionOwner {
  readonly server: Http1ServerConnection;
  readonly client: Http1ClientConnection;
  readonly errors: ProxyError[] = [];
  requests = 0;
  mostBuffered = 0;
  readonly #down: Socket;
  readonly #up: Socket;

  constructor(down: Socket, up: Socket) {
    this.#down = down;
    this.#up = up;
    this.server = new Http1ServerConnection(down, this, limits, {
      scheme: 'http',
      wheel,
      acceptHttp10: true,
      firstBytes: null,
    });
    this.client = new Http1ClientConnection(up, this, limits);
  }
  onStream(stream: ServerStream): RequestReceiver {
    this.requests++;
    return new Exchange(this, stream).fromClient;
  }
  note(): void {
    this.mostBuffered = Math.max(this.mostBuffered, this.#down.writableLength, this.#up.writableLength);
  }
  onCodecError(error: ProxyError): void {
    this.errors.push(error);
  }
  onReady(): void {}
  onStreamsAvailable(): void {}
  onDraining(): void {}
  onClose(error: ProxyError | null): void {
    if (error !== null) this.errors.push(error);
  }
}

class Exchange {
  readonly fromClient: RequestReceiver;
  readonly fromUpstream: ResponseReceiver;

  constructor(owner: PassThrough, down: ServerStream) {
    let up: ClientStream | null = null;
    const fail = (error: ProxyError): void => {
      down.reset(error);
      up?.reset(error);
    };
    this.fromUpstream = {
      onInformational: (head: ResponseHead) => down.sendInformational(head),
      onHead: (head: ResponseHead, end: boolean) => down.sendHead(head, end),
      onData: (chunk: Buffer, end: boolean) => {
        down.sendData(chunk, end);
        owner.note();
      },
      onTrailers: (trailers: HeaderFields) => down.sendTrailers(trailers),
      onReset: fail,
      onWriteBlocked: () => down.pauseReading(),
      onWriteReady: () => down.resumeReading(),
    };
    this.fromClient = {
      onHead: (head: RequestHead, end: boolean) => {
        up = owner.client.newStream(this.fromUpstream);
        up.sendHead(head, end);
      },
      onData: (chunk: Buffer, end: boolean) => {
        up!.sendData(chunk, end);
        owner.note();
      },
      onTrailers: (trailers: HeaderFields) => up!.sendTrailers(trailers),
      onReset: fail,
      onWriteBlocked: () => up?.pauseReading(),
      onWriteReady: () => up?.resumeReading(),
    };
  }
}

const cleanups: Array<() => void> = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

async function listen(server: Server | HttpServer): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function proxyTo(upstream: HttpServer | Server): Promise<{ port: number; passed: PassThrough[] }> {
  const upstreamPort = await listen(upstream);
  const passed: PassThrough[] = [];
  const port = await listen(
    createServer({ allowHalfOpen: true, noDelay: true }, (down) => {
      const up = connect({ port: upstreamPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
      cleanups.push(() => {
        down.destroy();
        up.destroy();
      });
      down.pause();
      up.once('connect', () => passed.push(new PassThrough(down, up)));
    }),
  );
  return { port, passed };
}

async function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

describe('Node http client and server through both sides of the codec', () => {
  it('carries requests, bodies and trailers over kept connections', async () => {
    const { port, passed } = await proxyTo(
      createHttpServer((request, response) => {
        request.on('data', (chunk) => response.write(chunk));
        request.on('end', () => {
          response.addTrailers({ 'X-Sum': `${request.method} ${request.url} ${request.trailers['x-t'] ?? ''}` });
          response.end();
        });
        response.writeHead(200, { Trailer: 'X-Sum' });
      }),
    );
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    cleanups.push(() => agent.destroy());
    for (let i = 0; i < 20; i++) {
      const request = httpRequest({
        port,
        agent,
        method: 'POST',
        path: `/${i}`,
        headers: { 'Transfer-Encoding': 'chunked', Trailer: 'X-T' },
      });
      request.write('a'.repeat(i * 1000));
      request.addTrailers({ 'X-T': String(i) });
      request.end();
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      expect((await bodyOf(response)).toString()).toBe('a'.repeat(i * 1000));
      expect(response.trailers['x-sum']).toBe(`POST /${i} ${i}`);
    }
    expect(passed).toHaveLength(1);
    expect(passed[0]!.requests).toBe(20);
  });

  it('carries 100-continue and early hints', async () => {
    const upstream = createHttpServer((request, response) => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' });
      request.resume();
      request.on('end', () => response.end('done'));
    });
    const { port } = await proxyTo(upstream);
    const heard: string[] = [];
    const request = httpRequest({ port, method: 'PUT', headers: { Expect: '100-continue', 'Content-Length': 2 } });
    request.on('continue', () => {
      heard.push('continue');
      request.end('ok');
    });
    request.on('information', (info) => heard.push(String(info.statusCode)));
    request.flushHeaders();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    expect((await bodyOf(response)).toString()).toBe('done');
    expect(heard).toContain('continue');
    expect(heard).toContain('103');
  });

  it('carries an upgrade and its half-close', async () => {
    const upstream = createHttpServer();
    upstream.on('upgrade', (_request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
      socket.pipe(socket);
    });
    const { port } = await proxyTo(upstream);
    const request = httpRequest({ port, headers: { Connection: 'Upgrade', Upgrade: 'echo' } });
    request.end();
    const [, socket] = (await once(request, 'upgrade')) as [IncomingMessage, Socket, Buffer];
    socket.end('hello');
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toBe('hello');
  });

  it('answers a client that closed its half behind the request', async () => {
    const { port } = await proxyTo(createHttpServer((_request, response) => setImmediate(() => response.end('late'))));
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.end('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*late/);
  });

  it('shows its refusal to a client that goes on sending, instead of a reset', async () => {
    const { port } = await proxyTo(createHttpServer());
    const socket = connect({ port, host: '127.0.0.1' });
    socket.write('GET / HTTP/1.1\r\n\r\n');
    socket.write(Buffer.alloc(512 * 1024));
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n[^]*Host/);
  });

  it('passes large bodies at constant memory, both ways, when the reader is slow', async () => {
    const size = 6 * 1024 * 1024;
    const { port, passed } = await proxyTo(
      createHttpServer((request, response) => {
        let received = 0;
        request.on('data', (chunk: Buffer) => {
          received += chunk.length;
          // Reads with pauses, so that the writer in front of it has to wait.
          request.pause();
          setImmediate(() => request.resume());
        });
        request.on('end', () => response.end(Buffer.alloc(received, 98)));
      }),
    );
    const request = httpRequest({ port, method: 'POST', headers: { 'Content-Length': size } });
    request.end(Buffer.alloc(size, 97));
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    let received = 0;
    for await (const chunk of response) {
      received += (chunk as Buffer).length;
      await new Promise(setImmediate);
    }
    expect(received).toBe(size);
    expect(passed[0]!.mostBuffered).toBeLessThan(512 * 1024);
    expect(passed[0]!.errors).toEqual([]);
  });
});

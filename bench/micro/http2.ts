/**
 * What the HTTP/2 codec costs. Two modes, run by hand:
 *   node bench/micro/http2.ts                     codec alone, no sockets: ns per request, server side and client side together
 *   node bench/micro/http2.ts LISTEN UPSTREAM     a bare HTTP/2 → HTTP/2 proxy on two ports, to put under h2load with --cpu-prof
 */
import { connect, createServer, type Socket } from 'node:net';
import type {
  ClientConnectionOwner,
  ClientStream,
  RequestReceiver,
  ResponseReceiver,
  ServerConnectionOwner,
  ServerStream,
} from '../../sidecar/codec/codec.ts';
import { HeaderFields } from '../../sidecar/codec/header-fields.ts';
import { headerName } from '../../sidecar/codec/header-name.ts';
import { defaultHttp2Limits, defaultHttpLimits } from '../../sidecar/codec/limits.ts';
import { RequestHead, ResponseHead } from '../../sidecar/codec/message-head.ts';
import type { ProxyError } from '../../sidecar/codec/proxy-error.ts';
import { Http2ClientConnection } from '../../sidecar/http2/client-connection.ts';
import { Http2ServerConnection } from '../../sidecar/http2/server-connection.ts';
import { systemClock } from '../../sidecar/runtime/clock.ts';
import { TimerWheel } from '../../sidecar/runtime/timer-wheel.ts';

const wheel = new TimerWheel(systemClock);
const requestId = headerName('x-request-id');
let requestCount = 0;

/** Joins a downstream and an upstream stream, as a proxy does, with one field added that never repeats. */
class Exchange implements RequestReceiver, ResponseReceiver {
  readonly #down: ServerStream;
  readonly #upstream: Http2ClientConnection;
  #up: ClientStream | null = null;

  constructor(down: ServerStream, upstream: Http2ClientConnection) {
    this.#down = down;
    this.#upstream = upstream;
  }

  onHead(head: RequestHead | ResponseHead, endStream: boolean): void {
    if (head instanceof ResponseHead) {
      this.#down.sendHead(head, endStream);
      return;
    }
    head.fields.append(requestId, `00000000-0000-4000-8000-${(++requestCount).toString(16).padStart(12, '0')}`);
    this.#up = this.#upstream.newStream(new UpstreamSide(this, this.#down));
    this.#up.sendHead(head, endStream);
  }

  onData(chunk: Buffer, endStream: boolean): void {
    this.#up!.sendData(chunk, endStream);
  }

  onTrailers(trailers: HeaderFields): void {
    this.#up!.sendTrailers(trailers);
  }

  onReset(error: ProxyError): void {
    this.#up?.reset(error);
  }

  onInformational(): void {}
  onWriteBlocked(): void {
    this.#up?.pauseReading();
  }
  onWriteReady(): void {
    this.#up?.resumeReading();
  }
  pauseDown(): void {
    this.#down.pauseReading();
  }
  resumeDown(): void {
    this.#down.resumeReading();
  }
}

class UpstreamSide implements ResponseReceiver {
  readonly #exchange: Exchange;
  readonly #down: ServerStream;

  constructor(exchange: Exchange, down: ServerStream) {
    this.#exchange = exchange;
    this.#down = down;
  }

  onInformational(head: ResponseHead): void {
    this.#down.sendInformational(head);
  }
  onHead(head: ResponseHead, endStream: boolean): void {
    this.#down.sendHead(head, endStream);
  }
  onData(chunk: Buffer, endStream: boolean): void {
    this.#down.sendData(chunk, endStream);
  }
  onTrailers(trailers: HeaderFields): void {
    this.#down.sendTrailers(trailers);
  }
  onReset(error: ProxyError): void {
    this.#down.reset(error);
  }
  onWriteBlocked(): void {
    this.#exchange.pauseDown();
  }
  onWriteReady(): void {
    this.#exchange.resumeDown();
  }
}

const options = { scheme: 'http', clock: systemClock, wheel, firstBytes: null } as const;

const clientOwner: ClientConnectionOwner = {
  onReady: () => {},
  onStreamsAvailable: () => {},
  onDraining: () => {},
  onClose: (error) => console.error('upstream connection closed', error?.details, error?.message),
};

function serverOwner(upstream: () => Http2ClientConnection): ServerConnectionOwner {
  return {
    onStream: (stream) => new Exchange(stream, upstream()),
    onCodecError: (error) => console.error(error.message),
    onClose: () => {},
  };
}

function runProxy(listenPort: number, upstreamPort: number): void {
  process.on('SIGINT', () => process.exit());
  const socket = connect({ host: '127.0.0.1', port: upstreamPort, noDelay: true });
  const upstream = new Http2ClientConnection(socket, clientOwner, defaultHttpLimits, defaultHttp2Limits, options);
  const owner = serverOwner(() => upstream);
  createServer({ noDelay: true, allowHalfOpen: true }, (accepted) => {
    void new Http2ServerConnection(accepted, owner, defaultHttpLimits, defaultHttp2Limits, options);
  }).listen(listenPort, '127.0.0.1', () => console.log(`listening on ${listenPort}`));
}

/** Stands in for a socket: what is written comes out of `take`. */
class FakeSocket {
  writableLength = 0;
  destroyed = false;
  writable = true;
  readonly #written: Buffer[] = [];
  on(): this {
    return this;
  }
  once(): this {
    return this;
  }
  cork(): void {}
  uncork(): void {}
  write(bytes: Buffer): boolean {
    this.#written.push(Buffer.from(bytes));
    return true;
  }
  end(): void {}
  destroy(): void {}
  take(): Buffer {
    const all = Buffer.concat(this.#written);
    this.#written.length = 0;
    return all;
  }
}

/** Answers like a service: head, 1 KiB, and trailers when the request says gRPC. */
class Answering implements RequestReceiver {
  readonly #stream: ServerStream;
  readonly #body: Buffer;

  constructor(stream: ServerStream, body: Buffer) {
    this.#stream = stream;
    this.#body = body;
  }
  onHead(_head: RequestHead, endStream: boolean): void {
    if (endStream) this.onTrailers();
  }
  onData(_chunk: Buffer, endStream: boolean): void {
    if (endStream) this.onTrailers();
  }
  onTrailers(): void {
    const fields = HeaderFields.of(
      ['content-type', 'text/plain'],
      ['content-length', String(this.#body.length)],
      ['date', 'Mon, 23 Nov 2026 16:57:57 GMT'],
      ['server', 'service'],
    );
    this.#stream.sendHead(new ResponseHead(200, fields), false);
    this.#stream.sendData(this.#body, true);
  }
  onReset(): void {}
  onWriteBlocked(): void {}
  onWriteReady(): void {}
}

class Caller implements ResponseReceiver {
  static done = 0;
  onInformational(): void {}
  onHead(_head: ResponseHead, endStream: boolean): void {
    if (endStream) Caller.done++;
  }
  onData(_chunk: Buffer, endStream: boolean): void {
    if (endStream) Caller.done++;
  }
  onTrailers(): void {
    Caller.done++;
  }
  onReset(error: ProxyError): void {
    throw new Error(error.message);
  }
  onWriteBlocked(): void {}
  onWriteReady(): void {}
}

function fields(): HeaderFields {
  return HeaderFields.of(
    ['user-agent', 'bench/1'],
    ['accept', '*/*'],
    ['content-type', 'application/json'],
    ['x-tenant', 'acme'],
  );
}

/** caller ⇄ proxy ⇄ service, bytes carried by hand; only the time inside the proxy is counted. */
function runCodecAlone(): void {
  const caller = new FakeSocket();
  const downstream = new FakeSocket();
  const upstreamSide = new FakeSocket();
  const service = new FakeSocket();
  const body = Buffer.alloc(1024, 'x');
  const make = (socket: FakeSocket): Http2ClientConnection =>
    new Http2ClientConnection(socket as unknown as Socket, clientOwner, defaultHttpLimits, defaultHttp2Limits, options);
  const serve = (socket: FakeSocket, owner: ServerConnectionOwner): Http2ServerConnection =>
    new Http2ServerConnection(socket as unknown as Socket, owner, defaultHttpLimits, defaultHttp2Limits, options);
  const callerSide = make(caller);
  const up = make(upstreamSide);
  const down = serve(
    downstream,
    serverOwner(() => up),
  );
  const origin = serve(service, {
    onStream: (stream) => new Answering(stream, body),
    onCodecError: () => {},
    onClose: () => {},
  });
  const counted = { ns: 0n };
  const timed = (work: () => void): void => {
    const start = process.hrtime.bigint();
    work();
    counted.ns += process.hrtime.bigint() - start;
  };
  const move = (): void => {
    callerSide.writer.flush();
    const fromCaller = caller.take();
    timed(() => {
      if (fromCaller.length > 0) down.receive(fromCaller);
      up.writer.flush();
    });
    const toService = upstreamSide.take();
    if (toService.length > 0) origin.receive(toService);
    origin.writer.flush();
    const fromService = service.take();
    timed(() => {
      if (fromService.length > 0) up.receive(fromService);
      down.writer.flush();
      up.writer.flush();
    });
    const toCaller = downstream.take();
    if (toCaller.length > 0) callerSide.receive(toCaller);
  };
  move();
  move();
  const round = (requests: number): number => {
    counted.ns = 0n;
    Caller.done = 0;
    for (let sent = 0; sent < requests; sent += 20) {
      for (let i = 0; i < 20; i++) {
        callerSide
          .newStream(new Caller())
          .sendHead(new RequestHead('GET', 'http', 'orders.shop:80', '/orders/42', '2', fields()), true);
      }
      move();
      move();
    }
    if (Caller.done !== requests) throw new Error(`${Caller.done} of ${requests} answered`);
    return Number(counted.ns) / requests;
  };
  for (let i = 0; i < 5; i++) console.log(`${round(40_000).toFixed(0)} ns per request`);
}

const [listenPort, upstreamPort] = process.argv.slice(2).map(Number);
if (listenPort !== undefined && upstreamPort !== undefined) runProxy(listenPort, upstreamPort);
else runCodecAlone();

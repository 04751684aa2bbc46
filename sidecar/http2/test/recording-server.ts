/** A listening server in tests that writes down every event of every stream and leaves answering to the test. */
import { createServer, type Server, type Socket } from 'node:net';
import type { RequestReceiver, ServerStream } from '../../codec/codec.ts';
import { HeaderFields } from '../../codec/header-fields.ts';
import { defaultHttp2Limits, defaultHttpLimits, type Http2Limits, type HttpLimits } from '../../codec/limits.ts';
import { type RequestHead, ResponseHead } from '../../codec/message-head.ts';
import type { ProxyError } from '../../codec/proxy-error.ts';
import { TimerWheel } from '../../runtime/timer-wheel.ts';
import { Http2ServerConnection, type Http2ServerOptions } from '../server-connection.ts';

/** A clock and wheel that move only when told. */
export class ManualTime {
  now = 1_000;
  readonly clock = { nowMs: () => this.now, wallMs: () => this.now };
  readonly wheel = new TimerWheel(this.clock, () => () => {});

  pass(ms: number): void {
    this.now += ms;
    this.wheel.advance();
  }
}

export class RecordedStream implements RequestReceiver {
  readonly stream: ServerStream;
  readonly #server: RecordingServer;
  readonly events: string[] = [];
  head: RequestHead | null = null;
  body: Buffer = Buffer.alloc(0);
  trailers: HeaderFields | null = null;
  error: ProxyError | null = null;
  blocked = false;

  constructor(stream: ServerStream, server: RecordingServer) {
    this.stream = stream;
    this.#server = server;
  }

  onHead(head: RequestHead, endStream: boolean): void {
    this.head = head;
    this.#note(endStream ? 'head end' : 'head');
  }
  onData(chunk: Buffer, endStream: boolean): void {
    this.body = Buffer.concat([this.body, chunk]);
    this.#note(endStream ? 'data end' : 'data');
  }
  onTrailers(trailers: HeaderFields): void {
    this.trailers = trailers;
    this.#note('trailers');
  }
  onReset(error: ProxyError): void {
    this.error = error;
    this.#note('reset');
  }
  onWriteBlocked(): void {
    this.blocked = true;
    this.#note('blocked');
  }
  onWriteReady(): void {
    this.blocked = false;
    this.#note('ready');
  }

  answer(status = 200, body = 'ok'): void {
    this.stream.sendHead(new ResponseHead(status, HeaderFields.of(['content-type', 'text/plain'])), false);
    this.stream.sendData(Buffer.from(body), true);
  }

  #note(event: string): void {
    this.events.push(event);
    this.#server.wake();
  }
}

export class RecordingServer {
  readonly streams: RecordedStream[] = [];
  readonly connections: Http2ServerConnection[] = [];
  readonly codecErrors: ProxyError[] = [];
  readonly closes: Array<ProxyError | null> = [];
  readonly time = new ManualTime();
  readonly #server: Server;
  readonly #limits: HttpLimits;
  readonly #http2Limits: Http2Limits;
  readonly #options: Partial<Http2ServerOptions>;
  #wake: Array<() => void> = [];
  /** Answers every whole request at once. */
  autoAnswer = false;
  onNewStream: (stream: RecordedStream) => void = () => {};

  /** One that accepts what it is given; see {@link start} for one that listens. */
  constructor(
    limits: Partial<HttpLimits> = {},
    http2Limits: Partial<Http2Limits> = {},
    options: Partial<Http2ServerOptions> = {},
  ) {
    this.#limits = { ...defaultHttpLimits, ...limits };
    this.#http2Limits = { ...defaultHttp2Limits, ...http2Limits };
    this.#options = options;
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.accept(socket));
  }

  accept(socket: Socket): Http2ServerConnection {
    const connection = new Http2ServerConnection(
      socket,
      {
        onStream: (stream) => {
          const recorded = new RecordedStream(stream, this);
          this.streams.push(recorded);
          this.onNewStream(recorded);
          return recorded;
        },
        onCodecError: (error) => {
          this.codecErrors.push(error);
          this.wake();
        },
        onClose: (error) => {
          this.closes.push(error);
          this.wake();
        },
      },
      this.#limits,
      this.#http2Limits,
      { scheme: 'http', clock: this.time.clock, wheel: this.time.wheel, firstBytes: null, ...this.#options },
    );
    this.connections.push(connection);
    return connection;
  }

  static async start(
    limits: Partial<HttpLimits> = {},
    http2Limits: Partial<Http2Limits> = {},
    options: Partial<Http2ServerOptions> = {},
  ): Promise<RecordingServer> {
    const server = new RecordingServer(limits, http2Limits, options);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** Waits until the condition holds; looked at after every event. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  wake(): void {
    if (this.autoAnswer) {
      for (const one of this.streams) {
        const last = one.events.at(-1);
        if (last === 'head end' || last === 'data end' || last === 'trailers') {
          one.events.push('answered');
          one.answer();
        }
      }
    }
    const wake = this.#wake;
    this.#wake = [];
    for (const resume of wake) resume();
  }

  close(): void {
    for (const connection of this.connections) connection.socket.destroy();
    this.#server.close();
  }
}

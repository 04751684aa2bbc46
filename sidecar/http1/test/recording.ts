/** Owners and receivers for codec tests that keep everything they hear, in order. */
import type {
  ClientConnectionOwner,
  ResponseReceiver,
  ServerConnectionOwner,
  ServerStream,
} from '../../codec/codec.ts';
import type { HeaderFields } from '../../codec/header-fields.ts';
import { defaultHttpLimits, type HttpLimits } from '../../codec/limits.ts';
import { RequestHead, ResponseHead } from '../../codec/message-head.ts';
import type { ProxyError } from '../../codec/proxy-error.ts';
import { TimerWheel } from '../../runtime/timer-wheel.ts';
import { Http1ClientConnection } from '../client-connection.ts';
import { Http1ServerConnection } from '../server-connection.ts';
import { FakeSocket, turn } from './fake-socket.ts';

/** One message as it was heard. */
export class Recording implements ResponseReceiver {
  head: RequestHead | ResponseHead | null = null;
  readonly informational: ResponseHead[] = [];
  readonly chunks: Buffer[] = [];
  trailers: HeaderFields | null = null;
  ended = false;
  error: ProxyError | null = null;
  blocked = 0;
  ready = 0;
  /** Called with each event after it was kept. */
  react: ((event: 'head' | 'data' | 'trailers' | 'end' | 'reset') => void) | null = null;

  get body(): string {
    return Buffer.concat(this.chunks).toString('latin1');
  }
  get request(): RequestHead {
    if (!(this.head instanceof RequestHead)) throw new Error('no request head was heard');
    return this.head;
  }
  get response(): ResponseHead {
    if (!(this.head instanceof ResponseHead)) throw new Error('no response head was heard');
    return this.head;
  }
  onInformational(head: ResponseHead): void {
    this.#alive();
    this.informational.push(head);
  }
  onHead(head: RequestHead | ResponseHead, endStream: boolean): void {
    this.#alive();
    if (this.head !== null) throw new Error('two heads');
    this.head = head;
    this.ended = endStream;
    this.react?.('head');
    if (endStream) this.react?.('end');
  }
  onData(chunk: Buffer, endStream: boolean): void {
    this.#alive();
    if (chunk.length === 0 && !endStream) throw new Error('empty chunk');
    this.chunks.push(chunk);
    this.ended = endStream;
    this.react?.('data');
    if (endStream) this.react?.('end');
  }
  onTrailers(trailers: HeaderFields): void {
    this.#alive();
    this.trailers = trailers;
    this.ended = true;
    this.react?.('trailers');
    this.react?.('end');
  }
  onReset(error: ProxyError): void {
    if (this.error !== null) throw new Error('reset twice');
    this.error = error;
    this.react?.('reset');
  }
  onWriteBlocked(): void {
    this.blocked++;
  }
  onWriteReady(): void {
    this.ready++;
  }
  #alive(): void {
    if (this.ended || this.error !== null) throw new Error('an event after the end');
  }
}

export class ServerSide implements ServerConnectionOwner {
  readonly socket = new FakeSocket();
  readonly requests: Recording[] = [];
  readonly streams: ServerStream[] = [];
  readonly refusals: ProxyError[] = [];
  readonly closes: Array<ProxyError | null> = [];
  nowMs = 1000;
  readonly wheel: TimerWheel = new TimerWheel({ nowMs: () => this.nowMs, wallMs: () => this.nowMs }, () => () => {});
  readonly connection: Http1ServerConnection;
  /** Called for each stream before its head. */
  prepare: ((stream: ServerStream, request: Recording) => void) | null = null;

  constructor(
    limits: Partial<HttpLimits> = {},
    options: { scheme?: 'http' | 'https'; firstBytes?: Buffer; acceptHttp10?: boolean } = {},
  ) {
    this.connection = new Http1ServerConnection(
      this.socket.asSocket,
      this,
      { ...defaultHttpLimits, ...limits },
      {
        scheme: options.scheme ?? 'http',
        wheel: this.wheel,
        acceptHttp10: options.acceptHttp10 ?? true,
        firstBytes: options.firstBytes ?? null,
      },
    );
  }

  onStream(stream: ServerStream): Recording {
    const request = new Recording();
    this.requests.push(request);
    this.streams.push(stream);
    this.prepare?.(stream, request);
    return request;
  }
  onCodecError(error: ProxyError): void {
    this.refusals.push(error);
  }
  onClose(error: ProxyError | null): void {
    this.closes.push(error);
  }
  /** Moves the clock, fires what is due. */
  async pass(ms: number): Promise<void> {
    this.nowMs += ms;
    this.wheel.advance();
    await turn();
  }
}

export class ClientSide implements ClientConnectionOwner {
  readonly socket = new FakeSocket();
  readonly connection: Http1ClientConnection;
  readonly closes: Array<ProxyError | null> = [];
  available = 0;
  draining = 0;

  constructor(limits: Partial<HttpLimits> = {}) {
    this.connection = new Http1ClientConnection(this.socket.asSocket, this, { ...defaultHttpLimits, ...limits });
  }
  onReady(): void {
    throw new Error('the codec does not call onReady');
  }
  onStreamsAvailable(): void {
    this.available++;
  }
  onDraining(): void {
    this.draining++;
  }
  onClose(error: ProxyError | null): void {
    this.closes.push(error);
  }
}

/** A client connection in tests to a server that is a RawPeer, with every event of its streams written down. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { ClientConnectionOwner, ClientStream, ResponseReceiver } from '../../codec/codec.ts';
import { HeaderFields } from '../../codec/header-fields.ts';
import { defaultHttp2Limits, defaultHttpLimits, type Http2Limits } from '../../codec/limits.ts';
import { RequestHead, type ResponseHead } from '../../codec/message-head.ts';
import type { ProxyError } from '../../codec/proxy-error.ts';
import { Http2ClientConnection } from '../client-connection.ts';
import { RawPeer } from './raw-peer.ts';
import { ManualTime } from './recording-server.ts';

export function request(method = 'GET', path = '/', ...fields: ReadonlyArray<readonly [string, string]>): RequestHead {
  return new RequestHead(method, 'http', 'a', path, '1.1', HeaderFields.of(...fields));
}

export class RecordedResponse implements ResponseReceiver {
  readonly events: string[] = [];
  readonly stream: ClientStream;
  readonly informational: number[] = [];
  head: ResponseHead | null = null;
  body: Buffer = Buffer.alloc(0);
  trailers: HeaderFields | null = null;
  error: ProxyError | null = null;
  readonly #wake: () => void;

  constructor(client: RecordingClient) {
    this.#wake = () => client.wake();
    this.stream = client.connection.newStream(this);
  }

  onInformational(head: ResponseHead): void {
    this.informational.push(head.status);
    this.#note('informational');
  }
  onHead(head: ResponseHead, endStream: boolean): void {
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
    this.#note('blocked');
  }
  onWriteReady(): void {
    this.#note('ready');
  }
  #note(event: string): void {
    this.events.push(event);
    this.#wake();
  }
}

export class RecordingClient implements ClientConnectionOwner {
  readonly connection: Http2ClientConnection;
  readonly time = new ManualTime();
  readonly events: string[] = [];
  readonly closes: Array<ProxyError | null> = [];
  #waiting: Array<() => void> = [];

  constructor(socket: Socket, http2Limits: Partial<Http2Limits> = {}) {
    this.connection = new Http2ClientConnection(
      socket,
      this,
      defaultHttpLimits,
      { ...defaultHttp2Limits, ...http2Limits },
      { scheme: 'http', clock: this.time.clock, wheel: this.time.wheel },
    );
  }

  /** Begins a stream and sends a head. */
  send(head: RequestHead = request(), endStream = true): RecordedResponse {
    const response = new RecordedResponse(this);
    response.stream.sendHead(head, endStream);
    return response;
  }

  onReady(): void {
    this.#note('ready');
  }
  onStreamsAvailable(): void {
    this.#note('available');
  }
  onDraining(): void {
    this.#note('draining');
  }
  onClose(error: ProxyError | null): void {
    this.closes.push(error);
    this.#note('close');
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }

  #note(event: string): void {
    this.events.push(event);
    this.wake();
  }
}

export interface ClientPair {
  readonly client: RecordingClient;
  /** Plays the server. */
  readonly peer: RawPeer;
  close(): void;
}

/** Connects a client to a raw server that has not said anything yet. */
export async function connectClient(http2Limits: Partial<Http2Limits> = {}): Promise<ClientPair> {
  const server: Server = createServer({ noDelay: true });
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const socket = connect({ port: (server.address() as { port: number }).port, host: '127.0.0.1', allowHalfOpen: true });
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  const client = new RecordingClient(socket, http2Limits);
  const peer = new RawPeer(await accepted, true);
  return {
    client,
    peer,
    close: () => {
      socket.destroy();
      peer.socket.destroy();
      server.close();
    },
  };
}

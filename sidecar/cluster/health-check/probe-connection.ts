/** The one connection over which HTTP and gRPC probes of a host go: opened when needed, kept while it serves. */
import type { Socket } from 'node:net';
import type { ClientConnection, ClientConnectionOwner, ClientStream, ResponseReceiver } from '../../codec/codec.ts';
import { ProxyError } from '../../codec/proxy-error.ts';
import type { ConnectOwner } from '../../transport/connect.ts';
import type { RunningHost } from '../running-host.ts';
import type { ProbeContext } from './probe.ts';

export interface ProbeConnectionOwner {
  /** A stream can be begun now. */
  onLineReady(): void;
  /** It will not be ready. */
  onLineFailed(reason: string): void;
}

export class ProbeConnection {
  readonly #protocol: 'http1' | 'http2';
  readonly #host: RunningHost;
  readonly #context: ProbeContext;
  readonly #owner: ProbeConnectionOwner;
  #line: Line | null = null;

  constructor(protocol: 'http1' | 'http2', host: RunningHost, context: ProbeContext, owner: ProbeConnectionOwner) {
    this.#protocol = protocol;
    this.#host = host;
    this.#context = context;
    this.#owner = owner;
  }

  /** Calls onLineReady, at once where there is a connection that serves, or onLineFailed later. */
  open(): void {
    if (this.#line?.usable === true) {
      this.#owner.onLineReady();
      return;
    }
    this.close();
    const line = new Line(this.#protocol, this.#context, (failure) => this.#onLine(line, failure));
    this.#line = line;
    line.open(this.#host);
  }

  newStream(receiver: ResponseReceiver): ClientStream {
    return this.#line!.codec!.newStream(receiver);
  }

  /** Ends in order: what is on it is whole. */
  finish(): void {
    this.#line?.codec?.drain();
    this.#line = null;
  }

  /** Ends now; a stream on it gets onReset. */
  close(): void {
    const line = this.#line;
    this.#line = null;
    line?.destroy();
  }

  #onLine(line: Line, failure: string | null): void {
    if (this.#line !== line) return;
    if (failure === null) {
      this.#owner.onLineReady();
      return;
    }
    this.#line = null;
    if (failure !== '') this.#owner.onLineFailed(failure);
  }
}

/** One connection, from connecting to gone. */
class Line implements ConnectOwner, ClientConnectionOwner {
  readonly #protocol: 'http1' | 'http2';
  readonly #context: ProbeContext;
  /** Null: it is ready; '': it is gone, having been ready; else why it never was. */
  readonly #told: (failure: string | null) => void;
  #connecting: { cancel(): void } | null = null;
  #ready = false;
  codec: ClientConnection | null = null;

  constructor(protocol: 'http1' | 'http2', context: ProbeContext, told: (failure: string | null) => void) {
    this.#protocol = protocol;
    this.#context = context;
    this.#told = told;
  }

  get usable(): boolean {
    return this.#ready && this.codec!.availableStreams() > 0;
  }

  open(host: RunningHost): void {
    this.#connecting = this.#context.openTransport(this.#context.probeTarget(host, this.#protocol), this);
  }

  destroy(): void {
    this.#connecting?.cancel();
    this.#connecting = null;
    this.codec?.destroy(givenUp);
  }

  onConnected(socket: Socket): void {
    this.#connecting = null;
    this.codec = this.#context.createProbeCodec(this.#protocol, socket, this);
    if (this.codec.protocol === 'http1') this.onReady();
  }

  onConnectFailed(error: ProxyError): void {
    this.#connecting = null;
    this.#told(error.message);
  }

  onSession(): void {
    // A check shows that a whole handshake works.
  }

  onReady(): void {
    if (this.#ready) return;
    this.#ready = true;
    this.#told(null);
  }

  onStreamsAvailable(): void {
    // One stream at a time is all that is asked for.
  }

  onDraining(): void {
    // The next check finds it unusable and opens another.
  }

  onClose(error: ProxyError | null): void {
    this.#told(this.#ready ? '' : (error?.message ?? 'the host closed the connection'));
  }
}

const givenUp = new ProxyError({
  flag: 'LR',
  source: 'local',
  details: 'health_check_over',
  message: 'The health check is over.',
  http2Code: 8,
});

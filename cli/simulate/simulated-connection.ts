/**
 * The network between two places, as the sidecar's pools see it: transports that connect, and codecs that carry whole requests and answers without bytes. Stands in for ../../sidecar/transport/connect.ts
 * and the codecs, and keeps their promises (no event from inside a call, none after the end).
 */
import type { Socket } from 'node:net';
import type {
  ClientConnection,
  ClientConnectionOwner,
  ClientStream,
  ResponseReceiver,
} from '../../sidecar/codec/codec.ts';
import { HeaderFields } from '../../sidecar/codec/header-fields.ts';
import { type RequestHead, ResponseHead } from '../../sidecar/codec/message-head.ts';
import type { ProxyError } from '../../sidecar/codec/proxy-error.ts';
import { closedBeforeStart } from '../../sidecar/http1/upstream-errors.ts';
import { type ConnectOwner, type ConnectTarget, noConnection } from '../../sidecar/transport/connect.ts';
import type { ArrivingRequest, Exchange, SimulatedEndpoint } from './simulated-endpoint.ts';
import type { Due, VirtualTime } from './virtual-time.ts';

/** Where a connection leads. */
export interface Destination {
  readonly endpoint: SimulatedEndpoint;
  /** There and back; 0: on the same machine. */
  readonly roundTripMs: number;
  /** To the application itself, past the sidecar before it. */
  readonly behindDoor: boolean;
}

/** What sidecars take for a socket: says only where it leads. */
class SimulatedSocket {
  readonly destination: Destination;
  readonly bytesRead = 0;
  readonly bytesWritten = 0;

  constructor(destination: Destination) {
    this.destination = destination;
  }

  /** TCP health checks listen; nothing comes. */
  on(): this {
    return this;
  }

  write(): boolean {
    return true;
  }

  destroy(): void {}

  destroySoon(): void {}
}

/** Begins to connect. The owner is told later, never from inside this call. */
export function connectTo(
  time: VirtualTime,
  destination: Destination | undefined,
  target: ConnectTarget,
  owner: ConnectOwner,
): { cancel(): void } {
  let cancelled = false;
  const later = (delayMs: number, action: () => void): void =>
    time.after(delayMs, {
      onDue: () => {
        if (!cancelled) action();
      },
    });
  const place = `${target.host}:${target.port}`;
  const timeOut = (): void =>
    owner.onConnectFailed(noConnection(`${place} did not answer within ${target.timeoutMs} ms`), 'timeout');
  if (destination === undefined)
    later(0, () => owner.onConnectFailed(noConnection(`nobody is at ${place}`), 'refused'));
  else
    later(destination.roundTripMs, () => {
      const { dead, refuses } = destination.endpoint.effects;
      if (dead) {
        if (target.timeoutMs > 0) later(target.timeoutMs - destination.roundTripMs, timeOut);
      } else if (refuses) owner.onConnectFailed(noConnection(`${place}: connection refused`), 'refused');
      else owner.onConnected(new SimulatedSocket(destination) as unknown as Socket, '');
    });
  return {
    cancel: () => {
      cancelled = true;
    },
  };
}

/** Streams that an HTTP/2 peer allows. */
const http2Streams = 100;

export class SimulatedConnection implements ClientConnection {
  /** There is no socket. */
  readonly localEnd = '';
  readonly protocol: 'http1' | 'http2';
  readonly time: VirtualTime;
  readonly destination: Destination;
  readonly #owner: ClientConnectionOwner;
  readonly #streams = new Set<SimulatedStream>();
  #begun = 0;
  #draining = false;
  #closed = false;

  constructor(protocol: 'http1' | 'http2', socket: Socket, owner: ClientConnectionOwner, time: VirtualTime) {
    this.protocol = protocol;
    this.time = time;
    this.destination = (socket as unknown as SimulatedSocket).destination;
    this.#owner = owner;
    this.destination.endpoint.connections.add(this);
    if (protocol === 'http2')
      time.after(0, {
        onDue: () => {
          if (!this.#closed) owner.onReady();
        },
      });
  }

  get activeStreams(): number {
    return this.#streams.size;
  }

  availableStreams(): number {
    if (this.#draining || this.#closed) return 0;
    return (this.protocol === 'http1' ? 1 : http2Streams) - this.#streams.size;
  }

  newStream(receiver: ResponseReceiver): ClientStream {
    const stream = new SimulatedStream(this, ++this.#begun, receiver);
    this.#streams.add(stream);
    return stream;
  }

  drain(): void {
    if (this.#closed) return;
    this.#draining = true;
    if (this.#streams.size === 0) this.#close(null);
  }

  destroy(error: ProxyError): void {
    if (!this.#closed) this.#end(error, error);
  }

  /** The process at the other end is gone. */
  cut(): void {
    if (this.#closed) return;
    this.#end(closedBeforeStart, this.#streams.size > 0 ? closedBeforeStart : null);
  }

  /** The stream is over: in order, or given up, which HTTP/1 cannot tell otherwise than by closing the connection. */
  ended(stream: SimulatedStream, inOrder: boolean): void {
    this.#streams.delete(stream);
    if (this.#closed) return;
    if (!inOrder && this.protocol === 'http1') {
      // Told later, not from inside a call of the owner's.
      this.#draining = true;
      this.time.after(0, { onDue: () => this.#close(null) });
      return;
    }
    if (this.#draining) {
      if (this.#streams.size === 0) this.#close(null);
    } else if (inOrder) this.#owner.onStreamsAvailable();
    else
      this.time.after(0, {
        onDue: () => {
          if (!this.#closed) this.#owner.onStreamsAvailable();
        },
      });
  }

  #end(ofStreams: ProxyError, ofConnection: ProxyError | null): void {
    this.#closed = true;
    for (const stream of [...this.#streams]) stream.fail(ofStreams);
    this.#streams.clear();
    this.#gone(ofConnection);
  }

  #close(error: ProxyError | null): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#gone(error);
  }

  #gone(error: ProxyError | null): void {
    this.destination.endpoint.connections.delete(this);
    this.#owner.onClose(error);
  }
}

/** One request on its way: there, at work, and back. */
class SimulatedStream implements ClientStream, Exchange, ArrivingRequest, Due {
  readonly connection: SimulatedConnection;
  readonly id: number;
  readonly #receiver: ResponseReceiver;
  method = '';
  path = '';
  authority = '';
  fields: ReadonlyArray<readonly [string, string]> = [];
  #isCheck = false;
  over = false;
  onGivenUp: (() => void) | null = null;
  /** -1: it is on its way there. */
  #status = -1;
  #answerFields: HeaderFields | null = null;

  constructor(connection: SimulatedConnection, id: number, receiver: ResponseReceiver) {
    this.connection = connection;
    this.id = id;
    this.#receiver = receiver;
  }

  // -- the caller's side --

  sendHead(head: RequestHead, endStream: boolean): void {
    const { endpoint, behindDoor } = this.connection.destination;
    this.#isCheck = head.fields.get('user-agent') === 'outrigger/HC';
    // The head belongs to who sends it, and changes for another attempt.
    if (endpoint.door !== null && !behindDoor) {
      this.method = head.method;
      this.path = head.path;
      this.authority = head.authority;
      this.fields = head.fields.pairs();
    }
    if (endStream) this.#travel();
  }

  sendData(_chunk: Buffer, endStream: boolean): void {
    if (endStream) this.#travel();
  }

  sendTrailers(): void {
    this.#travel();
  }

  reset(): void {
    if (this.over) return;
    this.over = true;
    this.onGivenUp?.();
    this.connection.ended(this, false);
  }

  pauseReading(): void {}

  resumeReading(): void {}

  #travel(): void {
    const { destination, time } = this.connection;
    time.after(destination.roundTripMs / 2, this);
  }

  onDue(): void {
    const { destination } = this.connection;
    const { endpoint } = destination;
    if (this.#status >= 0) {
      this.#deliver();
      return;
    }
    if (endpoint.effects.dead || endpoint.effects.refuses) return;
    if (this.#isCheck) endpoint.check(this);
    else if (destination.behindDoor) endpoint.serve(this);
    else endpoint.arrive(this, this);
  }

  // -- the service's side --

  answer(status: number, fields = new HeaderFields()): void {
    // What is lost on the network is lost, whoever waits for it.
    if (this.over || this.connection.destination.endpoint.effects.dead) return;
    this.#status = status;
    this.#answerFields = fields;
    this.#travel();
  }

  #deliver(): void {
    if (this.over) return;
    this.over = true;
    this.#receiver.onHead(new ResponseHead(this.#status, this.#answerFields!), true);
    this.connection.ended(this, true);
  }

  /** The connection is gone. */
  fail(error: ProxyError): void {
    if (this.over) return;
    this.over = true;
    this.onGivenUp?.();
    this.#receiver.onReset(error);
  }
}

/**
 * One gRPC call of the sidecar's own (bidirectional or unary), through a cluster of its own like any request: so it has that cluster's pools, TLS,
 * timeouts and statistics, and needs no gRPC library.
 */

import { cancelledCall, HeldPlace } from '../cluster/held-place.ts';
import type { Cluster, Host, PendingStream, StreamRequest } from '../cluster/upstream.ts';
import type { ClientStream } from '../codec/codec.ts';
import { HeaderFields } from '../codec/header-fields.ts';
import { RequestHead, type ResponseHead } from '../codec/message-head.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { frameMessage, MessageReader } from './grpc-message.ts';

/** How a call ended: gRPC status code (0 is OK) and why. */
export interface GrpcStatus {
  readonly code: number;
  /** Stands within longer lines of the log: without a full stop, also where it was a sentence. */
  readonly message: string;
}

export interface GrpcCallOwner {
  /** An exception here ends the call with INTERNAL. */
  onMessage(message: Buffer): void;
  /** The connection that it is on takes no new streams any more and gets a successor: who lives for long moves. The call goes on. */
  onDraining?(): void;
  /** It is on a connection: what is sent now goes out. */
  onUnderWay?(): void;
  /** The peer has taken enough again that more may be sent: see {@link GrpcCall.writeBlocked}. */
  onWriteReady?(): void;
  /** The call is over. Called once; once more with INTERNAL when it throws, so that an owner that chokes on an answer can try again. */
  onEnd(status: GrpcStatus): void;
}

export interface GrpcCallTarget {
  readonly cluster: Cluster;
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly authority: string;
  readonly metadata: ReadonlyArray<readonly [string, string]>;
  readonly maxMessageBytes: number;
  /** For the cluster's `upstream_rq_time`; default: the system's. */
  readonly clock?: Clock;
}

const unavailable = 14;
const unknown = 2;
const internal = 13;

export class GrpcCall implements StreamRequest {
  readonly #target: GrpcCallTarget;
  readonly #owner: GrpcCallOwner;
  readonly #reader: MessageReader;
  #pending: PendingStream | null = null;
  #stream: ClientStream | null = null;
  readonly #place: HeldPlace;
  #began = false;
  /** Messages sent before there was a stream. */
  #queue: Buffer[] = [];
  #halfClosed = false;
  #ended = false;
  #httpStatus = 0;
  #writeBlocked = false;

  constructor(target: GrpcCallTarget, owner: GrpcCallOwner) {
    this.#target = target;
    this.#owner = owner;
    this.#reader = new MessageReader(target.maxMessageBytes);
    this.#place = new HeldPlace(target.cluster, target.clock ?? systemClock);
  }

  /** Asks the cluster for a stream; nothing after cancel(). Events may come from inside this call. */
  start(): void {
    if (this.#ended) return;
    const pending = this.#target.cluster.requestStream(this, { triedHosts: null }, '2');
    if (!this.#ended && this.#stream === null) this.#pending = pending;
  }

  send(message: Uint8Array): void {
    this.sendFramed(frameMessage(message));
  }

  /** A message that has its prefix; see withPrefix(). */
  sendFramed(framed: Buffer): void {
    if (this.#ended) return;
    if (this.#stream === null) this.#queue.push(framed);
    else this.#stream.sendData(framed, false);
  }

  /** What was sent before waits for the peer: who has much to say, and no need to say it, leaves it. */
  get writeBlocked(): boolean {
    return this.#writeBlocked || this.#stream === null;
  }

  /** It is on a connection: the peer may have heard of it. */
  get underWay(): boolean {
    return this.#stream !== null && !this.#ended;
  }

  /** It was on a connection: TLS, if there is any, was done on our side. */
  get began(): boolean {
    return this.#began;
  }

  /** Nothing more will be sent. */
  halfClose(): void {
    this.#halfClosed = true;
    if (!this.#ended) this.#stream?.sendData(Buffer.alloc(0), true);
  }

  /** Ends the call now; onEnd is not called. */
  cancel(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#pending?.cancel();
    this.#stream?.reset(cancelledCall);
    this.#place.giveBack(-1);
  }

  onStreamReady(stream: ClientStream, host: Host, _reused: boolean): void {
    this.#pending = null;
    this.#began = true;
    this.#stream = stream;
    this.#place.take(host);
    const { authority, path, metadata } = this.#target;
    const fields = HeaderFields.of(['content-type', 'application/grpc'], ['te', 'trailers'], ...metadata);
    stream.sendHead(new RequestHead('POST', 'http', authority, path, '2', fields), false);
    for (const framed of this.#queue) stream.sendData(framed, false);
    this.#queue = [];
    if (this.#halfClosed) stream.sendData(Buffer.alloc(0), true);
    if (!this.#ended) this.#owner.onUnderWay?.();
  }

  onStreamFailed(error: ProxyError, _host: Host | null): void {
    this.#pending = null;
    this.#end({ code: unavailable, message: error.message });
  }

  onInformational(_head: ResponseHead): void {
    // Nothing in gRPC uses it.
  }

  onHead(head: ResponseHead, endStream: boolean): void {
    if (this.#ended) return;
    this.#httpStatus = head.status;
    this.#place.onHead(head, endStream);
    const type = head.fields.get('content-type') ?? '';
    if (head.status !== 200 || !type.startsWith('application/grpc')) {
      const end = {
        code: head.status === 200 ? unknown : unavailable,
        message: `the answer is HTTP ${head.status} with content-type ${JSON.stringify(type)}, not gRPC`,
      };
      if (!endStream) this.#stream?.reset(cancelledCall);
      this.#end(end);
    } else if (endStream) {
      this.#endByTrailers(head.fields);
    }
  }

  onData(chunk: Buffer, endStream: boolean): void {
    if (this.#ended) return;
    try {
      for (const message of chunk.length === 0 ? [] : this.#reader.push(chunk)) {
        this.#owner.onMessage(message);
        if (this.#ended) return;
      }
    } catch (error) {
      this.#stream?.reset(cancelledCall);
      this.#end({ code: internal, message: (error as Error).message });
      return;
    }
    if (endStream)
      this.#end({ code: unknown, message: `the stream ended without a gRPC status (HTTP ${this.#httpStatus})` });
  }

  onTrailers(trailers: HeaderFields): void {
    this.#endByTrailers(trailers);
  }

  onReset(error: ProxyError): void {
    // The cluster's counters take 0 for a reset of the upstream.
    this.#httpStatus = 0;
    this.#end({ code: unavailable, message: error.message });
  }

  onConnectionDraining(): void {
    queueMicrotask(() => {
      if (!this.#ended) this.#owner.onDraining?.();
    });
  }

  /** Most requests of the sidecar's own are few and small, and go on: ADS waits for answers, registration is one message. */
  onWriteBlocked(): void {
    this.#writeBlocked = true;
  }

  onWriteReady(): void {
    this.#writeBlocked = false;
    if (!this.#ended) this.#owner.onWriteReady?.();
  }

  #endByTrailers(fields: HeaderFields): void {
    const text = fields.get('grpc-status') ?? '';
    const message = percentDecode(fields.get('grpc-message') ?? '');
    if (/^\d{1,3}$/.test(text)) this.#end({ code: Number(text), message });
    else this.#end({ code: unknown, message: message || `the answer has no gRPC status (HTTP ${this.#httpStatus})` });
  }

  #end(status: GrpcStatus): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#place.giveBack(this.#httpStatus);
    try {
      this.#owner.onEnd({ code: status.code, message: status.message.replace(/\.$/, '') });
    } catch (error) {
      this.#endAgain((error as Error).message);
    }
  }

  /** What an owner makes of an answer must not take the process down: the answer is a peer's. */
  #endAgain(why: string): void {
    try {
      this.#owner.onEnd({ code: internal, message: `the answer could not be used: ${why}` });
    } catch {
      // It was told twice; whoever calls next finds the call ended.
    }
  }
}

function percentDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

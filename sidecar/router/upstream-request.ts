/**
 * One attempt to have a request answered by a cluster: waits for a stream, sends the request, hears the response. Knows nothing of retries or routes;
 * its owner decides what an outcome means. Passes back-pressure between the two sides.
 */
import type { Cluster, Host, LoadBalancerContext, PendingStream, StreamRequest } from '../cluster/upstream.ts';
import type { ClientStream } from '../codec/codec.ts';
import type { HeaderFields } from '../codec/header-fields.ts';
import type { HttpVersion, RequestHead, ResponseHead } from '../codec/message-head.ts';
import type { ProxyError } from '../codec/proxy-error.ts';

export interface UpstreamRequestOwner {
  onUpstreamInformational(head: ResponseHead): void;
  onUpstreamHead(attempt: UpstreamRequest, head: ResponseHead, endStream: boolean): void;
  onUpstreamData(chunk: Buffer, endStream: boolean): void;
  onUpstreamTrailers(trailers: HeaderFields): void;
  /** The attempt failed: before a stream was had, or by a reset. Nothing follows. */
  onUpstreamFailed(attempt: UpstreamRequest, error: ProxyError): void;
  /** The upstream cannot take more of the request for now / again. */
  onUpstreamBlocked(): void;
  onUpstreamReady(): void;
}

export class UpstreamRequest implements StreamRequest {
  readonly cluster: Cluster;
  readonly #owner: UpstreamRequestOwner;
  readonly #head: RequestHead;
  readonly #startMs: number;
  #pending: PendingStream | null = null;
  stream: ClientStream | null = null;
  host: Host | null = null;
  reused = false;
  /** Status of the response, 0 until its head came. */
  status = 0;
  /** The response is whole, or the attempt failed or was given up: no event comes any more. */
  done = false;
  #headEnds: boolean;
  /** Body that came before there was a stream. */
  #queue: Buffer[] | null = null;
  #queueEnds = false;
  #queueTrailers: HeaderFields | null = null;
  #blocked = false;
  queuedBytes = 0;

  constructor(cluster: Cluster, owner: UpstreamRequestOwner, head: RequestHead, endStream: boolean, startMs: number) {
    this.cluster = cluster;
    this.#owner = owner;
    this.#head = head;
    this.#headEnds = endStream;
    this.#startMs = startMs;
  }

  start(context: LoadBalancerContext, downstreamVersion: HttpVersion): void {
    const pending = this.cluster.requestStream(this, context, downstreamVersion);
    if (this.stream === null && !this.done) this.#pending = pending;
  }

  sendData(chunk: Buffer, endStream: boolean): void {
    if (this.done) return;
    if (this.stream !== null) {
      this.stream.sendData(chunk, endStream);
      return;
    }
    (this.#queue ??= []).push(chunk);
    this.queuedBytes += chunk.length;
    this.#queueEnds = endStream;
  }

  sendTrailers(trailers: HeaderFields): void {
    if (this.done) return;
    if (this.stream !== null) this.stream.sendTrailers(trailers);
    else this.#queueTrailers = trailers;
  }

  /** Gives the attempt up: the upstream is told at once. */
  cancel(error: ProxyError, nowMs: number): void {
    if (this.done) return;
    this.done = true;
    this.#pending?.cancel();
    if (this.stream !== null) {
      this.stream.reset(error);
      this.cluster.onResponse(this.host!, 0, nowMs - this.#startMs);
    }
  }

  /** The response is whole: the cluster counts it. A request that is not whole by now is given up. */
  finish(nowMs: number, requestEnded: boolean, cutShort: ProxyError): void {
    if (this.done) return;
    this.done = true;
    if (!requestEnded) this.stream!.reset(cutShort);
    this.cluster.onResponse(this.host!, this.status, nowMs - this.#startMs);
  }

  onStreamReady(stream: ClientStream, host: Host, reused: boolean): void {
    this.#pending = null;
    this.stream = stream;
    this.host = host;
    this.reused = reused;
    const queue = this.#queue;
    stream.sendHead(this.#head, this.#headEnds);
    if (queue !== null) {
      this.#queue = null;
      this.queuedBytes = 0;
      for (let i = 0; i < queue.length; i++) stream.sendData(queue[i]!, this.#queueEnds && i === queue.length - 1);
    }
    if (this.#queueTrailers !== null) stream.sendTrailers(this.#queueTrailers);
    else if (queue !== null) this.#owner.onUpstreamReady();
  }

  onStreamFailed(error: ProxyError, host: Host | null): void {
    if (this.done) return;
    this.done = true;
    this.#pending = null;
    this.host = host;
    this.#owner.onUpstreamFailed(this, error);
  }

  onInformational(head: ResponseHead): void {
    if (!this.done) this.#owner.onUpstreamInformational(head);
  }

  onHead(head: ResponseHead, endStream: boolean): void {
    if (this.done) return;
    this.status = head.status;
    this.#owner.onUpstreamHead(this, head, endStream);
  }

  onData(chunk: Buffer, endStream: boolean): void {
    if (!this.done) this.#owner.onUpstreamData(chunk, endStream);
  }

  onTrailers(trailers: HeaderFields): void {
    if (!this.done) this.#owner.onUpstreamTrailers(trailers);
  }

  onReset(error: ProxyError): void {
    if (this.done) return;
    this.done = true;
    this.cluster.onResponse(this.host!, 0, 0);
    this.#owner.onUpstreamFailed(this, error);
  }

  onWriteBlocked(): void {
    if (this.done || this.#blocked) return;
    this.#blocked = true;
    this.#owner.onUpstreamBlocked();
  }

  onWriteReady(): void {
    if (!this.#blocked) return;
    this.#blocked = false;
    if (!this.done) this.#owner.onUpstreamReady();
  }
}

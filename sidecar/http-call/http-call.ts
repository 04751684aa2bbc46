/** One HTTP request of the sidecar's own, through a cluster of its own; hands the whole answer over, of whose body only so much is kept. The body of the request, if there is one, is short and there from the start. */
import { cancelledCall, HeldPlace } from '../cluster/held-place.ts';
import type { Cluster, Host, PendingStream, StreamRequest } from '../cluster/upstream.ts';
import type { ClientStream } from '../codec/codec.ts';
import type { RequestHead, ResponseHead } from '../codec/message-head.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { Clock } from '../runtime/clock.ts';

export interface HttpAnswer {
  readonly head: ResponseHead;
  /** null: longer than what is kept. */
  readonly body: Buffer | null;
}

export interface HttpCallOwner {
  /** One of these, once, unless the call is cancelled; perhaps from inside start(). */
  onAnswer(answer: HttpAnswer): void;
  onFailed(error: ProxyError): void;
}

export class HttpCall implements StreamRequest {
  readonly #cluster: Cluster;
  readonly #request: RequestHead;
  /** Null: there is none. */
  readonly #body: Buffer | null;
  readonly #mostBodyBytes: number;
  readonly #owner: HttpCallOwner;
  #pending: PendingStream | null = null;
  #stream: ClientStream | null = null;
  readonly #place: HeldPlace;
  #head: ResponseHead | null = null;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #ended = false;

  /** `mostBodyBytes`: of the answer. `body`: whose length the head says. */
  constructor(
    cluster: Cluster,
    request: RequestHead,
    mostBodyBytes: number,
    clock: Clock,
    owner: HttpCallOwner,
    body: Buffer | null = null,
  ) {
    this.#cluster = cluster;
    this.#request = request;
    this.#body = body;
    this.#mostBodyBytes = mostBodyBytes;
    this.#place = new HeldPlace(cluster, clock);
    this.#owner = owner;
  }

  start(): void {
    const pending = this.#cluster.requestStream(this, { triedHosts: null }, '1.1');
    if (!this.#ended && this.#stream === null) this.#pending = pending;
  }

  /** Ends the call now; its owner hears nothing. */
  cancel(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#pending?.cancel();
    this.#stream?.reset(cancelledCall);
    this.#place.giveBack(-1);
  }

  onStreamReady(stream: ClientStream, host: Host, _reused: boolean): void {
    this.#pending = null;
    this.#stream = stream;
    this.#place.take(host);
    stream.sendHead(this.#request, this.#body === null);
    if (this.#body !== null && !this.#ended) stream.sendData(this.#body, true);
  }

  onStreamFailed(error: ProxyError, _host: Host | null): void {
    this.#pending = null;
    this.#fail(error);
  }

  onInformational(_head: ResponseHead): void {
    // Nothing waits for it.
  }

  onHead(head: ResponseHead, endStream: boolean): void {
    if (this.#ended) return;
    this.#head = head;
    this.#place.onHead(head, endStream);
    if (endStream) this.#finish();
  }

  onData(chunk: Buffer, endStream: boolean): void {
    if (this.#ended) return;
    this.#bytes += chunk.length;
    // Read buffers are lent for the time of this call.
    if (this.#bytes <= this.#mostBodyBytes) this.#chunks.push(Buffer.from(chunk));
    else this.#chunks = [];
    if (endStream) this.#finish();
    else if (this.#bytes > this.#mostBodyBytes) {
      this.#stream?.reset(cancelledCall);
      this.#finish();
    }
  }

  onTrailers(): void {
    if (!this.#ended) this.#finish();
  }

  onReset(error: ProxyError): void {
    this.#head = null;
    this.#fail(error);
  }

  onWriteBlocked(): void {
    // What is sent is short: a head, or a message that is bounded where it is made.
  }

  onWriteReady(): void {
    // See onWriteBlocked.
  }

  #finish(): void {
    this.#ended = true;
    const head = this.#head!;
    this.#place.giveBack(head.status);
    this.#owner.onAnswer({ head, body: this.#bytes > this.#mostBodyBytes ? null : Buffer.concat(this.#chunks) });
  }

  #fail(error: ProxyError): void {
    if (this.#ended) return;
    this.#ended = true;
    // The cluster's counters take 0 for a reset of the upstream.
    this.#place.giveBack(0);
    this.#owner.onFailed(error);
  }
}

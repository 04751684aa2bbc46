/**
 * One attempt to have a request answered by a cluster: waits for a stream, hears the response, and tells the cluster once how it ended. Knows nothing of retries, bodies
 * or routes; its owner decides what an outcome means.
 */
import type { BreakerCall } from '../circuit-breaker/circuit-breaker.ts';
import type { RunningBreaker } from '../circuit-breaker/running-breaker.ts';
import type {
  Cluster,
  CountedAs,
  Host,
  LoadBalancerContext,
  PendingStream,
  StreamRequest,
} from '../cluster/upstream.ts';
import type { ClientStream } from '../codec/codec.ts';
import type { HeaderFields } from '../codec/header-fields.ts';
import type { HttpVersion, ResponseHead } from '../codec/message-head.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { TriedAttempt } from './retry-state.ts';

/** Why there is an attempt: the first; a free repeat; a retry; beside one that takes long; to the fallback's service. */
export type AttemptReason = 'first' | 'connection' | 'policy' | 'hedge' | 'fallback';

/** Time limits of a single try. */
export type TryLimit = 'try' | 'try-idle' | 'try-duration';

export interface UpstreamRequestOwner {
  /** The clock: read once for each event, and handed on. */
  nowMs(): number;
  /** Send the request now, within this call. */
  onUpstreamStream(attempt: UpstreamRequest, stream: ClientStream, nowMs: number): void;
  onUpstreamInformational(attempt: UpstreamRequest, head: ResponseHead): void;
  onUpstreamHead(attempt: UpstreamRequest, head: ResponseHead, endStream: boolean, nowMs: number): void;
  onUpstreamData(attempt: UpstreamRequest, chunk: Buffer, endStream: boolean): void;
  onUpstreamTrailers(attempt: UpstreamRequest, trailers: HeaderFields, nowMs: number): void;
  /** The attempt failed: before a stream was had, or by a reset. Nothing follows. */
  onUpstreamFailed(attempt: UpstreamRequest, error: ProxyError): void;
  /** The upstream cannot take more of the request for now / again. Calls alternate. */
  onUpstreamBlocked(): void;
  onUpstreamReady(): void;
}

/** What the cluster is told of a request that was given up for reasons that are not the upstream's. */
const noOutcome = -1;

function timedOut(error: ProxyError): boolean {
  return error.flag === 'UT' || error.flag === 'UMSDR' || error.flag === 'SI';
}

export class UpstreamRequest implements StreamRequest, TriedAttempt, BreakerCall {
  readonly cluster: Cluster;
  /** The cluster's; null: it has none. */
  readonly #breaker: RunningBreaker | null;
  breakerPermit = 0;
  breakerSentMs = 0;
  readonly #owner: UpstreamRequestOwner;
  /** Moments on the clock, for the request's record; -1: not so far. When it was had, and sent its request on, a connection; when the head of its answer came; when it was over. */
  readonly startMs: number;
  sentMs = -1;
  firstByteMs = -1;
  endedMs = -1;
  /** How it failed, or why it was given up; null: it was answered, or is under way. */
  failure: ProxyError | null = null;
  readonly why: AttemptReason;
  /** Of its client span; '': requests are not traced. */
  spanId = '';
  /** Of the same request; null: it is the first. */
  readonly previous: UpstreamRequest | null;
  #pending: PendingStream | null = null;
  stream: ClientStream | null = null;
  host: Host | null = null;
  reused = false;
  /** Status of the response, 0 until its head came. */
  status = 0;
  /** The response is whole, or the attempt failed or was given up: no event comes any more. */
  done = false;
  /** It takes long, and another was sent beside it: it is not retried any more, only waited for. */
  hedged = false;
  /** It took longer than one try may, and not only longer than most. */
  overdue = false;
  /** It was sent beside another that takes long. */
  isHedge = false;
  /** The upstream takes nothing more for now. */
  blocked = false;
  #readingPaused = false;

  constructor(
    cluster: Cluster,
    owner: UpstreamRequestOwner,
    startMs: number,
    why: AttemptReason,
    previous: UpstreamRequest | null,
  ) {
    this.cluster = cluster;
    this.#breaker = cluster.breaker ?? null;
    this.#owner = owner;
    this.startMs = startMs;
    this.why = why;
    this.previous = previous;
  }

  start(context: LoadBalancerContext, downstreamVersion: HttpVersion, requestEnded: boolean): void {
    const breaker = this.#breaker;
    if (breaker !== null) {
      if (!breaker.enter(this, this.startMs)) {
        this.onStreamFailed(breaker.refusal(this.startMs), null);
        return;
      }
      if (requestEnded) breaker.sent(this, this.startMs);
    }
    const pending = this.cluster.requestStream(this, context, downstreamVersion);
    if (this.stream === null && !this.done) this.#pending = pending;
    else if (this.done && this.stream === null) pending?.cancel();
  }

  /** The whole request is there: from now on its answer is waited for. */
  onRequestEnd(nowMs: number): void {
    this.#breaker?.sent(this, nowMs);
  }

  /** The host that it was, or is to be, sent to; null: none was chosen. */
  get chosenHost(): Host | null {
    return this.host ?? this.#pending?.host ?? null;
  }

  get connected(): boolean {
    return this.stream !== null;
  }

  /** The response is not read meanwhile. Once, until as many resumes. */
  pauseReading(): void {
    if (this.stream === null || this.done || this.#readingPaused) return;
    this.#readingPaused = true;
    this.stream.pauseReading();
  }

  resumeReading(): void {
    if (!this.#readingPaused) return;
    this.#readingPaused = false;
    if (!this.done) this.stream!.resumeReading();
  }

  /** Gives the attempt up: the upstream is told at once. */
  cancel(error: ProxyError, nowMs: number): void {
    if (this.done) return;
    this.#end(nowMs, error);
    this.#breaker?.onFailed(this, error, nowMs);
    this.#pending?.cancel();
    this.#pending = null;
    if (this.stream === null) return;
    this.stream.reset(error);
    this.cluster.onLocalReset?.();
    if (error.flag === 'UT') this.cluster.onTimeout?.(this.host, 'route', this.status !== 0);
    if (this.status === 0 && timedOut(error)) this.#countTimeout(error, nowMs, false);
    else this.cluster.onResponse(this.host!, this.status !== 0 ? this.status : noOutcome, nowMs - this.startMs);
  }

  /** Its own time is over: given up, which counts against the host. `retried`: another attempt follows, and the cluster counts no answer. */
  timeOut(error: ProxyError, nowMs: number, kind: TryLimit, retried: boolean): void {
    if (this.done) return;
    this.#end(nowMs, error);
    this.#breaker?.onFailed(this, error, nowMs);
    this.#pending?.cancel();
    this.#pending = null;
    this.cluster.onTimeout?.(this.host, kind, this.status !== 0);
    if (this.stream === null) return;
    this.stream.reset(error);
    this.cluster.onLocalReset?.();
    if (this.status === 0) this.#countTimeout(error, nowMs, retried);
    else this.cluster.onResponse(this.host!, this.status, nowMs - this.startMs);
  }

  /** The host is told that it was too slow; what the caller gets for it may be another status. */
  #countTimeout(error: ProxyError, nowMs: number, retried: boolean): void {
    const own = error.status !== 0 && error.status !== 504;
    // Time limits of the stream are not the router's to count (Envoy).
    const counted = error.flag === 'UT' && !retried;
    this.cluster.onResponse(this.host!, 504, nowMs - this.startMs, counted && !own ? 'answer' : 'nothing');
    if (counted && own) this.cluster.onOwnAnswer?.(error.status);
  }

  /** Its answer goes to nobody: another attempt follows, or is under way. What is left of the answer is not read. */
  discard(error: ProxyError, nowMs: number, answerEnded: boolean, requestEnded: boolean, counted: CountedAs): void {
    if (this.done) return;
    this.#end(nowMs, null);
    this.#breaker?.onOver(this, nowMs);
    if (!answerEnded || !requestEnded) {
      this.stream!.reset(error);
      this.cluster.onLocalReset?.();
    }
    this.cluster.onResponse(this.host!, this.status, nowMs - this.startMs, counted);
  }

  /** Another attempt was answered first. A host that had been waited for too long is remembered for it. */
  lose(error: ProxyError, nowMs: number): void {
    if (this.done) return;
    this.#end(nowMs, error);
    this.#breaker?.onOver(this, nowMs);
    this.#pending?.cancel();
    this.#pending = null;
    if (this.stream === null) return;
    this.stream.reset(error);
    this.cluster.onLocalReset?.();
    this.cluster.onResponse(this.host!, this.overdue ? 504 : noOutcome, nowMs - this.startMs, 'nothing');
  }

  /** The response is whole: the cluster counts it. A request that is not whole by now is given up with `cutShort`. */
  finish(nowMs: number, requestEnded: boolean, cutShort: ProxyError): void {
    if (this.done) return;
    this.#end(nowMs, null);
    this.#breaker?.onOver(this, nowMs);
    if (!requestEnded) this.stream!.reset(cutShort);
    this.cluster.onResponse(this.host!, this.status, nowMs - this.startMs);
  }

  #end(nowMs: number, failure: ProxyError | null): void {
    this.resumeReading();
    this.done = true;
    this.endedMs = nowMs;
    this.failure = failure;
  }

  onStreamReady(stream: ClientStream, host: Host, reused: boolean): void {
    // Nothing was waited for: it is still the moment of start().
    const nowMs = this.#pending === null ? this.startMs : this.#owner.nowMs();
    this.#pending = null;
    this.stream = stream;
    this.host = host;
    this.reused = reused;
    this.sentMs = nowMs;
    this.#owner.onUpstreamStream(this, stream, nowMs);
  }

  onStreamFailed(error: ProxyError, host: Host | null): void {
    if (this.done) return;
    const nowMs = this.#owner.nowMs();
    this.done = true;
    this.endedMs = nowMs;
    this.failure = error;
    this.#pending = null;
    this.host = host;
    this.#breaker?.onFailed(this, error, nowMs);
    this.#owner.onUpstreamFailed(this, error);
  }

  onInformational(head: ResponseHead): void {
    if (!this.done) this.#owner.onUpstreamInformational(this, head);
  }

  onHead(head: ResponseHead, endStream: boolean): void {
    if (this.done) return;
    this.status = head.status;
    const nowMs = this.#owner.nowMs();
    this.firstByteMs = nowMs;
    this.#breaker?.onHead(this, head, endStream, nowMs);
    this.cluster.onResponseHead?.(this.host!, head, endStream, this.startMs);
    this.#owner.onUpstreamHead(this, head, endStream, nowMs);
  }

  onData(chunk: Buffer, endStream: boolean): void {
    if (!this.done) this.#owner.onUpstreamData(this, chunk, endStream);
  }

  onTrailers(trailers: HeaderFields): void {
    if (this.done) return;
    const nowMs = this.#owner.nowMs();
    this.#breaker?.onTrailers(this, trailers, nowMs);
    this.#owner.onUpstreamTrailers(this, trailers, nowMs);
  }

  onReset(error: ProxyError): void {
    if (this.done) return;
    const nowMs = this.#owner.nowMs();
    this.done = true;
    this.endedMs = nowMs;
    this.failure = error;
    this.#breaker?.onFailed(this, error, nowMs, this.reused);
    // A status that was passed on is not what came of it: 0 says that the response was cut.
    this.cluster.onResponse(this.host!, 0, 0);
    this.#owner.onUpstreamFailed(this, error);
  }

  onWriteBlocked(): void {
    if (this.done || this.blocked) return;
    this.blocked = true;
    this.#owner.onUpstreamBlocked();
  }

  onWriteReady(): void {
    if (!this.blocked) return;
    this.blocked = false;
    if (!this.done) this.#owner.onUpstreamReady();
  }
}

/**
 * The last filter: sends the request where its route says and brings the answer back. Owns the route's timeout and repeats; does not know which connection or host is
 * taken (the cluster does), nor what ends and counts the stream (the stream does).
 *
 *   head ─▶ mutations ─▶ attempt ─▶ stream ready: head, body so far ─▶ body as it comes ─▶ answer
 *                           ▲            │ failed without an answer
 *                           └── again ◀──┴──▶ fail: local reply or reset
 */
import type { ClusterLookup } from '../cluster/upstream.ts';
import type { ClientStream } from '../codec/codec.ts';
import type { HeaderFields } from '../codec/header-fields.ts';
import { headerName } from '../codec/header-name.ts';
import type { RequestHead, ResponseHead } from '../codec/message-head.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { ForwardActionConfig } from '../config/route-config.ts';
import type { Clock, Random } from '../runtime/clock.ts';
import { rewritePath } from './path-rewrite.ts';
import { maxReplayBytes, RequestBody } from './request-body.ts';
import { formatGrpcTimeout, requestTimeoutMs } from './request-timeout.ts';
import { RetryState } from './retry.ts';
import type { RouteEntry } from './route-entry.ts';
import { afterStart, cutShort, noCluster, retriesExhausted, timedOut } from './router-faults.ts';
import type { FilteredStream, StreamFilter } from './stream-filter.ts';
import { UpstreamRequest, type UpstreamRequestOwner } from './upstream-request.ts';

/** What all routers of a connection manager share. */
export interface RouterContext {
  readonly clusters: ClusterLookup;
  readonly clock: Clock;
  readonly random: Random;
  /** Bytes of a request's body that may wait for a connection before the caller is not read any more. */
  readonly bufferLimitBytes: number;
}

const names = {
  expectedTimeout: headerName('x-envoy-expected-rq-timeout-ms'),
  attemptCount: headerName('x-envoy-attempt-count'),
  grpcTimeout: headerName('grpc-timeout'),
  upstreamServiceTime: headerName('x-envoy-upstream-service-time'),
  originalPath: headerName('x-envoy-original-path'),
  originalHost: headerName('x-envoy-original-host'),
};

const stateRequesting = 0;
const stateResponding = 1;
const stateTunnel = 2;
const stateOver = 3;

export class Router implements StreamFilter, UpstreamRequestOwner {
  readonly #stream: FilteredStream;
  readonly #route: RouteEntry;
  readonly #action: ForwardActionConfig;
  readonly #context: RouterContext;
  #head: RequestHead | null = null;
  #state = stateRequesting;
  #attempt: UpstreamRequest | null = null;
  /** What is kept of the request's body; null while there is none, and once it cannot be needed. */
  #body: RequestBody | null = null;
  /** The body cannot be sent again: a part of it is gone. */
  #bodyGone = false;
  #requestEnded = false;
  #requestEndedMs = -1;
  /** A tunnel's other direction. */
  #responseEnded = false;
  #timeoutMs = 0;
  /** From when the time runs: the request's end (Envoy's route timeout), or its start (`grpc-timeout`: the caller's own clock began there); -1: not yet. */
  #timeoutFromMs = -1;
  /** Null until an attempt has failed. */
  #retries: RetryState | null = null;
  /** Reasons why the caller's request is not read: the body waits for a connection, or the upstream is slow. */
  #bodyPaused = false;
  #upstreamPaused = false;
  #responseBlocked = false;

  /** `route` is a forwarding one. */
  constructor(stream: FilteredStream, route: RouteEntry, context: RouterContext) {
    this.#stream = stream;
    this.#route = route;
    this.#action = route.forward!;
    this.#context = context;
  }

  // -- the request --

  onRequestHead(head: RequestHead, endStream: boolean, nowMs: number): void {
    const stream = this.#stream;
    const route = this.#route;
    const action = this.#action;
    this.#head = head;
    const { targets } = route;
    const target =
      stream.chosenTarget ?? (targets.length === 1 ? targets[0]! : route.chooseTarget(this.#context.random()));
    stream.target = target;
    if (target.requestHeaders !== null) target.requestHeaders.apply(head.fields);
    for (let i = 0; i < route.requestHeaders.length; i++) route.requestHeaders[i]!.apply(head.fields);
    if (action.prefixRewrite !== '') {
      head.fields.set(names.originalPath, head.path);
      head.path = rewritePath(route.config.match.path, head.path, action.prefixRewrite);
    }
    if (action.hostRewrite !== '') {
      head.fields.set(names.originalHost, head.authority);
      head.authority = action.hostRewrite;
    }
    const { limits } = stream;
    if (action.idleTimeoutMs !== null) limits.idleMs = action.idleTimeoutMs;
    if (action.maxStreamDurationMs !== null)
      limits.durationDueMs = action.maxStreamDurationMs > 0 ? stream.startMs + action.maxStreamDurationMs : Infinity;
    this.#timeoutMs = requestTimeoutMs(action, stream.grpc, stream.grpcTimeout, stream.callerTimeoutMs);
    if (this.#timeoutMs > 0) this.#tellDeadline(head.fields, this.#timeoutMs);
    if (stream.grpc && action.grpcTimeoutHeaderMaxMs !== null) this.#startTimeout(stream.startMs);
    if (endStream) this.#onRequestEnd(nowMs);
    limits.arm(nowMs);
    this.#begin(nowMs);
  }

  onRequestData(chunk: Buffer, endStream: boolean): void {
    if (this.#state === stateOver) return;
    const attempt = this.#attempt;
    const stream = attempt === null || attempt.done ? null : attempt.stream;
    if (endStream) this.#onRequestEnd(-1);
    if (!this.#bodyGone) this.#keep(chunk, endStream, stream === null);
    if (stream !== null) stream.sendData(chunk, endStream);
    if (endStream) this.#endTunnelIfBothEnded();
  }

  onRequestTrailers(trailers: HeaderFields): void {
    if (this.#state === stateOver) return;
    this.#onRequestEnd(-1);
    if (!this.#bodyGone) (this.#body ??= new RequestBody()).addTrailers(trailers);
    const attempt = this.#attempt;
    if (attempt !== null && !attempt.done && attempt.stream !== null) attempt.stream.sendTrailers(trailers);
    this.#endTunnelIfBothEnded();
  }

  /** Keeps a piece of the body: while it may have to be sent again, or because nobody takes it yet. */
  #keep(chunk: Buffer, endStream: boolean, waits: boolean): void {
    const body = (this.#body ??= new RequestBody());
    if (!waits && body.bytes + chunk.length > maxReplayBytes) {
      this.#dropBody();
      return;
    }
    body.add(chunk, endStream);
    if (waits && !this.#bodyPaused && !endStream && body.bytes > this.#context.bufferLimitBytes) {
      this.#bodyPaused = true;
      this.#stream.pauseRequest();
    }
  }

  #dropBody(): void {
    this.#bodyGone = true;
    this.#body?.drop();
    this.#body = null;
  }

  /** The request is whole: from now on the route's time runs (Envoy). `endMs` -1: now. */
  #onRequestEnd(endMs: number): void {
    this.#requestEnded = true;
    this.#requestEndedMs = endMs < 0 ? this.#context.clock.nowMs() : endMs;
    if (this.#timeoutFromMs >= 0 || this.#state === stateTunnel) return;
    this.#startTimeout(this.#requestEndedMs);
    // With the head, everything is armed at once.
    if (endMs < 0 && this.#timeoutMs > 0) this.#stream.limits.arm(this.#requestEndedMs);
  }

  #startTimeout(fromMs: number): void {
    this.#timeoutFromMs = fromMs;
    if (this.#timeoutMs > 0) this.#stream.limits.routeDueMs = fromMs + this.#timeoutMs;
  }

  /** What is left of the deadline goes with the request, so that nobody works longer than somebody waits. */
  #tellDeadline(fields: HeaderFields, leftMs: number): void {
    fields.set(names.expectedTimeout, String(Math.max(1, Math.ceil(leftMs))));
    if (this.#stream.grpc && this.#action.grpcTimeoutHeaderMaxMs !== null)
      fields.set(names.grpcTimeout, formatGrpcTimeout(leftMs));
  }

  // -- attempts --

  #begin(nowMs: number): void {
    const stream = this.#stream;
    const { name } = stream.target!;
    const cluster = this.#context.clusters.cluster(name);
    if (cluster === undefined) {
      stream.fail(noCluster(name, this.#action.clusterNotFoundStatus));
      return;
    }
    stream.attempts++;
    const attempt = new UpstreamRequest(cluster, this, nowMs);
    this.#attempt = attempt;
    attempt.start(this.#retries === null ? nothingTried : { triedHosts: this.#retries.tried }, stream.version);
  }

  onUpstreamStream(attempt: UpstreamRequest, stream: ClientStream): void {
    // The first attempt may have its stream before start() has returned.
    this.#attempt = attempt;
    this.#stream.upstreamHost = attempt.host!.address;
    if (this.#responseBlocked) attempt.pauseReading();
    const body = this.#body;
    if (body === null) {
      stream.sendHead(this.#head!, this.#requestEnded);
      return;
    }
    stream.sendHead(this.#head!, false);
    body.sendTo(stream);
    if (body.bytes > maxReplayBytes) this.#dropBody();
    if (this.#bodyPaused) {
      this.#bodyPaused = false;
      this.#stream.resumeRequest();
    }
  }

  onUpstreamFailed(attempt: UpstreamRequest, error: ProxyError): void {
    if (this.#state === stateOver) return;
    const stream = this.#stream;
    if (attempt.host !== null) stream.upstreamHost = attempt.host.address;
    this.#releaseUpstreamPause();
    if (this.#state !== stateRequesting) {
      stream.fail(afterStart(error));
      return;
    }
    if (this.#bodyGone) {
      stream.fail(error);
      return;
    }
    this.#retries ??= new RetryState(this.#action.retry);
    switch (this.#retries.decide(attempt, this.#head!.method, error)) {
      case 'now':
        stream.onRetry('connection');
        this.#again(this.#context.clock.nowMs());
        return;
      case 'later':
        stream.limits.backoffDueMs = this.#context.clock.nowMs() + this.#retries.backoffMs(this.#context.random);
        stream.limits.arm();
        return;
      case 'exhausted':
        stream.fail(retriesExhausted(error, stream.attempts));
        return;
      case 'no':
        stream.fail(error);
    }
  }

  #again(nowMs: number): void {
    const { fields } = this.#head!;
    fields.set(names.attemptCount, String(this.#stream.attempts + 1));
    if (this.#timeoutMs > 0 && this.#timeoutFromMs >= 0) {
      this.#tellDeadline(fields, this.#timeoutFromMs + this.#timeoutMs - nowMs);
    }
    this.#begin(nowMs);
  }

  // -- the response --

  onUpstreamInformational(head: ResponseHead): void {
    if (this.#state !== stateRequesting) return;
    this.#stream.limits.touch();
    this.#stream.sendInformational(head);
  }

  onUpstreamHead(attempt: UpstreamRequest, head: ResponseHead, endStream: boolean): void {
    const stream = this.#stream;
    this.#retries?.end();
    this.#dropBody();
    const { status, fields } = head;
    const request = this.#head!;
    const now = this.#context.clock.nowMs();
    stream.limits.touch(now);
    const tunnel = request.method === 'CONNECT' ? status >= 200 && status < 300 : status === 101;
    if (tunnel) {
      // A tunnel has no request timeout; idleness still ends it.
      this.#state = stateTunnel;
      stream.limits.routeDueMs = Infinity;
    } else this.#state = stateResponding;
    if (this.#requestEnded || tunnel) {
      stream.upstreamServiceTimeMs = Math.max(
        0,
        Math.round(now - (this.#requestEndedMs < 0 ? stream.startMs : this.#requestEndedMs)),
      );
      fields.set(names.upstreamServiceTime, String(stream.upstreamServiceTimeMs));
    }
    const { responseHeaders } = stream.target!;
    if (responseHeaders !== null) responseHeaders.apply(fields);
    const route = this.#route;
    for (let i = 0; i < route.responseHeaders.length; i++) route.responseHeaders[i]!.apply(fields);
    if (endStream && !tunnel) {
      this.#over(attempt, now);
      stream.sendResponseHead(head, true);
    } else {
      stream.sendResponseHead(head, endStream);
      if (endStream) this.#endResponse();
    }
  }

  onUpstreamData(attempt: UpstreamRequest, chunk: Buffer, endStream: boolean): void {
    if (endStream && this.#state !== stateTunnel) this.#over(attempt, this.#context.clock.nowMs());
    this.#stream.sendResponseData(chunk, endStream);
    if (endStream && this.#state === stateTunnel) this.#endResponse();
  }

  onUpstreamTrailers(attempt: UpstreamRequest, trailers: HeaderFields): void {
    this.#over(attempt, this.#context.clock.nowMs());
    this.#stream.sendResponseTrailers(trailers);
  }

  /** The response is whole; the request may not be, and is given up then. Told to the cluster before the caller hears the end, so that a connection is free for the next request. */
  #over(attempt: UpstreamRequest, nowMs: number): void {
    this.#state = stateOver;
    this.#stream.endMs = nowMs;
    attempt.finish(nowMs, this.#requestEnded, cutShort);
    this.#releasePauses();
  }

  #endResponse(): void {
    this.#responseEnded = true;
    this.#endTunnelIfBothEnded();
  }

  /** The directions of a tunnel end by themselves; the tunnel ends with the second. */
  #endTunnelIfBothEnded(): void {
    if (this.#state !== stateTunnel || !this.#responseEnded || !this.#requestEnded) return;
    this.#over(this.#attempt!, this.#context.clock.nowMs());
    this.#stream.onTunnelEnd();
  }

  // -- flow control --

  onUpstreamBlocked(): void {
    if (this.#upstreamPaused || this.#requestEnded) return;
    this.#upstreamPaused = true;
    this.#stream.pauseRequest();
  }

  onUpstreamReady(): void {
    this.#releaseUpstreamPause();
  }

  #releaseUpstreamPause(): void {
    if (!this.#upstreamPaused) return;
    this.#upstreamPaused = false;
    this.#stream.resumeRequest();
  }

  #releasePauses(): void {
    this.#releaseUpstreamPause();
    if (!this.#bodyPaused) return;
    this.#bodyPaused = false;
    this.#stream.resumeRequest();
  }

  onResponseBlocked(): void {
    this.#responseBlocked = true;
    this.#attempt?.pauseReading();
  }

  onResponseReady(): void {
    this.#responseBlocked = false;
    this.#attempt?.resumeReading();
  }

  // -- ends --

  onTimeLimit(kind: 'route' | 'backoff', nowMs: number): void {
    if (this.#state === stateOver) return;
    if (kind === 'backoff') {
      this.#stream.onRetry('policy');
      this.#again(nowMs);
      return;
    }
    this.#stream.fail(timedOut(this.#timeoutMs));
  }

  onStreamEnd(error: ProxyError, nowMs: number): void {
    this.#state = stateOver;
    this.#dropBody();
    this.#attempt?.cancel(error, nowMs);
    this.#retries?.end();
    this.#releasePauses();
  }
}

const nothingTried = Object.freeze({ triedHosts: null });

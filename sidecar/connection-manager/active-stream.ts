/**
 * One request's whole life, seen from the caller's side: takes the configuration once, admits the head, finds the route, lets the router work, sends the answer, keeps
 * the time limits, and ends exactly once, in #finish, which counts and logs. It does not know clusters, attempts or repeats: see ../router/router.ts.
 *
 *   head ─▶ admitted? ─▶ gates ─▶ route? ─▶ router ─▶ response head ─▶ body, trailers ─▶ #finish
 *              └───────────┴────────┴─────────┴─▶ fail: local reply, or reset when an answer has begun ─▶ #finish
 *   caller gone (onReset) ──────────────────────────────────────────────────────────────────────────────▶ #finish
 */
import type { ConnectionOrigin } from '../cluster/upstream.ts';
import type { RequestReceiver, ServerStream } from '../codec/codec.ts';
import type { HeaderFields } from '../codec/header-fields.ts';
import { headerName } from '../codec/header-name.ts';
import type { HttpVersion, RequestHead, ResponseHead } from '../codec/message-head.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import { GateChain, type GatedStream } from '../filters/gate-chain.ts';
import type { GateVerdict, RequestGate, ResponseShaper, ShapedStream } from '../filters/request-gate.ts';
import { makeRecord, type RecordedStream } from '../recorder/make-record.ts';
import { isFailure } from '../recorder/request-record.ts';
import { TappedBodies } from '../recorder/tapped-bodies.ts';
import type { CallerRetry } from '../router/caller-retry.ts';
import { mayShareAnswers } from '../router/fallback/keepable-answer.ts';
import { RequestAsItCame } from '../router/fallback/request-as-it-came.ts';
import type { ReadyAnswer, TakenFallback } from '../router/fallback/request-fallback.ts';
import { answerKey } from '../router/fallback/stale-answers.ts';
import { limitSetBy } from '../router/limit-setter.ts';
import type { RouteEntry } from '../router/route-entry.ts';
import { Router } from '../router/router.ts';
import type { FilteredStream, NotRetried, RetryReason, StreamFilter } from '../router/stream-filter.ts';
import { StreamLimits } from '../router/stream-limits.ts';
import type { UpstreamRequest } from '../router/upstream-request.ts';
import type { WeightedTarget } from '../router/weighted-target.ts';
import type { TimerTarget } from '../runtime/timer-wheel.ts';
import type { Histogram } from '../stats/stat-store.ts';
import type { RequestTrace } from '../tracing/request-trace.ts';
import { fallbackAnswer } from './fallback-answer.ts';
import type { HttpConnectionManager } from './http-connection-manager.ts';
import type { DownstreamConnectionInfo, HttpContext } from './http-context.ts';
import { localReply, replyStatus } from './local-reply.ts';
import { destinationOf, grpcStatusLabel } from './request-metrics.ts';
import { routeAnswer } from './route-answer.ts';
import { noRoute, overdue, streamOver, withDelay } from './stream-faults.ts';

const requestIdName = headerName('x-request-id');

/** What a stream needs of its connection. */
export interface StreamConnection {
  readonly manager: HttpConnectionManager;
  readonly context: HttpContext;
  readonly info: DownstreamConnectionInfo;
  /** The stream has ended. Called once per stream. */
  streamEnded(nowMs: number): void;
}

export class ActiveStream
  implements RequestReceiver, FilteredStream, GatedStream, ShapedStream, RecordedStream, TimerTarget
{
  readonly #connection: StreamConnection;
  readonly #downstream: ServerStream;
  readonly limits: StreamLimits;
  readonly startMs: number;
  #filter: StreamFilter | null = null;
  /** Null where the connection manager has no gates. */
  #gates: GateChain | null = null;
  /** Null unless a gate paces the answer. */
  #shaper: ResponseShaper | null = null;
  head!: RequestHead;
  /** The path as received, for the log: `head.path` may be rewritten. */
  originalPath = '';
  version: HttpVersion = '1.1';
  requestId = '';
  grpc = false;
  grpcTimeout = '';
  callerTimeoutMs = -1;
  callerRetry: CallerRetry | null = null;
  route: RouteEntry | null = null;
  target: WeightedTarget | null = null;
  chosenTarget: WeightedTarget | null = null;
  responseHead: ResponseHead | null = null;
  responseTrailers: HeaderFields | null = null;
  status = 0;
  flag = '';
  retryFlag: '' | 'URX' | 'UO' = '';
  notRetried: NotRetried = '';
  details = '';
  fallback: TakenFallback | null = null;
  sharesAnswers = false;
  grpcStatus = '';
  bytesReceived = 0;
  bytesSent = 0;
  attempts = 0;
  upstreamHost = '';
  upstreamServiceTimeMs = -1;
  endMs = -1;
  /** For the request's record, if there will be one. */
  lastAttempt: UpstreamRequest | null = null;
  admittedMs = -1;
  requestWholeMs = -1;
  firstByteMs = -1;
  /** Null: it is not traced here. */
  trace: RequestTrace | null = null;
  /** Null: nobody taps bodies. */
  #bodies: TappedBodies | null = null;
  /** All of it came. */
  requestEnded = false;
  /** Of a request that shares answers: as it came, before routes change it; ''. */
  #sharedAuthority = '';
  #sharedPath = '';
  /** Null: no gate can change what answers it shares. */
  #asItCame: RequestAsItCame | null = null;
  #upgradeRefused = false;
  /** The policy that is the reason of the answer; ''. */
  #failedBy = '';
  #finished = false;

  constructor(connection: StreamConnection, downstream: ServerStream) {
    const { clock, wheel } = connection.context;
    this.#connection = connection;
    this.#downstream = downstream;
    this.startMs = clock.nowMs();
    this.limits = new StreamLimits(this, wheel, clock, this.startMs);
  }

  /** Where its connection was going; null: it was not redirected. */
  get origin(): ConnectionOrigin | null {
    return this.#connection.info.origin ?? null;
  }

  get sharedAnswersKey(): string {
    const { peer } = this.#connection.info;
    return answerKey(
      this.route!.memoryKey,
      peer?.uris[0] ?? '',
      this.head.scheme,
      this.#sharedAuthority,
      this.#sharedPath,
    );
  }

  // -- for the log: its trace, and what its gates found --

  get traceId(): string {
    return this.trace === null ? '' : this.trace.traceId;
  }

  get spanId(): string {
    return this.trace === null ? '' : this.trace.spanId;
  }

  /** The one by which it has a fallback, failed, was held up, or was let pass. */
  get policy(): string {
    if (this.fallback !== null && this.fallback.policy !== '') return this.fallback.policy;
    if (this.#failedBy !== '') return this.#failedBy;
    return this.#gates === null ? '' : this.#gates.policy;
  }

  get dryRunDeniedBy(): string {
    return this.#gates === null ? '' : this.#gates.dryRunDeniedBy;
  }

  get decidedBy(): string {
    return this.#gates === null ? '' : this.#gates.decidedBy;
  }

  get metadata(): ReadonlyMap<string, unknown> | null {
    return this.#gates === null ? null : this.#gates.metadata;
  }

  // -- the caller's side --

  onHead(head: RequestHead, endStream: boolean): void {
    const { manager, info } = this.#connection;
    const { config, admission } = manager;
    this.head = head;
    this.version = head.version;
    this.originalPath = head.path;
    this.requestEnded = endStream;
    manager.stats.begin();
    const refusal = admission.admit(head, info);
    this.requestId = admission.requestId;
    this.grpc = admission.grpc;
    this.grpcTimeout = admission.grpcTimeout;
    this.callerTimeoutMs = admission.callerTimeoutMs;
    this.callerRetry = admission.callerRetry;
    const { limits } = this;
    limits.idleMs = config.streamIdleTimeoutMs;
    if (config.maxStreamDurationMs > 0) limits.durationDueMs = this.startMs + config.maxStreamDurationMs;
    if (config.requestTimeoutMs > 0 && !endStream) limits.requestDueMs = this.startMs + config.requestTimeoutMs;
    if (endStream) this.requestWholeMs = this.startMs;
    const { recorder, tracer } = manager;
    if (recorder !== null && recorder.bodyBytes > 0)
      this.#bodies = new TappedBodies(recorder.bodyBytes, recorder.bodyBudget);
    if (refusal !== null) {
      if (tracer !== null) this.trace = tracer.begin(head.fields, admission.trusted, null, this.startMs);
      if (refusal instanceof ProxyError) this.fail(refusal);
      else this.sendOwnResponse(refusal, null, 'path_normalization_redirect');
      return;
    }
    const table = manager.routeTable();
    if (table !== null) this.route = table.route(head);
    if (tracer !== null)
      this.trace = tracer.begin(head.fields, admission.trusted, this.route?.config.tracing ?? null, this.startMs);
    if (
      endStream &&
      this.route !== null &&
      this.route.sharesAnswers &&
      !manager.identifiesCallers &&
      // Who has a certificate is told apart by its one name; by none, or by several, nobody can be.
      (info.peer === null || info.peer.uris.length === 1) &&
      mayShareAnswers(head) &&
      !this.route.takesOff(head.fields)
    ) {
      this.sharesAnswers = true;
      this.#sharedAuthority = head.authority;
      this.#sharedPath = head.path;
    }
    const { gates } = manager;
    if (gates.length > 0) {
      if (this.sharesAnswers && !gates.every(keepsRequests)) this.#asItCame = new RequestAsItCame(head);
      this.#gates = new GateChain(this, gates, head, info, manager.routerContext.bufferLimitBytes);
      const verdict = this.#gates.ask();
      if (verdict === 'wait') {
        this.#filter = this.#gates;
        limits.arm(this.startMs);
        return;
      }
      if (verdict !== null) {
        this.fail(verdict);
        return;
      }
    }
    this.#respond(endStream, this.startMs);
  }

  chooseTarget(): WeightedTarget | null {
    const { route } = this;
    if (this.chosenTarget === null && route !== null && route.targets.length > 0)
      this.chosenTarget =
        route.targets.length === 1 ? route.targets[0]! : route.chooseTarget(this.#connection.context.random());
    return this.chosenTarget;
  }

  onGatesDecided(verdict: GateVerdict): void {
    if (this.#finished) return;
    if (verdict !== null) {
      this.fail(verdict);
      return;
    }
    const gates = this.#gates!;
    const { clock } = this.#connection.context;
    this.#respond(this.requestEnded && !gates.holds, clock.nowMs());
    if (this.#finished) gates.onStreamEnd();
    else gates.releaseTo(this.#filter!);
  }

  /** The request may pass: it gets what its route says. */
  #respond(endStream: boolean, nowMs: number): void {
    const { manager, info } = this.#connection;
    const { head, route } = this;
    this.admittedMs = nowMs;
    if (route === null) {
      manager.stats.noRoute.value++;
      this.fail(noRoute(head, manager.routeTable() === null));
      return;
    }
    if (route.forward === null) {
      const { head: answer, body } = routeAnswer(route, head, this.grpc, manager.config.serverName, info.secure);
      this.#failedBy = route.config.setBy?.backend ?? '';
      this.sendOwnResponse(answer, body, 'direct_response');
      return;
    }
    if (this.#asItCame !== null && !this.#asItCame.is(head)) this.sharesAnswers = false;
    const router = new Router(this, route, manager.routerContext);
    this.#filter = router;
    router.onRequestHead(head, endStream, nowMs);
  }

  onData(chunk: Buffer, endStream: boolean): void {
    if (this.#finished) return;
    this.bytesReceived += chunk.length;
    if (this.#bodies !== null) this.#bodies.request.add(chunk);
    this.limits.touch();
    if (endStream) this.#onRequestEnd();
    this.#filter!.onRequestData(chunk, endStream);
  }

  onTrailers(trailers: HeaderFields): void {
    if (this.#finished) return;
    this.limits.touch();
    this.#onRequestEnd();
    this.#connection.manager.admission.cleanTrailers(trailers);
    this.#filter!.onRequestTrailers(trailers);
  }

  #onRequestEnd(): void {
    this.requestEnded = true;
    // Where the router has it, that asks for the time.
    if (this.#filter === this.#gates) this.requestWholeMs = this.#connection.context.clock.nowMs();
    this.limits.requestDueMs = Infinity;
  }

  /** The caller is gone, or broke the protocol. */
  onReset(error: ProxyError): void {
    if (this.#finished) return;
    this.#connection.manager.stats.resets.value++;
    this.flag = error.flag;
    this.details = error.details;
    this.#finish(error);
  }

  onWriteBlocked(): void {
    if (this.#finished) return;
    if (this.#shaper !== null) this.#shaper.onWriteBlocked();
    else this.#filter?.onResponseBlocked();
  }

  onWriteReady(): void {
    if (this.#finished) return;
    // That a slow caller has taken something is activity too.
    this.limits.touch();
    if (this.#shaper !== null) this.#shaper.onWriteReady();
    else this.#filter?.onResponseReady();
  }

  // -- what the filter does --

  pauseRequest(): void {
    this.#downstream.pauseReading();
  }

  resumeRequest(): void {
    this.#downstream.resumeReading();
  }

  onRetry(reason: RetryReason): void {
    const { manager, info } = this.#connection;
    manager.metricsOf(this.route, this.target, info.sourceLabel).countRetry(reason);
  }

  sendInformational(head: ResponseHead): void {
    if (this.#finished) return;
    this.#connection.manager.responseFields.cleanHopByHop(head.fields);
    this.#downstream.sendInformational(head);
  }

  sendResponseHead(head: ResponseHead, endStream: boolean): void {
    if (this.#finished) return;
    const { responseFields, config } = this.#connection.manager;
    if (this.#refusesUpgrade(head)) {
      head.status = 502;
      this.#upgradeRefused = true;
    }
    this.status = head.status;
    this.responseHead = head;
    // The time for the whole request is for those that are not answered yet (Envoy).
    this.limits.requestDueMs = Infinity;
    responseFields.clean(head.fields, head.status === 101);
    if (responseFields.grpcStatus !== undefined) this.grpcStatus = grpcStatusText(responseFields.grpcStatus);
    if (config.alwaysSetRequestIdInResponse && this.requestId !== '') head.fields.set(requestIdName, this.requestId);
    if (this.#gates !== null) this.#gates.applyToResponse(head.fields);
    this.#downstream.sendHead(head, endStream);
    if (endStream && head.status !== 101 && this.head.method !== 'CONNECT') this.#complete();
  }

  sendResponseData(chunk: Buffer, endStream: boolean): void {
    if (this.#finished) return;
    if (this.#shaper === null || this.#tunnel) {
      this.deliverData(chunk, endStream);
      return;
    }
    if (endStream) this.#wholeBeforeDelivery();
    this.#shaper.onData(chunk, endStream);
  }

  deliverData(chunk: Buffer, endStream: boolean): void {
    if (this.#finished) return;
    if (!endStream) this.limits.touch();
    this.bytesSent += chunk.length;
    if (this.#bodies !== null) this.#bodies.response.add(chunk);
    this.#downstream.sendData(chunk, endStream);
    if (endStream && !this.#tunnel) this.#complete();
  }

  sendResponseTrailers(trailers: HeaderFields): void {
    if (this.#finished) return;
    if (this.#shaper === null) {
      this.deliverTrailers(trailers);
      return;
    }
    this.#wholeBeforeDelivery();
    this.#shaper.onTrailers(trailers);
  }

  deliverTrailers(trailers: HeaderFields): void {
    if (this.#finished) return;
    const { responseFields } = this.#connection.manager;
    responseFields.cleanHopByHop(trailers);
    if (responseFields.grpcStatus !== undefined) this.grpcStatus = grpcStatusText(responseFields.grpcStatus);
    this.responseTrailers = trailers;
    this.#downstream.sendTrailers(trailers);
    this.#complete();
  }

  /** The upstream's part is over, the caller's is not: the route's time is for the first, the figures are for both. */
  #wholeBeforeDelivery(): void {
    this.endMs = -1;
    this.limits.routeDueMs = Infinity;
  }

  shapeResponse(make: (stream: ShapedStream) => ResponseShaper): void {
    this.#shaper ??= make(this);
  }

  holdResponse(): void {
    if (!this.#finished) this.#filter?.onResponseBlocked();
  }

  resumeResponse(): void {
    if (!this.#finished) this.#filter?.onResponseReady();
  }

  onTunnelEnd(): void {
    if (!this.#finished) this.#complete();
  }

  get #tunnel(): boolean {
    return this.status === 101 || (this.head.method === 'CONNECT' && this.status >= 200 && this.status < 300);
  }

  /** A success without the upgrade, over HTTP/2: it would say that the upgrade is there (RFC 8441 5). The codec makes it 502 too; here it is known to log and figures. */
  #refusesUpgrade({ status }: ResponseHead): boolean {
    return this.version === '2' && this.head.upgrade !== '' && status >= 200 && status < 300;
  }

  #complete(): void {
    this.details = this.#upgradeRefused ? 'via_upstream{upgrade_refused}' : 'via_upstream';
    this.#finish(null);
  }

  // -- answers of our own --

  sendOwnResponse(head: ResponseHead, body: Buffer | null, details: string): void {
    if (this.#finished) return;
    const { fields } = head;
    const { config } = this.#connection.manager;
    if (!fields.has('server')) fields.append(serverName, config.serverName);
    fields.append(date, new Date(this.#connection.context.clock.wallMs()).toUTCString());
    if (config.alwaysSetRequestIdInResponse && this.requestId !== '') fields.set(requestIdName, this.requestId);
    this.details = details;
    this.#sendWhole(head, body);
    this.#finish(null);
  }

  /** Nothing has gone to the caller, and the router has something better. */
  #hasInstead(error: ProxyError): ProxyError | null {
    const filter = this.#filter;
    if (this.responseHead !== null || filter === null || filter.insteadOf === undefined) return error;
    return filter.insteadOf(error, this.#connection.context.clock.nowMs());
  }

  sendFallback(answer: ReadyAnswer, error: ProxyError | null): void {
    if (this.#finished) return;
    const { manager, context } = this.#connection;
    const taken = this.fallback!;
    this.details = `fallback_${taken.kind}{${taken.details}}`;
    const { head, body } = fallbackAnswer(answer, taken, this.head, {
      grpc: this.grpc,
      serverName: manager.config.serverName,
      requestId: this.requestId,
      wallMs: context.clock.wallMs(),
    });
    this.#changeAsRoute(head.fields);
    this.#sendWhole(head, body);
    this.#finish(error);
  }

  fail(failure: ProxyError): void {
    if (this.#finished) return;
    const error = this.#hasInstead(failure);
    if (error === null) return;
    const { manager, context } = this.#connection;
    this.flag = error.flag;
    this.details = error.details;
    this.#failedBy = error.rule;
    if (error.flag === 'NC') manager.stats.noCluster.value++;
    if (this.responseHead !== null) {
      // Too late for an answer of our own: the caller must see that the response is cut.
      manager.stats.resetsSent.value++;
      this.#downstream.reset(error);
    } else {
      const { head, body } = localReply(error, this.head, {
        grpc: this.grpc,
        serverName: manager.config.serverName,
        route: this.route?.name ?? '',
        service: this.target === null ? '' : destinationOf(this.target.name),
        requestId: this.requestId,
        wallMs: context.clock.wallMs(),
      });
      this.#changeAsRoute(head.fields);
      this.#sendWhole(head, body);
    }
    this.#finish(error);
  }

  /** As Envoy does: an answer that the router makes up has the route's response headers too. */
  #changeAsRoute(fields: HeaderFields): void {
    if (this.route === null || this.target === null) return;
    this.target.responseHeaders?.apply(fields);
    for (const mutation of this.route.responseHeaders) mutation.apply(fields);
  }

  #sendWhole(head: ResponseHead, body: Buffer | null): void {
    if (this.#refusesUpgrade(head)) head.status = 502;
    if (this.#gates !== null) this.#gates.applyToResponse(head.fields);
    this.status = head.status;
    this.responseHead = head;
    if (this.grpc) this.grpcStatus = grpcStatusText(head.fields.get('grpc-status'));
    this.#downstream.sendHead(head, body === null);
    if (body === null) return;
    this.bytesSent = body.length;
    this.#bodies?.response.add(body);
    this.#downstream.sendData(body, true);
  }

  // -- time limits --

  onTimer(): void {
    const now = this.#connection.context.clock.nowMs();
    const limit = this.limits.due(now);
    if (limit === null) return;
    if (limit === 'duration' || limit === 'request' || limit === 'idle') {
      const { stats } = this.#connection.manager;
      const counter =
        limit === 'duration' ? stats.maxDurations : limit === 'request' ? stats.requestTimeouts : stats.idleTimeouts;
      counter.value++;
      const { idleMs, durationDueMs } = this.limits;
      const lastedMs = limit === 'idle' ? idleMs : durationDueMs - this.startMs;
      const rule = limit === 'request' ? '' : limitSetBy(limit, lastedMs, this.route);
      this.fail(overdue(limit, this.requestEnded, idleMs, rule));
    } else this.#filter!.onTimeLimit(limit, now);
    if (!this.#finished) this.limits.arm();
  }

  // -- the end --

  /** The one end of every stream. `error` null: it ended in order. */
  #finish(error: ProxyError | null): void {
    this.#finished = true;
    this.limits.stop();
    const connection = this.#connection;
    const { manager } = connection;
    const now = this.endMs < 0 ? connection.context.clock.nowMs() : this.endMs;
    if (this.#filter !== null) this.#filter.onStreamEnd(error ?? streamOver, now);
    if (this.#shaper !== null) this.#shaper.onStreamOver();
    const durationMs = now - this.startMs;
    manager.stats.count(this.status, durationMs);
    // 499 is what access logs of proxies say for a caller that did not wait.
    if (this.status === 0) this.status = this.flag === 'DC' || error === null ? 499 : replyStatus(error);
    const { fallback } = this;
    if (fallback !== null && this.flag === '') this.flag = fallback.flag;
    // As Envoy lists them: that there was no other attempt, then what happened.
    if (this.retryFlag !== '' && this.retryFlag !== this.flag)
      this.flag = this.flag === '' ? this.retryFlag : `${this.retryFlag},${this.flag}`;
    // Ours, behind what it stands for.
    if (fallback !== null) this.flag = this.flag === '' ? 'FB' : `${this.flag},FB`;
    if (this.#gates !== null) {
      this.#gates.tellEnd(now, this.responseHead === null ? 0 : this.status, error === null, this.grpcStatus);
      if (this.#gates.delayed) this.flag = withDelay(this.flag);
    }
    const protocol = this.grpc ? 'grpc' : this.version === '2' ? 'http2' : 'http1';
    const { requestLabels } = manager;
    const metrics = manager
      .metricsOf(this.route, this.target, connection.info.sourceLabel)
      .set(protocol, this.status, grpcStatusLabel(this.grpcStatus), this.flag, requestLabels?.valuesOf(this));
    metrics.requests.value++;
    if (metrics.duration !== null) metrics.duration.record(durationMs);
    if (metrics.requestBytes !== null) metrics.requestBytes.value += this.bytesReceived;
    if (metrics.responseBytes !== null) metrics.responseBytes.value += this.bytesSent;
    const { accessLogs } = manager;
    for (let i = 0; i < accessLogs.length; i++) accessLogs[i]!.write(this, connection.info, durationMs);
    if (manager.recorder !== null || this.trace !== null) this.#record(now, durationMs, metrics.duration);
    if (this.#bodies !== null) this.#bodies.release();
    connection.streamEnded(now);
  }

  /** Who keeps or traces requests is asked whether this is one. Most are not. */
  #record(now: number, durationMs: number, histogram: Histogram | null): void {
    const connection = this.#connection;
    const { recorder, tracer } = connection.manager;
    const { status, grpcStatus, flag, trace } = this;
    const waitedMs = this.firstByteMs < 0 ? durationMs : this.firstByteMs - this.startMs;
    const kept =
      recorder === null
        ? ''
        : recorder.keeps(status, grpcStatus, flag, durationMs, waitedMs, this.#tunnel, this.requestId, now);
    const traced = trace !== null && tracer!.wants(trace, isFailure(status, grpcStatus, flag), durationMs);
    const tapped = recorder !== null && recorder.tapped;
    if (kept === '' && !traced && !tapped) return;
    const { manager, info, context } = connection;
    const wallMs = context.clock.wallMs();
    const record = makeRecord(this, manager.recordContext(info, this.target), kept, now, wallMs, kept !== '' || tapped);
    if (traced && histogram !== null) histogram.exemplify(durationMs, trace.traceId, trace.spanId, wallMs);
    if (traced) tracer!.end(record, this, trace, this.route?.config.tracing ?? null);
    if (kept === '' && !tapped) return;
    recorder!.offer(record, {
      requestFields: this.head.fields,
      responseFields: this.responseHead === null ? null : this.responseHead.fields,
      requestBody: this.#bodies === null ? null : this.#bodies.request.bytes,
      responseBody: this.#bodies === null ? null : this.#bodies.response.bytes,
      hiddenParameters: manager.secretParameters,
    });
  }
}

const serverName = headerName('server');
const date = headerName('date');

/** A gRPC status from a peer: a whole number, as logs say it, also one that gRPC has not; what is none is UNKNOWN. */
function grpcStatusText(value: string | undefined): string {
  if (value === undefined) return '';
  if (value === '0') return value;
  return /^\d{1,9}$/.test(value) ? String(Number(value)) : '2';
}

function keepsRequests(gate: RequestGate): boolean {
  return gate.keepsRequests === true;
}

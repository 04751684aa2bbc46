/**
 * One request's whole life: from its head to the last byte of the answer. Takes the configuration once, routes, forwards both ways, keeps the time limits, answers
 * by itself when there is nobody to ask, and ends exactly once, in #finish, which counts and logs.
 *
 *   request head ─▶ route ─▶ attempt (UpstreamRequest) ─▶ response head ─▶ body, trailers ─▶ #finish
 *        │            │            │ failed: again, if that is safe
 *        └────────────┴────────────┴─▶ local reply ─────────────────────────────────────────▶ #finish
 */
import type { Host } from '../cluster/upstream.ts';
import type { RequestReceiver, ServerStream } from '../codec/codec.ts';
import { HeaderFields } from '../codec/header-fields.ts';
import { headerName } from '../codec/header-name.ts';
import type { HttpVersion, RequestHead, ResponseHead } from '../codec/message-head.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import type { RouteEntry, WeightedTarget } from '../router/route-entry.ts';
import { UpstreamRequest, type UpstreamRequestOwner } from '../router/upstream-request.ts';
import { type TimerTarget, WheelTimer } from '../runtime/timer-wheel.ts';
import { removeHopByHop } from './hop-by-hop.ts';
import type { ManagedConnection } from './managed-connection.ts';
import { isGrpcRequest, localReply } from './local-reply.ts';
import { normalizePath } from './path-normalization.ts';
import { redirectReply } from './redirect.ts';
import { acceptableRequestId, newRequestId } from './request-id.ts';
import { destinationOf, grpcStatusLabel, RequestMetrics } from './request-metrics.ts';

const names = {
  requestId: headerName('x-request-id'),
  forwardedProto: headerName('x-forwarded-proto'),
  forwardedFor: headerName('x-forwarded-for'),
  via: headerName('via'),
  server: headerName('server'),
  upstreamServiceTime: headerName('x-envoy-upstream-service-time'),
  expectedTimeout: headerName('x-envoy-expected-rq-timeout-ms'),
  attemptCount: headerName('x-envoy-attempt-count'),
  contentLength: headerName('content-length'),
};

/** Control headers that only a trusted caller may send (interfaces.md, "Requests on the wire"). */
const controlHeaders = ['x-envoy-attempt-count', 'x-envoy-expected-rq-timeout-ms', 'x-envoy-upstream-rq-timeout-ms', 'x-envoy-internal', 'x-envoy-original-path'];

/** Bytes of a request body that are kept so that it can be sent again. */
const maxReplayBytes = 64 * 1024;
/** A request is sent again at most so often because its connection was stale or not to be had. */
const maxFreeRetries = 2;

const repeatable: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

export class ActiveStream implements RequestReceiver, UpstreamRequestOwner, TimerTarget {
  readonly #connection: ManagedConnection;
  readonly #downstream: ServerStream;
  readonly #timer: WheelTimer;
  readonly startMs: number;
  head!: RequestHead;
  /** The path as received, for the log: `head.path` may be rewritten. */
  originalPath = '';
  version: HttpVersion = '1.1';
  requestId = '';
  route: RouteEntry | null = null;
  target: WeightedTarget | null = null;
  status = 0;
  flag = '';
  details = '';
  grpcStatus = '';
  bytesReceived = 0;
  bytesSent = 0;
  attempts = 0;
  upstreamServiceTimeMs = -1;
  #attempt: UpstreamRequest | null = null;
  #tried: Host[] | null = null;
  #requestEnded = false;
  #responseStarted = false;
  #finished = false;
  /** The request as it was sent on, kept while it may have to be sent again. */
  #replay: Buffer[] | null = null;
  #replayBytes = 0;
  #replayable = true;
  #replayTrailers: HeaderFields | null = null;
  /** Whose slowness has stopped the other side's reading. */
  #upstreamBlocked = false;
  #downstreamBlocked = false;
  #queuePaused = false;
  /** Counts events; the idle check looks whether it moved. */
  #activity = 0;
  #activitySeen = 0;
  #routeDeadlineMs = 0;
  #durationDeadlineMs = 0;
  #idleMs = 0;

  constructor(connection: ManagedConnection, downstream: ServerStream) {
    this.#connection = connection;
    this.#downstream = downstream;
    this.startMs = connection.context.clock.nowMs();
    this.#timer = new WheelTimer(this);
  }

  get upstreamHost(): string {
    return this.#attempt?.host?.address ?? '';
  }

  // -- downstream --

  onHead(head: RequestHead, endStream: boolean): void {
    const { manager, info, context } = this.#connection;
    const { config } = manager;
    this.head = head;
    this.version = head.version;
    this.originalPath = head.path;
    this.#requestEnded = endStream;
    manager.stats.requests.value++;
    manager.stats.requestsActive.value++;
    const { fields } = head;
    removeHopByHop(fields, head.upgrade !== '');
    this.#identify(fields);
    if (config.useRemoteAddress) for (const name of controlHeaders) fields.delete(name);
    if (config.useRemoteAddress && !config.skipXffAppend) appendForwardedFor(fields, info.remoteAddress);
    if (config.useRemoteAddress || !fields.has('x-forwarded-proto')) fields.set(names.forwardedProto, info.secure ? 'https' : 'http');
    if (config.via !== '') fields.append(names.via, config.via);
    this.#idleMs = config.streamIdleTimeoutMs;
    if (config.maxStreamDurationMs > 0) this.#durationDeadlineMs = this.startMs + config.maxStreamDurationMs;
    if (head.upgrade !== '' && !manager.upgradeAllowed(head.upgrade)) {
      this.#reply(new ProxyError({ flag: 'IH', source: 'local', details: 'upgrade_failed', message: `Upgrade to ${head.upgrade} is not allowed here.`, status: 403 }));
      return;
    }
    if (head.path !== '' && head.path !== '*') {
      const normalized = normalizePath(head.path, config);
      if (normalized.kind === 'reject') {
        this.#reply(new ProxyError({ flag: 'IH', source: 'downstream', details: 'path_normalization_failed', message: normalized.message, status: 400 }));
        return;
      }
      head.path = normalized.path;
      if (normalized.kind === 'redirect') {
        this.#sendReply(redirectReply(307, normalized.path), 'path_normalization_redirect');
        return;
      }
    }
    if (config.stripHostPort !== 'none') stripPort(head, config.stripHostPort === 'any' ? null : info.localAddress);
    const table = manager.routeTable(context);
    const route = table?.route(head) ?? null;
    if (route === null) {
      manager.stats.noRoute.increment();
      this.#reply(noRoute(head, table === null));
      return;
    }
    this.route = route;
    this.#follow(route, endStream);
  }

  #identify(fields: HeaderFields): void {
    const { config } = this.#connection.manager;
    const given = fields.get('x-request-id');
    if (given !== undefined && acceptableRequestId(given) && (!config.useRemoteAddress || config.preserveExternalRequestId)) this.requestId = given;
    else if (config.generateRequestId) {
      this.requestId = newRequestId();
      fields.set(names.requestId, this.requestId);
    } else if (given !== undefined) fields.delete('x-request-id');
  }

  #follow(route: RouteEntry, endStream: boolean): void {
    const { head } = this;
    const { action } = route.config;
    if (action.kind === 'redirect') {
      this.#sendReply(redirectReply(action.status, redirectLocation(action, route, head)), 'direct_response');
      return;
    }
    if (action.kind === 'direct-response') {
      const body = Buffer.from(action.body);
      const reply = redirectReply(action.status, '');
      if (body.length > 0) reply.fields.append(names.contentLength, String(body.length));
      for (const mutation of route.responseHeaders) mutation.apply(reply.fields);
      this.#sendReply(reply, 'direct_response', head.method === 'HEAD' || body.length === 0 ? null : body);
      return;
    }
    const { context, manager } = this.#connection;
    const target = route.chooseTarget(route.targets.length > 1 ? context.random() : 0);
    this.target = target;
    target.requestHeaders?.apply(head.fields);
    for (const mutation of route.requestHeaders) mutation.apply(head.fields);
    if (action.prefixRewrite !== '') head.path = rewritePrefix(route, head.path, action.prefixRewrite);
    if (action.hostRewrite !== '') head.authority = action.hostRewrite;
    if (action.idleTimeoutMs !== null) this.#idleMs = action.idleTimeoutMs;
    if (action.maxStreamDurationMs !== null && action.maxStreamDurationMs > 0) this.#durationDeadlineMs = this.startMs + action.maxStreamDurationMs;
    const timeoutMs = this.#timeoutMs(action.timeoutMs, action.grpcTimeoutHeaderMaxMs);
    this.#routeTimeoutMs = timeoutMs;
    if (timeoutMs > 0 && !head.fields.has('x-envoy-expected-rq-timeout-ms')) head.fields.append(names.expectedTimeout, String(Math.ceil(timeoutMs)));
    const cluster = context.clusters.cluster(target.name);
    if (cluster === undefined) {
      manager.stats.noCluster.increment();
      this.#reply(new ProxyError({ flag: 'NC', source: 'local', details: 'cluster_not_found', message: `There is no cluster ${target.name}.`, status: action.clusterNotFoundStatus }));
      return;
    }
    if (endStream) this.#startRouteDeadline();
    else this.#armTimer();
    this.#beginAttempt();
  }

  #routeTimeoutMs = 0;

  /** The route's timeout; a gRPC deadline replaces it where the route honours `grpc-timeout`. */
  #timeoutMs(routeTimeoutMs: number, grpcCapMs: number | null): number {
    if (grpcCapMs === null) return routeTimeoutMs;
    const asked = parseGrpcTimeout(this.head.fields.get('grpc-timeout'));
    if (asked === null) return routeTimeoutMs;
    return grpcCapMs > 0 ? Math.min(asked, grpcCapMs) : asked;
  }

  #beginAttempt(): void {
    const { context } = this.#connection;
    const cluster = context.clusters.cluster(this.target!.name);
    if (cluster === undefined) {
      this.#reply(new ProxyError({ flag: 'NC', source: 'local', details: 'cluster_not_found', message: `There is no cluster ${this.target!.name} any more.` }));
      return;
    }
    this.attempts++;
    if (this.attempts > 1) this.head.fields.set(names.attemptCount, String(this.attempts));
    const body = this.#replay;
    const trailers = this.#replayTrailers;
    const attempt = new UpstreamRequest(cluster, this, this.head, this.#requestEnded && body === null && trailers === null, this.attempts === 1 ? this.startMs : context.clock.nowMs());
    this.#attempt = attempt;
    if (this.attempts > 1 && body !== null) for (let i = 0; i < body.length; i++) attempt.sendData(body[i]!, this.#requestEnded && trailers === null && i === body.length - 1);
    if (this.attempts > 1 && trailers !== null) attempt.sendTrailers(trailers);
    attempt.start({ triedHosts: this.#tried }, this.version);
  }

  onData(chunk: Buffer, endStream: boolean): void {
    if (this.#finished) return;
    this.#activity++;
    this.bytesReceived += chunk.length;
    if (endStream) this.#requestEnded = true;
    this.#keepForReplay(chunk);
    const attempt = this.#attempt;
    if (attempt !== null) {
      attempt.sendData(chunk, endStream);
      if (attempt.stream === null && !this.#queuePaused && attempt.queuedBytes > maxReplayBytes) {
        // Nothing takes the body yet: it waits in a bounded buffer.
        this.#queuePaused = true;
        this.#downstream.pauseReading();
      }
    }
    if (endStream && !this.#finished) this.#startRouteDeadline();
  }

  onTrailers(trailers: HeaderFields): void {
    if (this.#finished) return;
    this.#activity++;
    this.#requestEnded = true;
    if (this.#replayable) this.#replayTrailers = trailers;
    this.#attempt?.sendTrailers(trailers);
    if (!this.#finished) this.#startRouteDeadline();
  }

  #keepForReplay(chunk: Buffer): void {
    if (!this.#replayable || this.#responseStarted) return;
    this.#replayBytes += chunk.length;
    if (this.#replayBytes > maxReplayBytes || this.head.upgrade !== '' || this.head.method === 'CONNECT') {
      this.#replayable = false;
      this.#replay = null;
      return;
    }
    (this.#replay ??= []).push(chunk);
  }

  /** The caller is gone, or broke the protocol. */
  onReset(error: ProxyError): void {
    if (this.#finished) return;
    const { manager } = this.#connection;
    manager.stats.resets.increment();
    this.flag = error.flag;
    this.details = error.details;
    // 499 is what access logs of proxies say for a caller that did not wait.
    if (this.status === 0) this.status = error.flag === 'DC' ? 499 : error.status || 400;
    this.#finish(error);
  }

  /** The caller reads slowly: the upstream is not read meanwhile. */
  onWriteBlocked(): void {
    if (this.#finished || this.#downstreamBlocked) return;
    this.#downstreamBlocked = true;
    this.#attempt?.stream?.pauseReading();
  }

  onWriteReady(): void {
    if (!this.#downstreamBlocked) return;
    this.#downstreamBlocked = false;
    if (!this.#finished) this.#attempt?.stream?.resumeReading();
  }

  // -- upstream --

  onUpstreamInformational(head: ResponseHead): void {
    if (this.#finished || this.#responseStarted) return;
    removeHopByHop(head.fields, false);
    this.#downstream.sendInformational(head);
  }

  onUpstreamHead(attempt: UpstreamRequest, head: ResponseHead, endStream: boolean): void {
    this.#activity++;
    this.#responseStarted = true;
    this.#replay = null;
    this.#replayTrailers = null;
    const { manager, context } = this.#connection;
    const { fields } = head;
    this.status = head.status;
    const upgraded = head.status === 101;
    removeHopByHop(fields, upgraded);
    this.upstreamServiceTimeMs = Math.max(0, Math.round(context.clock.nowMs() - this.startMs));
    fields.append(names.upstreamServiceTime, String(this.upstreamServiceTimeMs));
    this.target!.responseHeaders?.apply(fields);
    for (const mutation of this.route!.responseHeaders) mutation.apply(fields);
    const { config } = manager;
    if (config.serverHeaderTransformation === 'overwrite') fields.set(names.server, config.serverName);
    else if (config.serverHeaderTransformation === 'append_if_absent' && !fields.has('server')) fields.append(names.server, config.serverName);
    if (config.alwaysSetRequestIdInResponse) fields.set(names.requestId, this.requestId);
    if (this.version === '2' && (upgraded || (this.head.method === 'CONNECT' && head.status < 300))) head.status = 200;
    if (endStream || fields.has('grpc-status')) this.grpcStatus = grpcStatusLabel(fields.get('grpc-status'));
    if (upgraded || this.head.method === 'CONNECT') {
      // A tunnel has no request timeout; idleness still ends it.
      this.#routeDeadlineMs = 0;
      attempt.reused = false;
    }
    this.#downstream.sendHead(head, endStream);
    if (this.#downstreamBlocked) attempt.stream?.pauseReading();
    if (endStream) this.#complete();
  }

  onUpstreamData(chunk: Buffer, endStream: boolean): void {
    this.#activity++;
    this.bytesSent += chunk.length;
    this.#downstream.sendData(chunk, endStream);
    if (endStream) this.#complete();
  }

  onUpstreamTrailers(trailers: HeaderFields): void {
    this.grpcStatus = grpcStatusLabel(trailers.get('grpc-status'));
    this.#downstream.sendTrailers(trailers);
    this.#complete();
  }

  onUpstreamFailed(attempt: UpstreamRequest, error: ProxyError): void {
    if (this.#finished) return;
    this.#resumeAfterQueue();
    if (!this.#responseStarted && this.#mayRepeat(attempt, error)) {
      if (attempt.host !== null) (this.#tried ??= []).push(attempt.host);
      this.#releaseUpstreamBlock();
      this.#beginAttempt();
      return;
    }
    if (this.#responseStarted) {
      // Too late for an answer of our own: the caller must see that the response is cut.
      this.flag = error.flag;
      this.details = error.details;
      const { manager } = this.#connection;
      manager.stats.resetsSent.increment();
      this.#downstream.reset(error);
      this.#finish(error);
      return;
    }
    this.#reply(error);
  }

  /**
   * A request that met a stale connection, or none, is sent again at no charge: always when it was provably not processed, else only when its method may be repeated
   * (RFC 9110 9.2.2) and the connection had been used before. Never a second POST.
   */
  #mayRepeat(attempt: UpstreamRequest, error: ProxyError): boolean {
    if (this.attempts > maxFreeRetries || !this.#replayable || this.head.upgrade !== '' || this.head.method === 'CONNECT') return false;
    if (error.retry === 'unsent') return attempt.reused || error.flag !== 'UH';
    return error.retry === 'idempotent' && attempt.reused && repeatable.has(this.head.method);
  }

  onUpstreamBlocked(): void {
    if (this.#upstreamBlocked || this.#requestEnded) return;
    this.#upstreamBlocked = true;
    this.#downstream.pauseReading();
  }

  onUpstreamReady(): void {
    this.#resumeAfterQueue();
    this.#releaseUpstreamBlock();
  }

  #releaseUpstreamBlock(): void {
    if (!this.#upstreamBlocked) return;
    this.#upstreamBlocked = false;
    this.#downstream.resumeReading();
  }

  #resumeAfterQueue(): void {
    if (!this.#queuePaused) return;
    this.#queuePaused = false;
    this.#downstream.resumeReading();
  }

  // -- time limits --

  #startRouteDeadline(): void {
    if (this.#routeTimeoutMs > 0) this.#routeDeadlineMs = this.startMs + this.#routeTimeoutMs + (this.bytesReceived > 0 ? this.#connection.context.clock.nowMs() - this.startMs : 0);
    this.#armTimer();
  }

  #armTimer(): void {
    const { wheel, clock } = this.#connection.context;
    let delayMs = this.#idleMs > 0 ? this.#idleMs : Infinity;
    if (this.#routeDeadlineMs > 0 || this.#durationDeadlineMs > 0) {
      const now = clock.nowMs();
      if (this.#routeDeadlineMs > 0) delayMs = Math.min(delayMs, this.#routeDeadlineMs - now);
      if (this.#durationDeadlineMs > 0) delayMs = Math.min(delayMs, this.#durationDeadlineMs - now);
    }
    this.#activitySeen = this.#activity;
    if (delayMs !== Infinity) wheel.arm(this.#timer, Math.max(0, delayMs));
  }

  onTimer(): void {
    if (this.#finished) return;
    const { clock } = this.#connection.context;
    const { stats } = this.#connection.manager;
    const now = clock.nowMs();
    let error: ProxyError | null = null;
    if (this.#durationDeadlineMs > 0 && now >= this.#durationDeadlineMs) {
      error = new ProxyError({ flag: 'UMSDR', source: 'local', details: 'max_duration_timeout', message: 'The request took longer than its maximum duration.', http2Code: 8 });
    } else if (this.#routeDeadlineMs > 0 && now >= this.#routeDeadlineMs) {
      stats.requestTimeouts.increment();
      error = new ProxyError({
        flag: 'UT',
        source: 'upstream',
        details: this.#responseStarted ? 'response_timeout' : 'upstream_response_timeout',
        message: `The service did not answer within ${Math.round(this.#routeTimeoutMs)} ms.`,
        http2Code: 8,
      });
    } else if (this.#activity === this.#activitySeen && this.#idleMs > 0 && this.#routeDeadlineMs === 0) {
      stats.idleTimeouts.increment();
      error = new ProxyError({
        flag: 'SI',
        source: 'local',
        details: 'stream_idle_timeout',
        message: `Nothing was sent in either direction for ${Math.round(this.#idleMs / 1000)} s.`,
        status: this.#requestEnded ? 504 : 408,
        http2Code: 8,
      });
    }
    if (error === null) {
      this.#armTimer();
      return;
    }
    this.#attempt?.cancel(error, now);
    if (!this.#responseStarted) this.#reply(error);
    else {
      this.flag = error.flag;
      this.details = error.details;
      stats.resetsSent.increment();
      this.#downstream.reset(error);
      this.#finish(error);
    }
  }

  // -- ends --

  #complete(): void {
    this.details ||= 'via_upstream';
    const { context } = this.#connection;
    this.#attempt!.finish(context.clock.nowMs(), this.#requestEnded, cutShort);
    this.#finish(null);
  }

  #reply(error: ProxyError): void {
    this.flag = error.flag;
    const service = this.target === null ? this.head.authority : destinationOf(this.target.name);
    const { head, body } = localReply(error, this.head, { route: this.route?.name ?? '', service, requestId: this.requestId });
    this.grpcStatus = grpcStatusLabel(head.fields.get('grpc-status'));
    head.fields.append(names.requestId, this.requestId);
    this.#sendReply(head, error.details, body, error);
  }

  #sendReply(head: ResponseHead, details: string, body: Buffer | null = null, error: ProxyError | null = null): void {
    this.status = head.status;
    this.details = details;
    this.#responseStarted = true;
    this.#downstream.sendHead(head, body === null);
    if (body !== null) {
      this.bytesSent = body.length;
      this.#downstream.sendData(body, true);
    }
    this.#finish(error);
  }

  /** The one end of every stream. */
  #finish(error: ProxyError | null): void {
    if (this.#finished) return;
    this.#finished = true;
    const connection = this.#connection;
    const { manager, context, info } = connection;
    context.wheel.disarm(this.#timer);
    const now = context.clock.nowMs();
    this.#attempt?.cancel(error ?? cutShort, now);
    this.#replay = null;
    const durationMs = now - this.startMs;
    manager.stats.count(this.status, durationMs);
    const metrics = this.#metrics().set(this.version === '2' ? 'http2' : 'http1', this.status, this.grpcStatus, this.flag);
    metrics.requests.value++;
    metrics.duration.record(durationMs);
    metrics.requestBytes.value += this.bytesReceived;
    metrics.responseBytes.value += this.bytesSent;
    if (manager.accessLogs.length > 0) for (const log of manager.accessLogs) log.write(this, info, durationMs);
    connection.streamEnded(this);
  }

  #metrics(): RequestMetrics {
    const { manager, info, context } = this.#connection;
    if (this.target === null) return manager.unroutedMetrics;
    if (this.target.metrics === null) {
      const inbound = info.direction === 'inbound';
      this.target.metrics = new RequestMetrics(context.stats, {
        direction: info.direction,
        source: inbound ? 'unknown' : context.localService,
        destination: inbound ? context.localService : destinationOf(this.target.name),
        route: this.route!.name,
      });
    }
    return this.target.metrics as RequestMetrics;
  }
}

const cutShort = new ProxyError({ flag: 'LR', source: 'local', details: 'request_cut_short', message: 'The response ended before the request was whole.', http2Code: 8 });

function noRoute(head: RequestHead, waiting: boolean): ProxyError {
  const message = waiting ? 'The routes of this listener have not come from the control plane yet.' : `No route matches ${isGrpcRequest(head) ? 'the call' : 'the request'} for host ${JSON.stringify(head.authority.slice(0, 128))}.`;
  return new ProxyError({ flag: 'NR', source: 'local', details: 'route_not_found', message });
}

function appendForwardedFor(fields: HeaderFields, remoteAddress: string): void {
  const address = remoteAddress.slice(0, remoteAddress.lastIndexOf(':'));
  const before = fields.getAll('x-forwarded-for');
  fields.set(names.forwardedFor, before.length === 0 ? address : `${before.join(', ')}, ${address}`);
}

function stripPort(head: RequestHead, localAddress: string | null): void {
  const match = /:(\d+)$/.exec(head.authority);
  if (match === null || (localAddress !== null && !localAddress.endsWith(match[0]))) return;
  head.authority = head.authority.slice(0, -match[0].length);
}

function rewritePrefix(route: RouteEntry, path: string, rewrite: string): string {
  const matched = route.config.match.path;
  return matched.kind === 'regex' ? path : rewrite + path.slice(matched.value.length);
}

function redirectLocation(action: Extract<RouteEntry['config']['action'], { kind: 'redirect' }>, route: RouteEntry, head: RequestHead): string {
  const scheme = action.scheme === '' ? head.scheme : action.scheme;
  const hostOnly = action.host === '' ? head.authority.replace(/:\d+$/, '') : action.host;
  const port = action.port !== 0 ? `:${action.port}` : action.host === '' && action.scheme === '' ? (/:\d+$/.exec(head.authority)?.[0] ?? '') : '';
  let path = action.path !== '' ? action.path : action.prefixRewrite !== '' ? rewritePrefix(route, head.path, action.prefixRewrite) : head.path;
  if (action.stripQuery) path = path.split('?')[0]!;
  return `${scheme}://${hostOnly}${port}${path}`;
}

/** gRPC's timeout header: up to eight digits and a unit. */
function parseGrpcTimeout(value: string | undefined): number | null {
  const match = /^(\d{1,8})([HMSmun])$/.exec(value ?? '');
  if (match === null) return null;
  const unitMs = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 0.001, n: 0.000_001 }[match[2]!]!;
  return Number(match[1]) * unitMs;
}

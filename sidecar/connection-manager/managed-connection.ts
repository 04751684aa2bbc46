/** One downstream connection under a connection manager: its codec, its streams, and the time limits of a connection as such. */
import type { Socket } from 'node:net';
import type { RequestReceiver, ServerConnection, ServerConnectionOwner, ServerStream } from '../codec/codec.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import { Http1ServerConnection } from '../http1/server-connection.ts';
import { Http2ServerConnection } from '../http2/server-connection.ts';
import { type TimerTarget, WheelTimer } from '../runtime/timer-wheel.ts';
import { remakeAfterMs } from '../transport/connection-life.ts';
import { ActiveStream, type StreamConnection } from './active-stream.ts';
import type { HttpConnectionManager } from './http-connection-manager.ts';
import type { DownstreamConnectionInfo, HttpContext } from './http-context.ts';
import { type DetectionOwner, ProtocolDetection } from './protocol-detection.ts';

export class ManagedConnection implements StreamConnection, ServerConnectionOwner, DetectionOwner, TimerTarget {
  readonly manager: HttpConnectionManager;
  readonly context: HttpContext;
  readonly info: DownstreamConnectionInfo;
  readonly #socket: Socket;
  readonly #timer: WheelTimer;
  readonly #startMs: number;
  #protocol: 'http1' | 'http2' = 'http1';
  #codec: ServerConnection | null = null;
  #http1: Http1ServerConnection | null = null;
  #detection: ProtocolDetection | null = null;
  #streams = 0;
  #requests = 0;
  /** Bytes that waited for the peer when the timer looked last and no stream was there. */
  #unreadBytes = 0;
  /** When its last stream ended, or it was taken over. */
  idleSinceMs: number;
  /** It was taken over while the manager drains: it ends after its first answer. */
  #drainsAfterFirst = false;
  #draining = false;
  /** When a connection that drains is looked at: closed if nothing came for the drain timeout. */
  #drainDueMs = Infinity;
  /** When the client is asked for a successor, because certificates end; Infinity: they do not. */
  #remakeDueMs = Infinity;
  #closed = false;

  constructor(manager: HttpConnectionManager, socket: Socket, info: DownstreamConnectionInfo, draining: boolean) {
    const { context, config } = manager;
    this.manager = manager;
    this.context = context;
    this.info = info;
    this.#socket = socket;
    this.#timer = new WheelTimer(this);
    this.#startMs = context.clock.nowMs();
    this.idleSinceMs = this.#startMs;
    this.#drainsAfterFirst = draining;
    const { validUntilWallMs = Infinity } = info;
    if (validUntilWallMs !== Infinity)
      this.#remakeDueMs =
        this.#startMs + remakeAfterMs('server', validUntilWallMs - context.clock.wallMs(), context.random);
    if (config.codec === 'http1' || (config.codec === 'auto' && info.alpn === 'http/1.1'))
      this.onProtocol('http1', null);
    else if (config.codec === 'http2' || info.alpn === 'h2') this.onProtocol('http2', null);
    else this.#detection = new ProtocolDetection(socket, this);
    this.#armTimer(this.#startMs);
  }

  get activeStreams(): number {
    return this.#streams;
  }

  /** A request is in hand, or an answer waits for the kernel to take it. */
  get unfinished(): boolean {
    return this.#streams > 0 || this.#socket.writableLength > 0;
  }

  onProtocol(protocol: 'http1' | 'http2', firstBytes: Buffer | null): void {
    const { manager, context, info } = this;
    const { config, stats, limits } = manager;
    const { clock, wheel } = context;
    const scheme = info.secure ? 'https' : 'http';
    this.#detection = null;
    this.#protocol = protocol;
    if (protocol === 'http1') {
      stats.http1Connections.value++;
      this.#http1 = new Http1ServerConnection(this.#socket, this, limits, {
        scheme,
        wheel,
        acceptHttp10: config.acceptHttp10,
        headTimeoutMs: config.requestHeadersTimeoutMs,
        firstBytes,
      });
      this.#codec = this.#http1;
    } else {
      stats.http2Connections.value++;
      this.#codec = new Http2ServerConnection(this.#socket, this, limits, manager.http2Limits, {
        scheme,
        clock,
        wheel,
        firstBytes,
        allowConnect: config.http2.allowConnect,
        drainTimeoutMs: config.drainTimeoutMs,
        flushTimeoutMs: config.streamIdleTimeoutMs,
      });
    }
    // Streams in the first bytes began while there was no codec here yet.
    if (this.#draining || (this.#drainsAfterFirst && this.#streams > 0)) this.#drainCodec();
  }

  onUndetected(): void {
    this.onClose(null);
  }

  onStream(stream: ServerStream): RequestReceiver {
    this.#streams++;
    this.#requests++;
    const { maxRequestsPerConnection } = this.manager.config;
    if (this.#drainsAfterFirst) this.#drainCodec();
    else if (this.#requests === maxRequestsPerConnection && !this.#draining) {
      this.manager.stats.connectionMaxRequests.value++;
      this.#drainCodec();
    }
    const { latest } = this.manager;
    return new ActiveStream(latest === this.manager ? this : this.#under(latest), stream);
  }

  /** This connection, as its requests see it once its manager was replaced. */
  #under(manager: HttpConnectionManager): StreamConnection {
    const { context, info } = this;
    return { manager, context, info, streamEnded: (nowMs) => this.streamEnded(nowMs) };
  }

  /** A request was refused by the codec, and answered. */
  onCodecError(error: ProxyError): void {
    const { manager } = this;
    manager.stats.protocolErrors.value++;
    manager.stats.begin();
    manager.stats.count(error.status, 0);
    if (error.status === 408) manager.stats.requestTimeouts.value++;
    const metrics = manager
      .metricsOf(null, null, this.info.sourceLabel)
      .set(this.#protocol, error.status, '', error.flag, manager.requestLabels?.valuesOfRefusal(error.status));
    metrics.requests.value++;
    if (metrics.duration !== null) metrics.duration.record(0);
    for (const log of manager.accessLogs) log.writeRefusal(error, this.#protocol, this.info);
  }

  onClose(_error: ProxyError | null): void {
    if (this.#closed) return;
    this.#closed = true;
    this.context.wheel.disarm(this.#timer);
    this.manager.connectionClosed(this);
  }

  /** Told by a stream when it ended. */
  streamEnded(nowMs: number): void {
    this.idleSinceMs = nowMs;
    this.#streams--;
  }

  /**
   * The connection ends after its next answer. An idle HTTP/1 connection, whose client can be told only with an answer, is closed when nothing came for the
   * drain timeout: at once would lose a request that is on its way.
   */
  drain(): void {
    if (this.#draining) return;
    this.#drainCodec();
    this.#armTimer(this.context.clock.nowMs());
  }

  #drainCodec(): void {
    this.#draining = true;
    this.#drainsAfterFirst = false;
    this.#drainDueMs = this.context.clock.nowMs() + this.manager.config.drainTimeoutMs;
    this.#codec?.drain();
  }

  /** Makes room. Bytes of a request that are on their way are lost, as they would be with any connection that is closed by age. */
  closeIdle(): void {
    if (this.#http1 !== null) this.#http1.closeIfIdle();
    else this.#socket.destroy();
  }

  destroy(error: ProxyError): void {
    if (this.#codec !== null) this.#codec.destroy(error);
    else this.#socket.destroy();
  }

  /** One timer per connection, looked at lazily: requests do not touch it. */
  onTimer(): void {
    const { config, stats } = this.manager;
    const now = this.context.clock.nowMs();
    const { connectionIdleTimeoutMs, maxConnectionDurationMs, requestHeadersTimeoutMs } = config;
    if (
      this.#detection !== null &&
      requestHeadersTimeoutMs > 0 &&
      this.#detection.begun &&
      now - this.#startMs >= requestHeadersTimeoutMs
    ) {
      stats.requestTimeouts.value++;
      this.#socket.destroy();
      return;
    }
    if (maxConnectionDurationMs > 0 && now - this.#startMs >= maxConnectionDurationMs && !this.#draining) {
      stats.connectionMaxDurations.value++;
      this.drain();
    }
    if (now >= this.#remakeDueMs && !this.#draining) {
      stats.connectionsRemade.value++;
      this.drain();
    }
    if (now >= this.#drainDueMs) {
      const quietDueMs = (this.#streams > 0 ? now : this.idleSinceMs) + config.drainTimeoutMs;
      if (quietDueMs <= now) {
        if (this.#detection === null) this.#http1?.closeIfIdle();
        else if (!this.#detection.begun) this.#socket.destroy();
      }
      this.#drainDueMs = quietDueMs > now ? quietDueMs : now + config.drainTimeoutMs;
    }
    if (this.#stalled(now)) {
      stats.idleTimeouts.value++;
      this.#socket.destroy();
      return;
    }
    const idle = this.#streams === 0 && now - this.idleSinceMs >= connectionIdleTimeoutMs;
    if (connectionIdleTimeoutMs > 0 && idle && !this.#draining) {
      stats.connectionIdleTimeouts.value++;
      this.drain();
    }
    this.#armTimer(now);
  }

  /** A whole answer lies here that its reader does not take: there is no stream any more whose idleness would end it. */
  #stalled(nowMs: number): boolean {
    const { streamIdleTimeoutMs } = this.manager.config;
    const before = this.#unreadBytes;
    this.#unreadBytes = this.#streams === 0 ? this.#socket.writableLength : 0;
    const unchanged = before > 0 && this.#unreadBytes === before;
    return unchanged && streamIdleTimeoutMs > 0 && nowMs - this.idleSinceMs >= streamIdleTimeoutMs;
  }

  #armTimer(nowMs: number): void {
    if (this.#closed) return;
    const { connectionIdleTimeoutMs, maxConnectionDurationMs, requestHeadersTimeoutMs, streamIdleTimeoutMs } =
      this.manager.config;
    let delayMs = streamIdleTimeoutMs > 0 ? streamIdleTimeoutMs : Infinity;
    if (connectionIdleTimeoutMs > 0 && !this.#draining) {
      const idleSinceMs = this.#streams > 0 ? nowMs : this.idleSinceMs;
      delayMs = Math.min(delayMs, idleSinceMs + connectionIdleTimeoutMs - nowMs);
    }
    if (maxConnectionDurationMs > 0 && !this.#draining)
      delayMs = Math.min(delayMs, this.#startMs + maxConnectionDurationMs - nowMs);
    if (!this.#draining) delayMs = Math.min(delayMs, this.#remakeDueMs - nowMs);
    delayMs = Math.min(delayMs, this.#drainDueMs - nowMs);
    if (this.#detection !== null && requestHeadersTimeoutMs > 0) delayMs = Math.min(delayMs, requestHeadersTimeoutMs);
    if (delayMs !== Infinity) this.context.wheel.arm(this.#timer, Math.max(1, delayMs));
  }
}

/** One downstream connection under a connection manager: its codec, its streams, and the time limits of a connection without requests. */
import type { Socket } from 'node:net';
import type { RequestReceiver, ServerConnection, ServerConnectionOwner, ServerStream } from '../codec/codec.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import { Http1ServerConnection } from '../http1/server-connection.ts';
import { Http2ServerConnection } from '../http2/server-connection.ts';
import { type TimerTarget, WheelTimer } from '../runtime/timer-wheel.ts';
import { ActiveStream } from './active-stream.ts';
import type { DownstreamConnectionInfo, HttpContext } from './http-context.ts';
import type { HttpConnectionManager } from './http-connection-manager.ts';

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export class ManagedConnection implements ServerConnectionOwner, TimerTarget {
  readonly manager: HttpConnectionManager;
  readonly context: HttpContext;
  readonly info: DownstreamConnectionInfo;
  readonly #socket: Socket;
  readonly #timer: WheelTimer;
  #codec: ServerConnection | null = null;
  #draining = false;
  #closed = false;
  /** First bytes of a connection whose protocol is not known yet. */
  #first: Buffer | null = null;
  /** Nothing came yet, or a request's head is under way: the strict limit applies, not the idle one. */
  #waitingForHead = true;
  #streams = 0;

  constructor(manager: HttpConnectionManager, socket: Socket, info: DownstreamConnectionInfo) {
    this.manager = manager;
    this.context = manager.context;
    this.info = info;
    this.#socket = socket;
    this.#timer = new WheelTimer(this);
    const { codec } = manager.config;
    if (codec === 'http1' || info.alpn === 'http/1.1') this.#start('http1', null);
    else if (codec === 'http2' || info.alpn === 'h2') this.#start('http2', null);
    else this.#detect();
    this.#armTimer();
  }

  get activeStreams(): number {
    return this.#streams;
  }

  /** On plaintext the client's first bytes tell: HTTP/2 begins with its preface, and nothing else does. RFC 9113 3.4. */
  #detect(): void {
    const socket = this.#socket;
    const onData = (chunk: Buffer): void => {
      const first = this.#first === null ? chunk : Buffer.concat([this.#first, chunk]);
      const compared = Math.min(first.length, preface.length);
      const isPreface = first.compare(preface, 0, compared, 0, compared) === 0;
      if (isPreface && compared < preface.length) {
        this.#first = first;
        return;
      }
      socket.off('data', onData);
      socket.off('end', onEnd);
      socket.off('close', onClose);
      this.#first = null;
      this.#start(isPreface ? 'http2' : 'http1', first);
    };
    const onEnd = (): void => {
      socket.destroy();
    };
    const onClose = (): void => this.onClose(null);
    socket.on('data', onData);
    socket.on('end', onEnd);
    socket.on('close', onClose);
    socket.on('error', ignoreError);
  }

  #start(protocol: 'http1' | 'http2', firstBytes: Buffer | null): void {
    const { manager, context, info } = this;
    const { config } = manager;
    const scheme = info.secure ? 'https' : 'http';
    if (protocol === 'http1') {
      manager.stats.http1Connections.increment();
      this.#codec = new Http1ServerConnection(this.#socket, this, manager.limits, { scheme, acceptHttp10: config.acceptHttp10, wheel: context.wheel, firstBytes });
    } else {
      manager.stats.http2Connections.increment();
      this.#codec = new Http2ServerConnection(this.#socket, this, manager.limits, manager.http2Limits, {
        scheme,
        firstBytes,
        clock: context.clock,
        wheel: context.wheel,
      });
    }
    if (this.#draining) this.#codec.drain();
  }

  onStream(stream: ServerStream): RequestReceiver {
    this.#streams++;
    this.#waitingForHead = false;
    return new ActiveStream(this, stream);
  }

  onCodecError(error: ProxyError): void {
    const { manager } = this;
    manager.stats.protocolErrors.increment();
    manager.stats.requests.value++;
    manager.stats.requestsActive.value++;
    manager.stats.count(error.status === 0 ? 400 : error.status, 0);
    const metrics = manager.unroutedMetrics.set(this.#codec?.protocol ?? 'http1', error.status, '', error.flag);
    metrics.requests.value++;
    for (const log of manager.accessLogs) log.writeRefusal(error, this.info);
  }

  onClose(_error: ProxyError | null): void {
    if (this.#closed) return;
    this.#closed = true;
    this.context.wheel.disarm(this.#timer);
    this.manager.connectionClosed(this);
  }

  /** Told by a stream when it ended. */
  streamEnded(_stream: ActiveStream): void {
    this.#streams--;
    if (this.#closed) return;
    if (this.#streams === 0) this.#idleSinceMs = this.context.clock.nowMs();
  }

  #idleSinceMs = 0;

  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    if (this.#codec !== null) this.#codec.drain();
    else if (this.#first === null) this.#socket.end();
  }

  destroy(error: ProxyError): void {
    if (this.#codec !== null) this.#codec.destroy(error);
    else this.#socket.destroy();
  }

  #armTimer(): void {
    const { config } = this.manager;
    const limit = this.#waitingForHead && config.requestHeadersTimeoutMs > 0 ? config.requestHeadersTimeoutMs : config.connectionIdleTimeoutMs;
    if (this.#idleSinceMs === 0) this.#idleSinceMs = this.context.clock.nowMs();
    if (limit > 0) this.context.wheel.arm(this.#timer, limit);
  }

  /** One timer per connection, looked at lazily: requests do not touch it. */
  onTimer(): void {
    const { config } = this.manager;
    const now = this.context.clock.nowMs();
    const partialHead = this.#codec instanceof Http1ServerConnection && this.#streams === 0 && !this.#codec.idle;
    if (this.#streams === 0) {
      const idleMs = now - this.#idleSinceMs;
      if (partialHead && config.requestHeadersTimeoutMs > 0 && idleMs >= config.requestHeadersTimeoutMs) {
        this.manager.stats.requestTimeouts.increment();
        this.destroy(slowHead);
        return;
      }
      // A fresh connection that says nothing is as idle as one that has been used.
      if (config.connectionIdleTimeoutMs > 0 && idleMs >= config.connectionIdleTimeoutMs) {
        this.manager.stats.connectionIdleTimeouts.increment();
        this.drain();
        return;
      }
    }
    const step = config.requestHeadersTimeoutMs > 0 ? Math.min(config.requestHeadersTimeoutMs, config.connectionIdleTimeoutMs || Infinity) : config.connectionIdleTimeoutMs;
    if (step > 0) this.context.wheel.arm(this.#timer, step);
  }
}

const slowHead = new ProxyError({ flag: 'DPE', source: 'downstream', details: 'request_header_timeout', message: "The request's head did not come in time.", status: 408 });

function ignoreError(): void {
  // 'close' follows.
}

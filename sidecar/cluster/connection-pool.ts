/**
 * The connections to one host in one protocol, and the requests that wait for one. Idle HTTP/1 connections are taken last in, first out: the
 * youngest is the least likely to be closed by the peer at this moment, and the surplus of a burst grows old and is closed.
 */
import type { ClientConnection } from '../codec/codec.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import type { PooledConnection } from './pooled-connection.ts';
import type { RunningHost } from './running-host.ts';
import type { PendingStream, StreamRequest } from './upstream.ts';

/** What pools of a cluster share: limits, counters, and how to connect. Implemented by RunningCluster. */
export interface PoolContext {
  readonly wheel: TimerWheel;
  nowMs(): number;
  /** Takes a place among the cluster's connections; a host without any may always have one (Envoy). */
  tryOpenConnection(host: RunningHost): boolean;
  /** Takes a place among the cluster's pending requests. */
  tryPend(): boolean;
  unpend(): void;
  connect(pool: ConnectionPool): PooledConnection;
  /** A stream was given to a request. */
  onStreamBegun(host: RunningHost): void;
  onIdleTimeout(): void;
  readonly idleTimeoutMs: number;
  readonly maxRequestsPerConnection: number;
}

/** A request that waits for a connection. */
class Waiting implements PendingStream {
  readonly request: StreamRequest;
  readonly #pool: ConnectionPool;
  done = false;

  constructor(request: StreamRequest, pool: ConnectionPool) {
    this.request = request;
    this.#pool = pool;
  }

  cancel(): void {
    if (!this.done) this.#pool.cancelWaiting(this);
  }
}

const sweepMs = 1_000;

export class ConnectionPool implements TimerTarget {
  readonly host: RunningHost;
  readonly multiplexed: boolean;
  readonly #context: PoolContext;
  /** Every connection that is not gone. */
  readonly connections = new Set<PooledConnection>();
  /** Connections that can take a stream now. HTTP/1: idle ones, oldest first. */
  readonly #available: PooledConnection[] = [];
  #waiting: Waiting[] = [];
  #waitingFrom = 0;
  #connecting = 0;
  #draining = false;
  readonly #sweep: WheelTimer;

  constructor(host: RunningHost, multiplexed: boolean, context: PoolContext) {
    this.host = host;
    this.multiplexed = multiplexed;
    this.#context = context;
    this.#sweep = new WheelTimer(this);
  }

  get waitingCount(): number {
    return this.#waiting.length - this.#waitingFrom;
  }

  /** Gives the request a stream at once, or lets it wait, or fails it. */
  request(request: StreamRequest): PendingStream | null {
    const connection = this.#takeAvailable();
    if (connection !== null) {
      this.#give(connection, request);
      return null;
    }
    const capacity = this.multiplexed ? this.#connecting > 0 : this.#connecting > this.waitingCount;
    const mayConnect = capacity || this.#context.tryOpenConnection(this.host);
    if (!mayConnect && this.connections.size === 0) {
      request.onStreamFailed(overflow('connections'), this.host);
      return null;
    }
    if (!this.#context.tryPend()) {
      request.onStreamFailed(overflow('pending requests'), this.host);
      return null;
    }
    const waiting = new Waiting(request, this);
    this.#waiting.push(waiting);
    if (!capacity && mayConnect) {
      this.#connecting++;
      this.connections.add(this.#context.connect(this));
    }
    return waiting.done ? null : waiting;
  }

  /** No new streams; idle connections close now, others when their streams end. */
  drain(): void {
    this.#draining = true;
    this.#context.wheel.disarm(this.#sweep);
    for (const connection of [...this.connections]) connection.drain();
    this.#available.length = 0;
    if (this.waitingCount > 0) this.#failWaiting(hostRemoved);
  }

  destroy(error: ProxyError): void {
    this.#draining = true;
    this.#context.wheel.disarm(this.#sweep);
    this.#failWaiting(error);
    for (const connection of [...this.connections]) connection.destroy(error);
  }

  // -- told by connections --

  onConnected(connection: PooledConnection): void {
    this.#connecting--;
    if (this.#draining) {
      connection.drain();
      return;
    }
    this.onAvailable(connection);
  }

  onConnectFailed(connection: PooledConnection, error: ProxyError): void {
    this.#connecting--;
    this.connections.delete(connection);
    // As Envoy does: who waits for this host is told now, instead of trying a host that does not answer once for each of them.
    this.#failWaiting(error);
  }

  /** The connection can take a stream (again). */
  onAvailable(connection: PooledConnection): void {
    if (this.#draining) {
      connection.drain();
      return;
    }
    while (this.waitingCount > 0 && connection.canTake()) {
      const next = this.#shiftWaiting();
      if (next !== null) this.#give(connection, next.request);
    }
    if (connection.canTake()) this.#putAvailable(connection);
  }

  onUnavailable(connection: PooledConnection): void {
    this.#removeAvailable(connection);
  }

  onGone(connection: PooledConnection): void {
    this.#removeAvailable(connection);
    this.connections.delete(connection);
    if (this.waitingCount > 0 && !this.#draining && this.#connecting === 0) {
      // Who still waits needs another connection.
      if (this.#context.tryOpenConnection(this.host)) {
        this.#connecting++;
        this.connections.add(this.#context.connect(this));
      } else if (this.connections.size === 0) this.#failWaiting(overflow('connections'));
    }
  }

  cancelWaiting(waiting: Waiting): void {
    waiting.done = true;
    const at = this.#waiting.indexOf(waiting, this.#waitingFrom);
    if (at < 0) return;
    this.#waiting.splice(at, 1);
    this.#context.unpend();
  }

  /** Closes what was idle for too long. */
  onTimer(_timer: WheelTimer): void {
    const now = this.#context.nowMs();
    const limit = this.#idleLimitMs();
    for (const connection of this.#available.slice()) {
      if (connection.activeStreams === 0 && now - connection.idleSinceMs >= limit) {
        this.#context.onIdleTimeout();
        this.#removeAvailable(connection);
        connection.drain();
      }
    }
    if (this.#available.length > 0) this.#armSweep();
  }

  #idleLimitMs(): number {
    const configured = this.#context.idleTimeoutMs === 0 ? Infinity : this.#context.idleTimeoutMs;
    return this.multiplexed ? configured : Math.min(configured, this.host.learnedIdleMs);
  }

  #armSweep(): void {
    const limit = this.#idleLimitMs();
    if (limit !== Infinity) this.#context.wheel.arm(this.#sweep, Math.max(Math.min(limit / 4, 15_000), Math.min(limit, sweepMs)));
  }

  #takeAvailable(): PooledConnection | null {
    const available = this.#available;
    if (this.multiplexed) {
      while (available.length > 0) {
        const connection = available[available.length - 1]!;
        if (connection.canTake()) return connection;
        available.pop();
        connection.listed = false;
      }
      return null;
    }
    for (let connection = available.pop(); connection !== undefined; connection = available.pop()) {
      connection.listed = false;
      // The peer's own idle time may be about to end: a request must not meet a connection that closes.
      if (this.host.learnedIdleMs !== Infinity && this.#context.nowMs() - connection.idleSinceMs >= this.host.learnedIdleMs) {
        this.#context.onIdleTimeout();
        connection.drain();
      } else if (connection.canTake()) return connection;
    }
    return null;
  }

  #putAvailable(connection: PooledConnection): void {
    if (connection.listed) return;
    connection.listed = true;
    this.#available.push(connection);
    if (!this.#sweep.armed) this.#armSweep();
  }

  #removeAvailable(connection: PooledConnection): void {
    if (!connection.listed) return;
    connection.listed = false;
    const at = this.#available.indexOf(connection);
    if (at >= 0) this.#available.splice(at, 1);
  }

  #give(connection: PooledConnection, request: StreamRequest): void {
    this.#context.onStreamBegun(this.host);
    const reused = connection.streamsBegun > 0;
    connection.streamsBegun++;
    const stream = (connection.codec as ClientConnection).newStream(request);
    request.onStreamReady(stream, this.host, reused);
    const most = this.#context.maxRequestsPerConnection;
    if (most > 0 && connection.streamsBegun >= most) connection.drain();
  }

  #shiftWaiting(): Waiting | null {
    const waiting = this.#waiting[this.#waitingFrom];
    if (waiting === undefined) return null;
    this.#waitingFrom++;
    if (this.#waitingFrom > 64 && this.#waitingFrom * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#waitingFrom);
      this.#waitingFrom = 0;
    }
    waiting.done = true;
    this.#context.unpend();
    return waiting;
  }

  #failWaiting(error: ProxyError): void {
    for (let waiting = this.#shiftWaiting(); waiting !== null; waiting = this.#shiftWaiting()) waiting.request.onStreamFailed(error, this.host);
  }
}

/** Envoy: `overflow`, flag UO. */
function overflow(what: string): ProxyError {
  return new ProxyError({ flag: 'UO', source: 'local', details: 'upstream_reset_before_response_started{overflow}', message: `The limit on ${what} of this service was reached.` });
}

const hostRemoved = new ProxyError({
  flag: 'UF',
  source: 'upstream',
  details: 'upstream_reset_before_response_started{connection_failure}',
  message: 'The host was removed before a connection to it was made.',
  retry: 'unsent',
});

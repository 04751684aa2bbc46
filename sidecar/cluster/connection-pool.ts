/**
 * The connections to one host in one protocol, and the requests that wait for one. It asks connections only how many streams they can take, so one pool
 * serves HTTP/1, HTTP/2, and hosts whose protocol ALPN decides.
 *
 * Connections are taken last in, first out: the one used last is the least likely to be closed by the peer at this moment (its idle time began last), and
 * what a burst left over grows old at the bottom and is closed; in turn, all of a burst's connections would be kept alive, each near the end of its idle time.
 *
 * Draining (the host or the cluster is gone from the configuration, or the process ends): connections close when their streams end, idle ones at once.
 * Requests that wait, and late ones that still hold the cluster, are served all the same: nothing fails because of an update.
 */
import type { ClientConnection } from '../codec/codec.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import type { ConnectSource } from '../transport/connect.ts';
import type { Bulkhead } from './bulkhead.ts';
import type { PooledConnection } from './pooled-connection.ts';
import type { RunningHost } from './running-host.ts';
import type { PendingStream, StreamRequest } from './upstream.ts';

/** `auto`: by ALPN, connection by connection. */
export type PoolProtocol = 'http1' | 'http2' | 'auto';

/** What pools of a cluster share: limits, counters, and how to connect. Implemented by RunningCluster. */
export interface PoolContext {
  readonly wheel: TimerWheel;
  /** 0: none. */
  readonly idleTimeoutMs: number;
  /** 0: no limit. */
  readonly maxRequestsPerConnection: number;
  /** 0: no limit. */
  readonly maxConnectionDurationMs: number;
  nowMs(): number;
  /** Takes a place among the cluster's connections; `force`: even beyond the limit. */
  tryOpenConnection(pool: ConnectionPool, force: boolean): boolean;
  /** Begins to connect. What becomes of it is told to the pool, never from inside this call. */
  connect(pool: ConnectionPool): PooledConnection;
  /** Takes a place among the cluster's waiting requests. */
  tryPend(pool: ConnectionPool): boolean;
  unpend(pool: ConnectionPool): void;
  /** Takes a place among the cluster's requests, for a stream that begins. */
  tryBeginRequest(pool: ConnectionPool): boolean;
  onIdleTimeout(): void;
  onMaxRequests(): void;
  onMaxDuration(): void;
  /** `count` requests that waited for `host` were failed; `byHost`: because a connection to it could not be made. */
  onWaitingFailed(host: RunningHost, count: number, byHost: boolean): void;
  onWaitingCancelled(): void;
  /** The pool has neither connections nor waiting requests any more. */
  onPoolEmpty(pool: ConnectionPool): void;
}

/** A request that waits for a connection; a link of the pool's list. */
class Waiting implements PendingStream {
  readonly request: StreamRequest;
  readonly #pool: ConnectionPool;
  next: Waiting | null = null;
  previous: Waiting | null = null;
  done = false;

  constructor(request: StreamRequest, pool: ConnectionPool) {
    this.request = request;
    this.#pool = pool;
  }

  get host(): RunningHost {
    return this.#pool.host;
  }

  cancel(): void {
    if (!this.done) this.#pool.cancelWaiting(this);
  }
}

/** Streams to expect of an HTTP/2 connection before one has told. What most servers allow. */
const usualHttp2Streams = 100;
/** Timers are coarse: never sweep more often than this. */
const shortestSweepMs = 25;
/**
 * How many connections may be on their way to a host at once, until it has shown what it can take: one more for each that came about, half as many when one did not. When a burst asks for hundreds at once from a host that
 * is short of CPU time, none of their TLS handshakes ends in time, and all that work is done again and again. Not in Envoy, which has no such bound.
 */
const firstMostConnecting = 64;
const connectingBounds = { least: 4, most: 512 } as const;

export class ConnectionPool implements TimerTarget {
  readonly host: RunningHost;
  readonly protocol: PoolProtocol;
  /** The cluster's limits for requests of this pool's priority. */
  readonly places: Bulkhead;
  /** Where its connections come from; null: as for all of the cluster. */
  readonly source: ConnectSource | null;
  readonly #context: PoolContext;
  /** Every connection that is not gone, connecting ones too. */
  readonly connections = new Set<PooledConnection>();
  /** Those that can take a stream now, the one used last at the end. */
  readonly #available: PooledConnection[] = [];
  #first: Waiting | null = null;
  #last: Waiting | null = null;
  #waitingCount = 0;
  #connecting = 0;
  #mostConnecting = firstMostConnecting;
  /** Requests wait for whom no connection was asked for because of {@link #mostConnecting}. */
  #heldBack = false;
  /** How many streams a connection is expected to take. */
  #streamsPerConnection: number;
  #draining = false;
  readonly #sweep: WheelTimer;
  #sweepDueMs = 0;

  constructor(
    host: RunningHost,
    protocol: PoolProtocol,
    places: Bulkhead,
    context: PoolContext,
    source: ConnectSource | null = null,
  ) {
    this.host = host;
    this.source = source;
    this.protocol = protocol;
    this.places = places;
    this.#context = context;
    this.#streamsPerConnection = protocol === 'http1' ? 1 : usualHttp2Streams;
    this.#sweep = new WheelTimer(this);
  }

  get waitingCount(): number {
    return this.#waitingCount;
  }

  get empty(): boolean {
    return this.connections.size === 0 && this.#waitingCount === 0;
  }

  /** Gives the request a stream at once (then returns null), or lets it wait, or fails it. */
  request(request: StreamRequest): PendingStream | null {
    const connection = this.#takeAvailable();
    if (connection !== null) {
      // It lay there: it may be stale, even if no request was sent on it yet.
      this.#give(connection, request, true);
      return null;
    }
    if (!this.#context.tryPend(this)) {
      request.onStreamFailed(pendingOverflow, this.host);
      return null;
    }
    const waiting = new Waiting(request, this);
    this.#append(waiting);
    this.#connectForWaiting();
    return waiting;
  }

  /** See the head of this file. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#context.wheel.disarm(this.#sweep);
    for (const connection of this.connections) {
      if (connection.ready || this.#waitingCount === 0) connection.drain();
    }
  }

  /** Connections that are there get successors: they take no more streams and close when theirs end. Requests go on as if nothing were. */
  renewConnections(): void {
    for (const connection of this.connections) if (connection.ready) connection.drain();
  }

  /** Ends the connections that are there, with their streams. Requests that wait, and later ones, are served. */
  closeConnections(error: ProxyError): void {
    for (const connection of this.connections) if (connection.ready) connection.destroy(error);
  }

  /** Ends everything now. */
  destroy(error: ProxyError): void {
    this.#draining = true;
    this.#context.wheel.disarm(this.#sweep);
    this.#failWaiting(error);
    for (const connection of this.connections) connection.destroy(error);
  }

  // -- told by connections --

  onConnected(connection: PooledConnection): void {
    this.#connecting--;
    this.#mostConnecting = Math.min(connectingBounds.most, this.#mostConnecting + 1);
    if (this.protocol !== 'http1') this.#streamsPerConnection = Math.max(1, connection.availableStreams());
    this.onAvailable(connection);
    if (this.#context.maxConnectionDurationMs > 0)
      this.#sweepBy(this.#context.nowMs() + this.#context.maxConnectionDurationMs);
    if (connection.remakeDueMs !== Infinity) this.#sweepBy(connection.remakeDueMs);
    // It may take fewer streams than was expected. In HTTP/1 each request that waits asked for a connection of its own.
    if (this.protocol !== 'http1' || this.#heldBack) this.#connectForWaiting();
  }

  onConnectFailed(connection: PooledConnection, error: ProxyError): void {
    this.#connecting--;
    this.#mostConnecting = Math.max(connectingBounds.least, this.#mostConnecting >>> 1);
    this.connections.delete(connection);
    // As Envoy does: whoever waits for this host is told now; trying a host that does not answer once for each of them would be a storm.
    this.#failWaiting(error);
    if (this.empty) this.#context.onPoolEmpty(this);
  }

  /** The connection can take a stream (again). */
  onAvailable(connection: PooledConnection): void {
    while (this.#first !== null && connection.canTake())
      this.#give(connection, this.#shiftWaiting()!.request, connection.streamsBegun > 0);
    if (this.#draining) connection.drain();
    else if (connection.canTake()) this.#putAvailable(connection);
  }

  onUnavailable(connection: PooledConnection): void {
    this.#removeAvailable(connection);
  }

  onGone(connection: PooledConnection): void {
    this.#removeAvailable(connection);
    this.connections.delete(connection);
    // Who still waits needs another connection.
    if (this.#waitingCount > 0) this.#connectForWaiting();
    else if (this.empty) this.#context.onPoolEmpty(this);
  }

  /** @internal */
  cancelWaiting(waiting: Waiting): void {
    this.#unlink(waiting);
    this.#context.onWaitingCancelled();
    if (!this.#draining || this.#waitingCount > 0) return;
    for (const connection of this.connections) if (!connection.ready) connection.drain();
    if (this.empty) this.#context.onPoolEmpty(this);
  }

  /** Closes connections that were idle for too long or are too old. */
  onTimer(): void {
    const now = this.#context.nowMs();
    const idleLimit = this.#idleLimitMs(now);
    const ageLimit = this.#context.maxConnectionDurationMs || Infinity;
    let next = Infinity;
    for (const connection of this.connections) {
      // One that drains was counted when it began to, and closes behind its last stream.
      if (!connection.ready || connection.draining) continue;
      const idleDue = connection.activeStreams === 0 ? connection.idleSinceMs + idleLimit : Infinity;
      const ageDue = connection.readySinceMs + ageLimit;
      if (ageDue <= now) {
        this.#context.onMaxDuration();
        connection.drain();
      } else if (idleDue <= now) {
        this.#context.onIdleTimeout();
        connection.drain();
      } else if (connection.remakeDueMs <= now) connection.drain();
      else next = Math.min(next, idleDue, ageDue, connection.remakeDueMs);
    }
    if (next !== Infinity) this.#sweepBy(next);
  }

  #idleLimitMs(nowMs: number): number {
    const configured = this.#context.idleTimeoutMs || Infinity;
    // Peers' idle times are an HTTP/1 matter: an HTTP/2 peer says GOAWAY.
    return this.#streamsPerConnection > 1 ? configured : Math.min(configured, this.host.idle.limitMs(nowMs));
  }

  #sweepBy(dueMs: number): void {
    if (this.#draining || (this.#sweep.armed && this.#sweepDueMs <= dueMs)) return;
    this.#sweepDueMs = dueMs;
    this.#context.wheel.arm(this.#sweep, Math.max(dueMs - this.#context.nowMs(), shortestSweepMs));
  }

  #takeAvailable(): PooledConnection | null {
    const available = this.#available;
    for (let connection = available.pop(); connection !== undefined; connection = available.pop()) {
      connection.listed = false;
      if (!connection.canTake()) continue;
      if (connection.activeStreams > 0 || this.host.idle.empty) return connection;
      // The peer's idle time may be about to end, and the sweep is coarse.
      const now = this.#context.nowMs();
      if (now - connection.idleSinceMs < this.#idleLimitMs(now)) return connection;
      this.#context.onIdleTimeout();
      connection.drain();
    }
    return null;
  }

  #putAvailable(connection: PooledConnection): void {
    if (connection.listed) return;
    connection.listed = true;
    this.#available.push(connection);
    if (connection.activeStreams > 0) return;
    const limit = this.#idleLimitMs(connection.idleSinceMs);
    if (limit !== Infinity) this.#sweepBy(connection.idleSinceMs + limit);
  }

  #removeAvailable(connection: PooledConnection): void {
    if (!connection.listed) return;
    connection.listed = false;
    const at = this.#available.lastIndexOf(connection);
    if (at >= 0) this.#available.splice(at, 1);
  }

  /** `connection` can take a stream and is not listed. `reused`: it was there before the request. */
  #give(connection: PooledConnection, request: StreamRequest, reused: boolean): void {
    if (!this.#context.tryBeginRequest(this)) {
      this.#putAvailable(connection);
      request.onStreamFailed(requestOverflow, this.host);
      return;
    }
    connection.streamsBegun++;
    const stream = (connection.codec as ClientConnection).newStream(request);
    const most = this.#context.maxRequestsPerConnection;
    const last = most > 0 && connection.streamsBegun >= most;
    request.onStreamReady(stream, this.host, reused);
    if (last) {
      this.#context.onMaxRequests();
      connection.drain();
    } else if (connection.canTake()) this.#putAvailable(connection);
  }

  /** Opens as many connections as those that wait will need, as far as the limit goes. */
  #connectForWaiting(): void {
    this.#heldBack = false;
    while (this.#waitingCount > this.#connecting * this.#streamsPerConnection) {
      if (this.#connecting >= this.#mostConnecting) {
        this.#heldBack = true;
        return;
      }
      if (!this.#context.tryOpenConnection(this, this.connections.size === 0)) return;
      this.#connecting++;
      this.connections.add(this.#context.connect(this));
    }
  }

  #append(waiting: Waiting): void {
    waiting.previous = this.#last;
    if (this.#last === null) this.#first = waiting;
    else this.#last.next = waiting;
    this.#last = waiting;
    this.#waitingCount++;
  }

  #unlink(waiting: Waiting): void {
    if (waiting.previous === null) this.#first = waiting.next;
    else waiting.previous.next = waiting.next;
    if (waiting.next === null) this.#last = waiting.previous;
    else waiting.next.previous = waiting.previous;
    waiting.next = null;
    waiting.previous = null;
    waiting.done = true;
    this.#waitingCount--;
    this.#context.unpend(this);
  }

  #shiftWaiting(): Waiting | null {
    const waiting = this.#first;
    if (waiting !== null) this.#unlink(waiting);
    return waiting;
  }

  /** Fails who waits now; who begins to wait meanwhile (a retry of one of them) is not among them. */
  #failWaiting(error: ProxyError): void {
    const count = this.#waitingCount;
    if (count > 0) this.#context.onWaitingFailed(this.host, count, error.source === 'upstream');
    const last = this.#last;
    for (let waiting = this.#shiftWaiting(); waiting !== null; waiting = this.#shiftWaiting()) {
      waiting.request.onStreamFailed(error, this.host);
      if (waiting === last) return;
    }
  }
}

/** Envoy: `overflow`, flag UO. Nothing was sent; but trying again at once is what the limit is against. */
const pendingOverflow = new ProxyError({
  flag: 'UO',
  source: 'local',
  details: 'upstream_reset_before_response_started{overflow}',
  message: 'Too many requests wait for a connection to this service (max_pending_requests).',
});

export const requestOverflow = new ProxyError({
  flag: 'UO',
  source: 'local',
  details: 'upstream_reset_before_response_started{overflow}',
  message: 'Too many requests to this service are in flight (max_requests).',
});

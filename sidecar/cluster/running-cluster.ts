/** A cluster that runs: its hosts, balancer, pools, limits and statistics. Lives as long as its name and configuration object do. */
import type { Socket } from 'node:net';
import type { ClientConnection, ClientConnectionOwner } from '../codec/codec.ts';
import { defaultHttp2Limits, type Http2Limits, type HttpLimits } from '../codec/limits.ts';
import type { HttpVersion } from '../codec/message-head.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import type { ClusterConfig, LoadAssignmentConfig } from '../config/cluster-config.ts';
import { Http1ClientConnection } from '../http1/client-connection.ts';
import { Http2ClientConnection } from '../http2/client-connection.ts';
import type { Clock, Random } from '../runtime/clock.ts';
import type { TimerWheel } from '../runtime/timer-wheel.ts';
import type { StatStore } from '../stats/stat-store.ts';
import type { ConnectTarget } from '../transport/connect.ts';
import { ClusterStats } from './cluster-stats.ts';
import { ConnectionPool, type PoolContext } from './connection-pool.ts';
import { HostSet } from './host-set.ts';
import { createLoadBalancer, type LoadBalancer } from './load-balancer.ts';
import { PooledConnection } from './pooled-connection.ts';
import type { RunningHost } from './running-host.ts';
import type { Cluster, Host, LoadBalancerContext, PendingStream, StreamRequest } from './upstream.ts';

export interface ClusterContext {
  readonly stats: StatStore;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
}

export class RunningCluster implements Cluster, PoolContext {
  readonly config: ClusterConfig;
  readonly hosts = new HostSet();
  readonly stats: ClusterStats;
  readonly wheel: TimerWheel;
  readonly idleTimeoutMs: number;
  readonly maxRequestsPerConnection: number;
  readonly #clock: Clock;
  readonly #balance: LoadBalancer;
  readonly #limits: HttpLimits;
  readonly #http2Limits: Http2Limits;
  /** TLS sessions by host address, for resumption under this very configuration. */
  readonly #sessions = new Map<string, Buffer>();
  #assignment: LoadAssignmentConfig | null = null;
  #connections = 0;
  #pending = 0;
  #requests = 0;
  #retries = 0;
  #draining = false;

  constructor(config: ClusterConfig, context: ClusterContext) {
    this.config = config;
    this.wheel = context.wheel;
    this.#clock = context.clock;
    this.stats = new ClusterStats(context.stats, config.statName);
    this.idleTimeoutMs = config.idleTimeoutMs;
    this.maxRequestsPerConnection = config.maxRequestsPerConnection;
    this.#balance = createLoadBalancer(config.loadBalancing, context.random);
    this.#limits = Object.freeze({
      maxHeadBytes: config.maxHeadBytes,
      maxFields: config.maxFields,
      highWatermarkBytes: Math.min(config.bufferLimitBytes, 256 * 1024),
      lowWatermarkBytes: Math.min(config.bufferLimitBytes, 256 * 1024) / 4,
    });
    this.#http2Limits = Object.freeze({ ...defaultHttp2Limits, ...config.http2 });
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** What it holds at this moment, for dumps. */
  get use(): { readonly connections: number; readonly pending: number; readonly requests: number; readonly retries: number } {
    return { connections: this.#connections, pending: this.#pending, requests: this.#requests, retries: this.#retries };
  }

  /** New endpoints; null: none are known yet. The same object again changes nothing. */
  setAssignment(assignment: LoadAssignmentConfig | null): void {
    if (assignment === this.#assignment) return;
    this.#assignment = assignment;
    const { added, removed } = this.hosts.update(assignment, this.config.panicThresholdPercent);
    for (const host of removed) {
      host.http1Pool?.drain();
      host.http2Pool?.drain();
      this.#sessions.delete(host.address);
    }
    if (added.length + removed.length > 0) this.stats.membershipChanges.increment();
    this.stats.membership.set(this.hosts.byAddress.size);
    this.stats.membershipHealthy.set(this.hosts.healthyCount);
  }

  requestStream(request: StreamRequest, context: LoadBalancerContext, downstreamVersion: HttpVersion): PendingStream | null {
    if (this.#requests >= this.config.limits.maxRequests) {
      this.stats.pendingOverflow.increment();
      request.onStreamFailed(requestOverflow, null);
      return null;
    }
    const host = this.#chooseHost(context);
    if (host === null) {
      this.stats.noHealthyHost.increment();
      request.onStreamFailed(noHealthyHost, null);
      return null;
    }
    return this.#pool(host, downstreamVersion).request(request);
  }

  #chooseHost(context: LoadBalancerContext): RunningHost | null {
    let host = this.#balance(this.hosts);
    const { triedHosts } = context;
    if (host === null || triedHosts === null || this.hosts.choices.length < 2) return host;
    for (let again = 0; again < 5 && host !== null && triedHosts.includes(host); again++) host = this.#balance(this.hosts);
    return host;
  }

  #pool(host: RunningHost, downstreamVersion: HttpVersion): ConnectionPool {
    const { protocol } = this.config;
    const http2 = protocol === 'http2' || ((protocol === 'same-as-downstream' || protocol === 'auto') && downstreamVersion === '2');
    if (http2) return (host.http2Pool ??= new ConnectionPool(host, true, this));
    return (host.http1Pool ??= new ConnectionPool(host, false, this));
  }

  onResponse(host: Host, status: number, durationMs: number): void {
    const running = host as RunningHost;
    this.#requests--;
    this.stats.requestsActive.value--;
    running.activeRequests--;
    if (status === 0) {
      this.stats.resets.value++;
      running.errors++;
      return;
    }
    this.stats.countStatus(status);
    this.stats.requestTime.record(durationMs);
    if (status >= 500) running.errors++;
    else running.successes++;
  }

  tryBeginRetry(): boolean {
    if (this.#retries >= this.config.limits.maxRetries) {
      this.stats.retryOverflow.increment();
      return false;
    }
    this.#retries++;
    this.stats.retries.increment();
    return true;
  }

  endRetry(): void {
    this.#retries--;
  }

  /** No new connections or waiting requests; what runs goes on. */
  drain(): void {
    this.#draining = true;
    for (const host of this.hosts.byAddress.values()) {
      host.http1Pool?.drain();
      host.http2Pool?.drain();
    }
  }

  destroy(error: ProxyError): void {
    for (const host of this.hosts.byAddress.values()) {
      host.http1Pool?.destroy(error);
      host.http2Pool?.destroy(error);
    }
  }

  // -- what pools ask (PoolContext) --

  nowMs(): number {
    return this.#clock.nowMs();
  }

  tryOpenConnection(host: RunningHost): boolean {
    if (this.#connections >= this.config.limits.maxConnections && host.activeConnections > 0) {
      this.stats.connectionOverflow.increment();
      return false;
    }
    this.#connections++;
    host.activeConnections++;
    host.totalConnections++;
    this.stats.connections.increment();
    this.stats.connectionsActive.increment();
    return true;
  }

  tryPend(): boolean {
    if (this.#pending >= this.config.limits.maxPendingRequests) {
      this.stats.pendingOverflow.increment();
      return false;
    }
    this.#pending++;
    this.stats.pending.increment();
    this.stats.pendingActive.increment();
    return true;
  }

  unpend(): void {
    this.#pending--;
    this.stats.pendingActive.decrement();
  }

  connect(pool: ConnectionPool): PooledConnection {
    const connection = new PooledConnection(pool, this);
    connection.start();
    return connection;
  }

  onStreamBegun(host: RunningHost): void {
    this.#requests++;
    this.stats.requests.value++;
    this.stats.requestsActive.value++;
    host.activeRequests++;
    host.totalRequests++;
  }

  onIdleTimeout(): void {
    this.stats.idleTimeouts.increment();
  }

  // -- what connections ask --

  connectTarget(pool: ConnectionPool): ConnectTarget {
    const { tls, connectTimeoutMs, protocol } = this.config;
    const { host, port, address } = pool.host;
    let alpn: readonly string[] = [];
    if (tls !== null) alpn = tls.alpn.length > 0 ? tls.alpn : pool.multiplexed ? ['h2'] : protocol === 'auto' ? ['h2', 'http/1.1'] : ['http/1.1'];
    return { host, port, tls, alpn, session: this.#sessions.get(address) ?? null, timeoutMs: connectTimeoutMs, wheel: this.wheel };
  }

  createCodec(socket: Socket, _alpn: string, multiplexed: boolean, owner: ClientConnectionOwner): ClientConnection {
    if (multiplexed) return new Http2ClientConnection(socket, owner, this.#limits, this.#http2Limits, { clock: this.#clock, wheel: this.wheel });
    return new Http1ClientConnection(socket, owner, this.#limits);
  }

  onConnectionReady(codec: ClientConnection): void {
    if (codec.protocol === 'http2') this.stats.http2Connections.increment();
    else this.stats.http1Connections.increment();
    if (this.config.tls !== null) this.stats.tlsHandshakes.increment();
  }

  onConnectionGone(host: RunningHost): void {
    this.#connections--;
    host.activeConnections--;
    this.stats.connectionsActive.decrement();
    this.stats.connectionsDestroyed.increment();
  }

  onConnectFailed(host: RunningHost, reason: 'refused' | 'timeout' | 'tls'): void {
    host.connectFailures++;
    this.stats.connectFailures.increment();
    if (reason === 'timeout') this.stats.connectTimeouts.increment();
    if (reason === 'tls') this.stats.tlsErrors.increment();
    this.#sessions.delete(host.address);
  }

  keepSession(host: RunningHost, session: Buffer): void {
    if (this.hosts.byAddress.has(host.address)) this.#sessions.set(host.address, session);
  }
}

const noHealthyHost = new ProxyError({ flag: 'UH', source: 'local', details: 'no_healthy_upstream', message: 'No healthy host of this service is known.', retry: 'unsent' });

const requestOverflow = new ProxyError({
  flag: 'UO',
  source: 'local',
  details: 'upstream_reset_before_response_started{overflow}',
  message: 'The limit on requests of this service was reached.',
});

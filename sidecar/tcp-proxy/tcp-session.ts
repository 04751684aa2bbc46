/**
 * One proxied connection, from the choice of its cluster to its end, which comes exactly once, in #finish, which counts and logs.
 *
 *   start ─▶ connecting ─▶ connected ─▶ joined (two pipes) ─▶ both sides closed ─▶ #finish
 *                │  ▲          │            ▲
 *                │  └ retry    └─ take ─────┘        failed: the caller is cut ─▶ #finish
 *
 * Its downstream may come later than its upstream: where a caller is silent, the upstream is connected to first, and is heard when it speaks first (Race).
 */
import type { Socket } from 'node:net';
import type { LoggedConnection } from '../access-log/log-record.ts';
import type { Host, TcpRequest, TcpUpstream } from '../cluster/upstream.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import type { DownstreamConnectionInfo } from '../connection-manager/http-context.ts';
import type { Race, RaceOwner } from '../listener/race.ts';
import type { IdleConnection } from '../listener/running-listener.ts';
import { type TimerTarget, WheelTimer } from '../runtime/timer-wheel.ts';
import { Pipe, type PipeOwner } from './pipe.ts';
import type { TcpProxy } from './tcp-proxy.ts';
import type { TcpMetrics } from './tcp-stats.ts';

export class TcpSession implements TcpRequest, Race, PipeOwner, TimerTarget, LoggedConnection, IdleConnection {
  readonly #proxy: TcpProxy;
  readonly #info: DownstreamConnectionInfo;
  readonly #raceOwner: RaceOwner | null;
  readonly #startMs: number;
  readonly #timer: WheelTimer;
  readonly clusterName: string;
  #metrics: TcpMetrics | null = null;
  #pending: { cancel(): void } | null = null;
  #downstream: Socket | null = null;
  #upstream: TcpUpstream | null = null;
  #toUpstream: Pipe | null = null;
  #toDownstream: Pipe | null = null;
  #lastEnded: Pipe | null = null;
  /** Of the upstream, before the downstream is there. */
  #heardFirst: Buffer | null = null;
  #upstreamEnded = false;
  /** What was read of the downstream before it came here, and whether that was all. */
  #first: Buffer | null = null;
  #firstIsAll = false;
  #triedHosts: Host[] | null = null;
  #failure: ProxyError | null = null;
  #upstreamError = '';
  #downstreamError = '';
  #upstreamClosed = false;
  #downstreamClosed = false;
  #flushing = false;
  #abandoned = false;
  #finished = false;
  #lastMovedMs: number;
  // What the log is told.
  flag = '';
  details = '';
  attempts = 0;
  upstreamHost = '';
  policy = '';
  dryRunDeniedBy = '';
  metadata: ReadonlyMap<string, unknown> | null = null;

  /** `raceOwner`: who has the downstream until it is known that it belongs here; null: `take` follows at once. */
  constructor(proxy: TcpProxy, info: DownstreamConnectionInfo, raceOwner: RaceOwner | null) {
    this.#proxy = proxy;
    this.#info = info;
    this.#raceOwner = raceOwner;
    this.#startMs = proxy.clock.nowMs();
    this.#lastMovedMs = this.#startMs;
    this.#timer = new WheelTimer(this);
    this.clusterName = proxy.chooseCluster();
  }

  get bytesReceived(): number {
    return this.#toUpstream === null ? 0 : this.#toUpstream.bytes;
  }

  get bytesSent(): number {
    return this.#toDownstream === null ? 0 : this.#toDownstream.bytes;
  }

  /** Connects. The owner may be told at once. */
  start(): void {
    const { wheel, config } = this.#proxy;
    const { idleTimeoutMs, maxConnectionDurationMs } = config;
    const delayMs = Math.min(idleTimeoutMs || Infinity, maxConnectionDurationMs || Infinity);
    if (delayMs !== Infinity) wheel.arm(this.#timer, delayMs);
    this.#connect();
  }

  #connect(): void {
    const cluster = this.#proxy.clusters.cluster(this.clusterName);
    if (cluster?.requestTcp === undefined) {
      this.#proxy.stats.noRoute.value++;
      this.#fail(noCluster(this.clusterName));
      return;
    }
    this.attempts++;
    const { origin = null } = this.#info;
    const pending = cluster.requestTcp(this, { triedHosts: this.#triedHosts, origin });
    if (this.#failure === null && this.#upstream === null) this.#pending = pending;
  }

  // -- told by the cluster --

  onTcpReady(upstream: TcpUpstream): void {
    const { socket } = upstream;
    this.#pending = null;
    this.#upstream = upstream;
    this.upstreamHost = upstream.host.address;
    socket.on('error', this.#onUpstreamError);
    socket.on('close', this.#onUpstreamClose);
    if (this.#downstream !== null) {
      this.#join();
      return;
    }
    socket.on('data', this.#onHeard);
    socket.on('end', this.#onHeardEnd);
  }

  onTcpFailed(error: ProxyError, host: Host | null): void {
    this.#pending = null;
    if (host !== null) this.upstreamHost = host.address;
    if (error.flag !== 'UF' || error.source !== 'upstream') {
      this.#fail(error);
      return;
    }
    if (this.attempts < this.#proxy.config.maxConnectAttempts) {
      if (host !== null) (this.#triedHosts ??= []).push(host);
      this.#connect();
      return;
    }
    this.#proxy.countAttemptsExceeded(this.clusterName);
    this.#fail(error, 'UF,URX');
  }

  onTcpCut(error: ProxyError): void {
    this.#cut(error.flag, error.details);
  }

  // -- before the downstream is here --

  readonly #onHeard = (chunk: Buffer): void => {
    const { socket } = this.#upstream!;
    socket.off('data', this.#onHeard);
    socket.pause();
    this.#heardFirst = chunk;
    this.#raceOwner!.onUpstreamFirst();
  };

  readonly #onHeardEnd = (): void => {
    this.#upstreamEnded = true;
    // With bytes it has been told.
    if (this.#heardFirst === null) this.#raceOwner!.onUpstreamFirst();
  };

  take(socket: Socket, first: Buffer | null, ended: boolean): void {
    const { stats, sessions } = this.#proxy;
    sessions.add(this);
    stats.connections.value++;
    this.#metrics = this.#proxy.metricsFor(this.#info, this.clusterName);
    this.#metrics.opened.value++;
    this.#downstream = socket;
    this.#first = first;
    this.#firstIsAll = ended;
    socket.on('error', this.#onDownstreamError);
    socket.on('close', this.#onDownstreamClose);
    if (this.#failure !== null) this.#cutDownstream();
    else if (this.#upstream !== null && !this.#upstreamClosed) this.#join();
    else if (this.#upstreamClosed) this.#cut('', 'upstream_remote_disconnect');
    // Nothing is read of it before there is somebody to have it.
    else socket.pause();
  }

  abandon(): void {
    if (this.#abandoned || this.#finished) return;
    this.#abandoned = true;
    this.#proxy.wheel.disarm(this.#timer);
    this.#pending?.cancel();
    this.#pending = null;
    this.#upstream?.socket.destroy();
  }

  // -- joined --

  #join(): void {
    const upstream = this.#upstream!.socket;
    const downstream = this.#downstream!;
    const { downstreamLimitBytes, upstreamLimitBytes } = this.#proxy.watermarks(this.clusterName);
    const toUpstream = new Pipe(downstream, upstream, this, upstreamLimitBytes);
    const toDownstream = new Pipe(upstream, downstream, this, downstreamLimitBytes);
    this.#toUpstream = toUpstream;
    this.#toDownstream = toDownstream;
    this.#lastMovedMs = this.#proxy.clock.nowMs();
    const heard = this.#heardFirst;
    const first = this.#first;
    this.#heardFirst = null;
    this.#first = null;
    upstream.off('data', this.#onHeard);
    upstream.off('end', this.#onHeardEnd);
    toDownstream.start(heard, this.#upstreamEnded);
    toUpstream.start(first, this.#firstIsAll);
  }

  onMoved(pipe: Pipe, bytes: number): void {
    const { stats, clock } = this.#proxy;
    this.#lastMovedMs = clock.nowMs();
    if (pipe === this.#toUpstream) {
      stats.receivedBytes.value += bytes;
      this.#metrics!.receivedBytes.value += bytes;
    } else {
      stats.sentBytes.value += bytes;
      this.#metrics!.sentBytes.value += bytes;
    }
  }

  /** Both sides are there, and nothing waits for either. */
  get rests(): boolean {
    if (this.#finished || this.#toUpstream === null || this.#upstreamClosed || this.#downstreamClosed) return false;
    return this.#toUpstream.to.writableLength === 0 && this.#toDownstream!.to.writableLength === 0;
  }

  /** When something was handed on last. */
  get idleSinceMs(): number {
    return this.#lastMovedMs;
  }

  /** To make room for others. */
  closeIdle(): void {
    this.#cut('LR', 'closed_to_make_room');
  }

  onPaused(pipe: Pipe): void {
    if (pipe === this.#toUpstream) this.#proxy.stats.pausedReading.value++;
  }

  onResumed(pipe: Pipe): void {
    if (pipe === this.#toUpstream) this.#proxy.stats.resumedReading.value++;
  }

  onEnded(pipe: Pipe): void {
    this.#lastEnded = pipe;
  }

  // -- ends --

  readonly #onUpstreamError = (error: NodeJS.ErrnoException): void => {
    this.#upstreamError = error.code ?? error.message;
  };

  readonly #onDownstreamError = (error: NodeJS.ErrnoException): void => {
    this.#downstreamError = error.code ?? error.message;
  };

  readonly #onUpstreamClose = (): void => {
    this.#upstreamClosed = true;
    const wasReset = this.#upstreamError !== '' && !this.#downstreamClosed;
    // Who ends last closes the connection (Envoy).
    const bothEnded = this.#toUpstream?.ended === true && this.#toDownstream!.ended;
    this.#upstream!.closed(bothEnded ? this.#lastEnded === this.#toDownstream : wasReset);
    if (wasReset && this.flag === '') {
      this.flag = 'UR';
      this.details = 'upstream_reset';
    }
    if (this.#flushing) this.#proxy.stats.upstreamFlushesActive.value--;
    this.#flushing = false;
    if (this.#abandoned) return;
    const downstream = this.#downstream;
    if (downstream === null) {
      if (this.#heardFirst === null && !this.#upstreamEnded) this.#raceOwner!.onRaceFailed();
      return;
    }
    if (!this.#downstreamClosed) this.#endAfter(downstream, this.#toDownstream, this.#upstreamError);
    this.#finishIfClosed();
  };

  readonly #onDownstreamClose = (): void => {
    this.#downstreamClosed = true;
    this.#pending?.cancel();
    this.#pending = null;
    const upstream = this.#upstream?.socket ?? null;
    if (upstream !== null && !this.#upstreamClosed) {
      this.#endAfter(upstream, this.#toUpstream, this.#downstreamError);
      if (!upstream.destroyed && upstream.writableLength > 0) {
        this.#flushing = true;
        this.#proxy.stats.upstreamFlushes.value++;
        this.#proxy.stats.upstreamFlushesActive.value++;
      }
    }
    this.#finishIfClosed();
  };

  /** The other side of `socket` is gone. What it said to its end is brought to `socket`; if it was reset, `socket` is too. */
  #endAfter(socket: Socket, pipe: Pipe | null, error: string): void {
    if (pipe?.ended === true) socket.destroySoon();
    else if (error === '') socket.destroy();
    else reset(socket);
  }

  /** Both sides end now. */
  #cut(flag: string, details: string): void {
    if (this.#finished) return;
    this.flag = flag;
    this.details = details;
    this.#upstream?.socket.destroy();
    this.#downstream?.destroy();
  }

  #fail(error: ProxyError, flags: string = error.flag): void {
    this.#failure = error;
    this.flag = flags;
    this.details = error.details;
    this.#proxy.log.debug(`tcp ${this.#proxy.config.statPrefix}: ${this.#info.remoteAddress}: ${error.message}`);
    if (this.#downstream !== null) this.#cutDownstream();
    else this.#raceOwner?.onRaceFailed();
  }

  /** As if nobody had listened: it is not to take the end for an answer. */
  #cutDownstream(): void {
    if (this.#downstreamClosed) return;
    reset(this.#downstream!);
  }

  /** It may not be. Instead of start. */
  refuse(error: ProxyError): void {
    this.#fail(error);
  }

  /** The proxy or the listener is no more. */
  destroy(error: ProxyError): void {
    this.#pending?.cancel();
    this.#pending = null;
    this.#cut(error.flag, error.details);
  }

  #finishIfClosed(): void {
    if (this.#finished || !this.#downstreamClosed) return;
    if (this.#upstream !== null && !this.#upstreamClosed) return;
    this.#finished = true;
    const proxy = this.#proxy;
    proxy.wheel.disarm(this.#timer);
    proxy.sessions.delete(this);
    this.#metrics!.closed(this.flag);
    const durationMs = proxy.clock.nowMs() - this.#startMs;
    for (const log of proxy.accessLogs) log.writeConnection(this, this.#info, durationMs);
  }

  /** One timer, looked at lazily: bytes do not touch it. */
  onTimer(): void {
    const { clock, wheel, config, stats } = this.#proxy;
    const { idleTimeoutMs, maxConnectionDurationMs } = config;
    const now = clock.nowMs();
    if (maxConnectionDurationMs > 0 && now - this.#startMs >= maxConnectionDurationMs) {
      stats.maxDurations.value++;
      this.#timeOver('DT', 'max_duration_timeout');
      return;
    }
    if (idleTimeoutMs > 0 && now - this.#lastMovedMs >= idleTimeoutMs) {
      stats.idleTimeouts.value++;
      this.#timeOver('', 'idle_timeout');
      return;
    }
    const idleMs = idleTimeoutMs > 0 ? this.#lastMovedMs + idleTimeoutMs - now : Infinity;
    const durationMs = maxConnectionDurationMs > 0 ? this.#startMs + maxConnectionDurationMs - now : Infinity;
    wheel.arm(this.#timer, Math.max(1, Math.min(idleMs, durationMs)));
  }

  #timeOver(flag: string, details: string): void {
    this.#pending?.cancel();
    this.#pending = null;
    if (this.#downstream !== null) {
      this.#cut(flag, details);
      return;
    }
    this.abandon();
    this.#raceOwner!.onRaceOver();
  }
}

/** By RST, where the socket can: TLS and Unix sockets close. */
function reset(socket: Socket): void {
  if ((socket as { encrypted?: boolean }).encrypted === true || socket.remoteAddress === undefined) socket.destroy();
  else socket.resetAndDestroy();
}

function noCluster(name: string): ProxyError {
  return new ProxyError({
    flag: 'NC',
    source: 'local',
    details: 'cluster_not_found',
    message: `There is no cluster ${JSON.stringify(name)}.`,
  });
}

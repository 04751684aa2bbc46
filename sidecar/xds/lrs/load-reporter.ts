/**
 * Reports load (LRS, `cluster_manager.load_stats_config`): says who this is, hears what is wanted and how often, and tells it, for as long as the stream lives; then it comes back. Loaded only where a bootstrap asks for it.
 *
 *   connect ─▶ hello ─▶ (wish ─▶ report ─▶ report …) ─▶ end ─▶ pause ─▶ connect
 *
 * A peer that does not read gets no more: what it misses is in the next report that it takes, so nothing piles up here.
 */
import { LoadCounts, type RunningClusters } from '../../cluster/load-counts.ts';
import type { ClusterLookup } from '../../cluster/upstream.ts';
import type { GrpcSourceConfig, NodeConfig } from '../../config/bootstrap-config.ts';
import { GrpcCall, type GrpcCallOwner, type GrpcStatus } from '../../grpc/grpc-call.ts';
import type { Clock, Random } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../../runtime/timer-wheel.ts';
import type { Counter, StatStore } from '../../stats/stat-store.ts';
import { maxBackoffMs, reconnectDelayMs } from '../reconnect-delay.ts';
import { decodeWish, encodeHello, encodeReport, type LoadWish, loadStatsPath } from './load-message.ts';

export interface LoadReporterInit {
  readonly source: GrpcSourceConfig;
  readonly node: NodeConfig;
  readonly clusters: ClusterLookup & RunningClusters;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log: Log;
  readonly stats: StatStore;
}

/** Of a list of clusters. */
const maxMessageBytes = 1024 * 1024;
/** gRPC's code of a server that does not have the service: it will not have it soon either. */
const unimplemented = 12;
const unimplementedPauseMs = 10 * 60_000;

export class LoadReporter implements GrpcCallOwner, TimerTarget {
  readonly #init: LoadReporterInit;
  readonly #counts: LoadCounts;
  readonly #reportTimer: WheelTimer;
  readonly #reconnectTimer: WheelTimer;
  /** Envoy's `load_reporter.*`. */
  readonly #responses: Counter;
  readonly #errors: Counter;
  #call: GrpcCall | null = null;
  #wish: LoadWish | null = null;
  #openedMs = 0;
  #reportedMs = 0;
  #answered = false;
  #failures = 0;
  #closed = false;

  constructor(init: LoadReporterInit) {
    this.#init = init;
    this.#counts = new LoadCounts(init.clusters);
    this.#reportTimer = new WheelTimer(this);
    this.#reconnectTimer = new WheelTimer(this);
    this.#responses = init.stats.counter('load_reporter.responses');
    this.#errors = init.stats.counter('load_reporter.errors');
  }

  start(): void {
    if (this.#closed || this.#call !== null) return;
    const { source, clusters, node, clock } = this.#init;
    const { clusterName, authority, initialMetadata: metadata } = source;
    this.#openedMs = clock.nowMs();
    this.#answered = false;
    const cluster = clusters.cluster(clusterName);
    if (cluster === undefined) {
      this.onEnd({ code: 14, message: `there is no cluster ${clusterName}` });
      return;
    }
    const call = new GrpcCall({ cluster, path: loadStatsPath, authority, metadata, maxMessageBytes, clock }, this);
    this.#call = call;
    call.send(encodeHello(node));
    call.start();
  }

  close(): void {
    this.#closed = true;
    this.#init.wheel.disarm(this.#reportTimer);
    this.#init.wheel.disarm(this.#reconnectTimer);
    this.#call?.cancel();
    this.#call = null;
  }

  onMessage(message: Buffer): void {
    if (this.#closed) return;
    const { clock, wheel, log, source } = this.#init;
    const wish = decodeWish(message);
    if (!this.#answered && this.#failures > 0) log.info(`load is reported again (cluster ${source.clusterName})`);
    this.#answered = true;
    this.#responses.value++;
    this.#wish = wish;
    const nowMs = clock.nowMs();
    this.#counts.begin(wish.clusters, nowMs);
    this.#reportedMs = nowMs;
    wheel.arm(this.#reportTimer, wish.intervalMs);
  }

  onDraining(): void {
    if (this.#closed) return;
    this.#call?.cancel();
    this.#call = null;
    this.#init.wheel.disarm(this.#reportTimer);
    this.start();
  }

  onEnd({ code, message }: GrpcStatus): void {
    this.#call = null;
    if (this.#closed) return;
    const { clock, wheel, random, log, source } = this.#init;
    wheel.disarm(this.#reportTimer);
    const failed = !this.#answered || code === 13;
    if (failed) this.#errors.value++;
    if (!failed || clock.nowMs() - this.#openedMs > maxBackoffMs) this.#failures = 0;
    const missing = code === unimplemented;
    const delayMs = missing ? unimplementedPauseMs : reconnectDelayMs(failed ? this.#failures : -1, random);
    if (failed) this.#failures++;
    if (failed && (this.#failures === 1 || this.#failures % 100 === 0))
      log.info(
        `load is not reported (cluster ${source.clusterName}): ${missing ? 'the control plane takes no load reports' : message || `gRPC status ${code}`}; trying again in ${(delayMs / 1000).toFixed(1)} s`,
      );
    wheel.arm(this.#reconnectTimer, delayMs);
  }

  onTimer(timer: WheelTimer): void {
    if (this.#closed) return;
    if (timer === this.#reconnectTimer) this.start();
    else this.#report();
  }

  #report(): void {
    const call = this.#call;
    const wish = this.#wish;
    if (call === null || wish === null) return;
    this.#init.wheel.arm(this.#reportTimer, wish.intervalMs);
    if (call.writeBlocked) return;
    const nowMs = this.#init.clock.nowMs();
    const loads = this.#counts.take(wish.clusters, this.#reportedMs, nowMs);
    this.#reportedMs = nowMs;
    call.send(encodeReport(loads, wish.byHost));
  }
}

/**
 * The health of a cluster's hosts put together: what service discovery says, outlier detection, active health checks and slow start, each with its timer. Changes hosts' flags, has the groups
 * made anew, drains connections to hosts that failed, and writes a line for each change. What decides stands in outlier/ and health-check/.
 */
import { ProxyError } from '../codec/proxy-error.ts';
import type { ClusterConfig, LoadAssignmentConfig } from '../config/cluster-config.ts';
import type { EjectionKind } from '../config/outlier-config.ts';
import type { Clock, Random } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import type { StatStore } from '../stats/stat-store.ts';
import { failedOutlierCheck } from './host-health.ts';
import { HostSet, type HostSetChange } from './host-set.ts';
import type { HostRecord } from './outlier/host-record.ts';
import { OutlierDetector, type OutlierOwner } from './outlier/outlier-detector.ts';
import { OutlierStats } from './outlier/outlier-stats.ts';
import type { RunningHost } from './running-host.ts';
import { SlowStart } from './slow-start.ts';

export interface ClusterHealthContext {
  readonly stats: StatStore;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log?: Log | null;
}

export interface ClusterHealthOwner {
  /** A host that was kept beyond its removal goes now. */
  onHostRemoved(host: RunningHost): void;
}

export class ClusterHealth implements OutlierOwner, TimerTarget {
  readonly hosts: HostSet;
  /** Null: off. */
  readonly outlier: OutlierDetector | null;
  readonly #config: ClusterConfig;
  readonly #context: ClusterHealthContext;
  readonly #slowStart: SlowStart | null;
  readonly #sweep: WheelTimer;
  readonly #slowEnd: WheelTimer;
  #closed = false;

  constructor(config: ClusterConfig, context: ClusterHealthContext, _owner: ClusterHealthOwner) {
    const { clock, random, stats } = context;
    this.#config = config;
    this.#context = context;
    const { loadBalancing, outlierDetection = null } = config;
    const slowStart = 'slowStart' in loadBalancing ? (loadBalancing.slowStart ?? null) : null;
    this.#slowStart = slowStart === null ? null : new SlowStart(slowStart, clock);
    this.hosts = new HostSet({
      panicThresholdPercent: config.panicThresholdPercent,
      localityWeighted: config.localityWeighted ?? false,
      failTrafficOnPanic: config.failTrafficOnPanic ?? false,
      random,
      slowStart: this.#slowStart,
    });
    this.outlier =
      outlierDetection === null
        ? null
        : new OutlierDetector(outlierDetection, {
            clock,
            random,
            stats: new OutlierStats(stats, config.statName),
            owner: this,
          });
    this.#sweep = new WheelTimer(this);
    this.#slowEnd = new WheelTimer(this);
    if (this.outlier !== null) context.wheel.arm(this.#sweep, this.outlier.config.intervalMs);
  }

  /** Takes over an assignment; see HostSet.update(). */
  update(assignment: LoadAssignmentConfig | null): HostSetChange {
    const { hosts } = this;
    const first = hosts.byAddress.size === 0;
    const change = hosts.update(assignment);
    for (const host of change.removed) this.#forget(host);
    for (const host of change.added) {
      if (this.outlier !== null && !this.#closed) host.outlier = this.outlier.add(host.address);
      // All new hosts at once are alike.
      if (!first) this.#beginSlowly(host);
    }
    return change;
  }

  /** The cluster drains: nothing is watched any more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { wheel } = this.#context;
    wheel.disarm(this.#sweep);
    wheel.disarm(this.#slowEnd);
    this.outlier?.close();
  }

  onTimer(timer: WheelTimer): void {
    const { wheel } = this.#context;
    if (timer === this.#slowEnd) {
      this.hosts.invalidate();
      if (this.#slowStart!.anyIn([...this.hosts.byAddress.values()])) wheel.arm(timer, this.#slowStart!.windowMs);
      return;
    }
    wheel.arm(timer, this.outlier!.config.intervalMs);
    this.outlier!.sweep();
  }

  // -- told by outlier detection --

  onEjected(record: HostRecord, kind: EjectionKind, forMs: number): void {
    const host = this.#hostOf(record);
    this.#log(`host ${record.address} ejected for ${seconds(forMs)} (${record.reason}; ${kind})`);
    if (host === null) return;
    host.health |= failedOutlierCheck;
    this.#failed(host);
  }

  onReturned(record: HostRecord, why: string): void {
    const host = this.#hostOf(record);
    this.#log(`host ${record.address} returned: ${why}; it was ejected for ${record.reason}`);
    if (host === null) return;
    host.health &= ~failedOutlierCheck;
    this.hosts.invalidate();
    this.#beginSlowly(host);
  }

  onNotEjected(record: HostRecord, kind: EjectionKind, why: string): void {
    // As often as it is found, which may be often.
    this.#context.log?.debug(
      `cluster ${this.#config.name}: host ${record.address} is an outlier and stays: ${why} (${record.reason}; ${kind})`,
    );
  }

  /** Its connections finish what they have and close, so that it comes back with new ones (Envoy); or are cut. */
  #failed(host: RunningHost): void {
    this.hosts.invalidate();
    if (this.#config.closeConnectionsOnHealthFailure !== true) {
      host.eachPool((pool) => pool.renewConnections());
      return;
    }
    // Not from inside an event of one of their streams.
    queueMicrotask(() => host.eachPool((pool) => pool.closeConnections(hostFailed)));
  }

  #beginSlowly(host: RunningHost): void {
    const slowStart = this.#slowStart;
    if (slowStart === null || this.#closed) return;
    slowStart.begin(host);
    this.hosts.invalidate();
    this.#context.wheel.arm(this.#slowEnd, slowStart.windowMs);
  }

  #forget(host: RunningHost): void {
    if (host.outlier !== null) this.outlier!.remove(host.outlier);
    host.outlier = null;
  }

  #hostOf(record: HostRecord): RunningHost | null {
    const host = this.hosts.byAddress.get(record.address);
    return host?.outlier === record ? host : null;
  }

  #log(message: string): void {
    this.#context.log?.info(`cluster ${this.#config.name}: ${message}`);
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}

const hostFailed = new ProxyError({
  flag: 'UC',
  source: 'local',
  details: 'upstream_reset_before_response_started{local_connection_termination}',
  message: 'The connection was closed because its host failed (close_connections_on_host_health_failure).',
});

/**
 * The health of a cluster's hosts put together: what service discovery says, outlier detection, active health checks and slow start, each with its timer. Changes hosts' flags, has the groups
 * made anew, drains connections to hosts that failed, and writes a line for each change. What decides stands in outlier/ and health-check/.
 */
import { ProxyError } from '../codec/proxy-error.ts';
import type { ClusterConfig, LoadAssignmentConfig } from '../config/cluster-config.ts';
import type { HealthCheckConfig } from '../config/health-check-config.ts';
import type { EjectionKind } from '../config/outlier-config.ts';
import type { Clock, Random } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import type { StatStore } from '../stats/stat-store.ts';
import { HealthCheckStats } from './health-check/health-check-stats.ts';
import { HealthChecker, type HealthCheckerOwner } from './health-check/health-checker.ts';
import type { CheckOutcome } from './health-check/host-check.ts';
import type { ProbeContext } from './health-check/probe.ts';
import {
  activeCheckFlags,
  failedActiveCheck,
  failedEdsHealth,
  failedOutlierCheck,
  pendingRemoval,
} from './host-health.ts';
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

export interface ClusterHealthOwner extends ProbeContext {
  /** It has had a connection for a request. */
  readonly used: boolean;
  /** A host that was kept beyond its removal goes now. */
  onHostRemoved(host: RunningHost): void;
  /** Connections to it that are somebody's own (TCP) end now. */
  cutConnections(host: RunningHost, error: ProxyError): void;
}

export class ClusterHealth implements OutlierOwner, HealthCheckerOwner, TimerTarget {
  readonly hosts: HostSet;
  /** Null: off. */
  readonly outlier: OutlierDetector | null;
  /** Null: hosts are not checked. */
  readonly checker: HealthChecker | null;
  readonly #config: ClusterConfig;
  readonly #owner: ClusterHealthOwner;
  readonly #context: ClusterHealthContext;
  readonly #slowStart: SlowStart | null;
  readonly #sweep: WheelTimer;
  readonly #slowEnd: WheelTimer;
  #closed = false;
  /** Hosts of the first assignment that were not checked yet; null: there was none. */
  #unchecked: Set<RunningHost> | null = null;
  #onWarm: Array<() => void> = [];

  constructor(config: ClusterConfig, context: ClusterHealthContext, owner: ClusterHealthOwner) {
    const { clock, random, stats } = context;
    this.#config = config;
    this.#owner = owner;
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
    this.checker = this.#createChecker(config.healthCheck ?? null);
    this.#sweep = new WheelTimer(this);
    this.#slowEnd = new WheelTimer(this);
    if (this.outlier !== null) context.wheel.arm(this.#sweep, this.outlier.config.intervalMs);
  }

  /** Takes over an assignment; see HostSet.update(). */
  update(assignment: LoadAssignmentConfig | null): HostSetChange {
    const { hosts } = this;
    const first = hosts.byAddress.size === 0;
    const change = hosts.update(assignment, (host) => this.#keep(host));
    for (const host of change.removed) this.#forget(host);
    for (const host of change.added) this.#watch(host, first);
    if (this.checker !== null) this.#rewatch(this.checker);
    if (this.checker !== null && change.added.length > 0) hosts.invalidate();
    if (this.#unchecked === null && assignment !== null) {
      this.#unchecked = new Set(change.added.filter((host) => this.checker?.watches(host) === true));
      this.#warmIfChecked();
    }
    for (const host of change.added) this.checker?.start(host);
    return change;
  }

  /** Every host of the first assignment was checked once (Envoy waits for that before it uses a cluster). Without checks: there is an assignment. */
  get warm(): boolean {
    return this.#unchecked !== null && this.#unchecked.size === 0;
  }

  /** Called once it is warm; at once where it is. */
  whenWarm(onWarm: () => void): void {
    if (this.warm) onWarm();
    else this.#onWarm.push(onWarm);
  }

  #warmIfChecked(): void {
    if (!this.warm) return;
    const told = this.#onWarm;
    this.#onWarm = [];
    for (const onWarm of told) onWarm();
  }

  #createChecker(config: HealthCheckConfig | null): HealthChecker | null {
    if (config === null) return null;
    const { wheel, random, stats } = this.#context;
    return new HealthChecker({
      config,
      ignoreNewHosts: this.#config.ignoreNewHostsUntilChecked ?? false,
      wheel,
      random,
      stats: new HealthCheckStats(stats, this.#config.statName),
      used: () => this.#owner.used,
      probes: this.#owner,
      log: (message) => this.#log(message),
      owner: this,
    });
  }

  /** `first`: all hosts are new, and so alike. */
  #watch(host: RunningHost, first: boolean): void {
    if (this.#closed) return;
    if (this.outlier !== null) host.outlier = this.outlier.add(host.address);
    // With checks it begins when one passes.
    if (this.checker !== null && host.endpoint.healthCheck?.disabled !== true) this.checker.add(host);
    else if (!first) this.#beginSlowly(host);
  }

  /** Whether it is checked may change for a host that stays (`disable_active_health_check`). */
  #rewatch(checker: HealthChecker): void {
    for (const host of this.hosts.byAddress.values()) {
      const wanted = host.endpoint.healthCheck?.disabled !== true;
      if (this.#closed || checker.watches(host) === wanted) continue;
      if (wanted) {
        checker.add(host);
        checker.start(host);
      } else {
        checker.remove(host);
        host.health &= ~activeCheckFlags;
        if (this.#unchecked?.delete(host) === true) this.#warmIfChecked();
      }
      this.hosts.invalidate();
    }
  }

  /** A host that is gone from the assignment stays while it passes its health checks (Envoy): discovery may be wrong. */
  #keep(host: RunningHost): boolean {
    const { checker } = this;
    if (checker === null || this.#closed || this.#config.ignoreHealthOnRemoval === true || !checker.watches(host))
      return false;
    if ((host.health & (failedActiveCheck | failedEdsHealth)) !== 0) return false;
    host.health |= pendingRemoval;
    return true;
  }

  // -- told by health checks --

  onChecked(host: RunningHost, { passed, transition, before }: CheckOutcome): void {
    const failedBefore = (before & failedActiveCheck) !== 0;
    const failed = (host.health & failedActiveCheck) !== 0;
    if (passed && !failed && host.outlier !== null) this.outlier!.onHealthCheckPassed(host.outlier);
    if (host.health !== before || transition === 'changed') this.hosts.invalidate();
    if (failed && !failedBefore) this.#failed(host);
    if (failedBefore && !failed) this.#beginSlowly(host);
    if (failed && (host.health & pendingRemoval) !== 0) this.#removeKept(host);
    if (this.#unchecked?.delete(host) === true) this.#warmIfChecked();
  }

  #removeKept(host: RunningHost): void {
    this.#log(`host ${host.address} is gone: service discovery had removed it, and now its health check failed`);
    this.hosts.remove(host);
    this.#forget(host);
    this.#owner.onHostRemoved(host);
  }

  /** The cluster drains: nothing is watched any more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { wheel } = this.#context;
    wheel.disarm(this.#sweep);
    wheel.disarm(this.#slowEnd);
    this.outlier?.close();
    this.checker?.close();
    // Nobody waits for what will not come.
    const told = this.#onWarm;
    this.#onWarm = [];
    for (const onWarm of told) onWarm();
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
    queueMicrotask(() => {
      host.eachPool((pool) => pool.closeConnections(hostFailed));
      this.#owner.cutConnections(host, hostFailed);
    });
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
    this.checker?.remove(host);
    if (this.#unchecked?.delete(host) === true) this.#warmIfChecked();
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

/** The health checks of one host: when the next is due, how long it may take, and what its outcome does. How the host is asked stands in the probes, what outcomes mean in check-state.ts. */
import type { HealthCheckConfig } from '../../config/health-check-config.ts';
import type { Random } from '../../runtime/clock.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../../runtime/timer-wheel.ts';
import { excludedByImmediateFailure } from '../host-health.ts';
import type { RunningHost } from '../running-host.ts';
import { type CheckFailure, CheckState, type Transition } from './check-state.ts';
import type { HealthCheckStats } from './health-check-stats.ts';
import type { Probe, ProbeOwner } from './probe.ts';

export interface CheckOutcome {
  readonly passed: boolean;
  readonly transition: Transition;
  /** Flags before; the host has the new ones. */
  readonly before: number;
  readonly first: boolean;
  /** Failures in a row that counted. */
  readonly failures: number;
  /** Why it failed; ''. */
  readonly reason: string;
}

export interface HostCheckContext {
  readonly config: HealthCheckConfig;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly stats: HealthCheckStats;
  /** The cluster has had a connection for a request. */
  readonly used: () => boolean;
  readonly onChecked: (host: RunningHost, outcome: CheckOutcome) => void;
}

export class HostCheck implements TimerTarget, ProbeOwner {
  readonly #host: RunningHost;
  readonly #context: HostCheckContext;
  readonly #state: CheckState;
  readonly #probe: Probe;
  readonly #interval: WheelTimer;
  readonly #timeout: WheelTimer;
  #closed = false;

  constructor(host: RunningHost, context: HostCheckContext, makeProbe: (owner: ProbeOwner) => Probe) {
    this.#host = host;
    this.#context = context;
    this.#state = new CheckState(context.config);
    this.#interval = new WheelTimer(this);
    this.#timeout = new WheelTimer(this);
    this.#probe = makeProbe(this);
  }

  start(): void {
    const { config, wheel, random } = this.#context;
    if (config.initialJitterMs === 0) this.#ask();
    else wheel.arm(this.#interval, random() * config.initialJitterMs);
  }

  close(): void {
    this.#closed = true;
    const { wheel } = this.#context;
    wheel.disarm(this.#interval);
    wheel.disarm(this.#timeout);
    this.#probe.close();
  }

  /** The host said in an answer to a request that it fails (`x-envoy-immediate-health-check-fail`). The next check comes as planned. */
  failNow(): void {
    if (this.#closed) return;
    this.#host.health |= excludedByImmediateFailure;
    this.#count('passive', 'it said so in an answer (x-envoy-immediate-health-check-fail)', false);
  }

  onTimer(timer: WheelTimer): void {
    if (timer === this.#interval) {
      this.#ask();
      return;
    }
    this.#probe.giveUp();
    this.#failed('timeout', `it did not answer within ${this.#context.config.timeoutMs} ms`, false);
  }

  onProbePassed(degraded: boolean): void {
    if (this.#closed) return;
    const { stats, wheel, onChecked, random, used } = this.#context;
    const host = this.#host;
    const before = host.health;
    const { first } = this.#state;
    host.health = this.#state.passed(before, degraded);
    stats.successes.value++;
    wheel.disarm(this.#timeout);
    const { transition } = this.#state;
    wheel.arm(this.#interval, this.#state.nextDelayMs(true, used(), random));
    onChecked(host, { passed: true, transition, before, first, failures: 0, reason: '' });
  }

  onProbeFailed(why: Exclude<CheckFailure, 'passive'>, reason: string, retriable = false, excludes = false): void {
    if (this.#closed) return;
    if (excludes) this.#host.health |= excludedByImmediateFailure;
    this.#failed(why, reason, retriable);
  }

  onNameChecked(): void {
    this.#context.stats.verifyCluster.value++;
  }

  #ask(): void {
    const { config, wheel, stats } = this.#context;
    stats.attempts.value++;
    wheel.arm(this.#timeout, config.timeoutMs);
    this.#probe.start();
  }

  #failed(why: CheckFailure, reason: string, retriable: boolean): void {
    const { wheel } = this.#context;
    wheel.disarm(this.#timeout);
    const delayMs = this.#count(why, reason, retriable);
    if (!this.#closed) wheel.arm(this.#interval, delayMs);
  }

  /** Gives how long to wait then. */
  #count(why: CheckFailure, reason: string, retriable: boolean): number {
    const { stats, onChecked, random, used } = this.#context;
    const host = this.#host;
    const before = host.health;
    const { first } = this.#state;
    host.health = this.#state.failed(before, why, retriable);
    stats.failures.value++;
    if (why === 'network' || why === 'timeout') stats.networkFailures.value++;
    else if (why === 'passive') stats.passiveFailures.value++;
    const { transition, failures } = this.#state;
    const delayMs = this.#state.nextDelayMs(false, used(), random);
    onChecked(host, { passed: false, transition, before, first, failures, reason });
    return delayMs;
  }
}

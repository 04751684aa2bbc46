/**
 * What the health checks of one host have come to: thresholds, flags and the time to the next one, by Envoy's rules. A plain state machine: it knows no sockets and no timers.
 *
 *   failed (as every new host is) ──first pass, or healthy_threshold passes in a row──▶ healthy
 *   healthy ──an answer that says so, or unhealthy_threshold failures in a row──▶ failed
 */
import type { HealthCheckConfig } from '../../config/health-check-config.ts';
import type { Random } from '../../runtime/clock.ts';
import {
  activeCheckTimedOut,
  degradedActiveCheck,
  excludedByImmediateFailure,
  failedActiveCheck,
  pendingActiveCheck,
} from '../host-health.ts';

/** `active`: it answered, and not well. `network`: no connection, or a reset. `timeout`: nothing in time. `passive`: it said so in an answer to a request. */
export type CheckFailure = 'active' | 'network' | 'timeout' | 'passive';

/** What a check changed: nothing, the count towards a threshold, or the host's health. */
export type Transition = 'unchanged' | 'pending' | 'changed';

export class CheckState {
  readonly #config: HealthCheckConfig;
  #passes = 0;
  #failures = 0;
  /** No check has ended yet. */
  first = true;
  /** What the last check changed. */
  transition: Transition = 'unchanged';

  constructor(config: HealthCheckConfig) {
    this.#config = config;
  }

  /** Failures in a row so far. */
  get failures(): number {
    return this.#failures;
  }

  /** A check passed; gives the host's flags as they are then. */
  passed(flags: number, degraded: boolean): number {
    let next = flags;
    this.#failures = 0;
    this.transition = 'unchanged';
    if ((flags & failedActiveCheck) !== 0) {
      if (this.first || ++this.#passes === this.#config.healthyThreshold) {
        next &= ~(failedActiveCheck | activeCheckTimedOut | excludedByImmediateFailure);
        this.transition = 'changed';
      } else this.transition = 'pending';
    }
    next = this.#clearPending(next);
    if (degraded !== ((flags & degradedActiveCheck) !== 0)) {
      next = degraded ? next | degradedActiveCheck : next & ~degradedActiveCheck;
      if (this.transition === 'unchanged') this.transition = 'changed';
    }
    this.first = false;
    return next;
  }

  /** A check failed. `retriable`: an answer that counts towards the threshold only. */
  failed(flags: number, why: CheckFailure, retriable: boolean): number {
    let next = flags;
    this.#passes = 0;
    this.transition = 'unchanged';
    if ((flags & failedActiveCheck) === 0) {
      const atOnce = !retriable && (why === 'active' || why === 'passive');
      // Both counted: the failures are told in the log.
      this.#failures++;
      if (atOnce || this.#failures === this.#config.unhealthyThreshold) {
        next |= failedActiveCheck;
        this.transition = 'changed';
      } else this.transition = 'pending';
    }
    if (why === 'timeout' && (next & failedActiveCheck) !== 0) next |= activeCheckTimedOut;
    else next &= ~activeCheckTimedOut;
    next = this.#clearPending(next);
    this.first = false;
    return next;
  }

  #clearPending(flags: number): number {
    if ((flags & pendingActiveCheck) === 0) return flags;
    this.transition = 'changed';
    return flags & ~pendingActiveCheck;
  }

  /** How long until the next check, behind one that passed or failed. `used`: the cluster has had a connection for a request. */
  nextDelayMs(passed: boolean, used: boolean, random: Random): number {
    const { intervalJitterMs, intervalJitterPercent } = this.#config;
    const base = this.#baseDelayMs(passed, used);
    const jitter = random() * ((base * intervalJitterPercent) / 100) + random() * intervalJitterMs;
    return Math.max(1, base + jitter);
  }

  #baseDelayMs(passed: boolean, used: boolean): number {
    const config = this.#config;
    if (!used) return passed ? config.noTrafficHealthyIntervalMs : config.noTrafficIntervalMs;
    if (this.transition !== 'unchanged') return passed ? config.healthyEdgeIntervalMs : config.unhealthyEdgeIntervalMs;
    return passed ? config.intervalMs : config.unhealthyIntervalMs;
  }
}

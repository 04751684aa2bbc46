/**
 * Slow start: a host that comes, or returns, gets a part of its weight at first and more as time goes by (Envoy's `slow_start_config`):
 * weight × max(min_weight_percent, (age / window) ^ (1 / aggression)). Pure arithmetic over the time; the turns are taken in edf-schedule.ts.
 */
import type { SlowStartConfig } from '../config/cluster-config.ts';
import type { Clock } from '../runtime/clock.ts';
import type { RunningHost } from './running-host.ts';

export class SlowStart {
  readonly windowMs: number;
  readonly #exponent: number;
  readonly #least: number;
  readonly #clock: Clock;

  constructor(config: SlowStartConfig, clock: Clock) {
    this.windowMs = config.windowMs;
    this.#exponent = 1 / config.aggression;
    this.#least = config.minWeightPercent / 100;
    this.#clock = clock;
  }

  /** The host begins (again) now. */
  begin(host: RunningHost): void {
    host.slowSinceMs = this.#clock.nowMs();
  }

  /** One of them has less than its weight at this moment. */
  anyIn(hosts: readonly RunningHost[]): boolean {
    const since = this.#clock.nowMs() - this.windowMs;
    return hosts.some((host) => host.slowSinceMs > since);
  }

  weightOf(host: RunningHost): number {
    const ageMs = this.#clock.nowMs() - host.slowSinceMs;
    if (ageMs >= this.windowMs) return host.weight;
    const part = Math.max(1, ageMs) / this.windowMs;
    return host.weight * Math.max(this.#least, part ** this.#exponent);
  }
}

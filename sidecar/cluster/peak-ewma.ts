/**
 * A balancer by latency: of `choiceCount` hosts taken at random, the one whose peak-sensitive average latency times (requests in flight + 1) is least, by weight (finagle's Peak EWMA, with power of two
 * choices). An error or a 429 counts as a slow answer: a host that fails fast, or sends people away, must not attract more of them (needs-and-defaults).
 *
 *   answer slower than the average ─▶ the average is that at once       answer faster ─▶ it moves there, e-fold in `decayMs`
 *   no answers for a while         ─▶ the average sinks, so that the host is tried again
 */
import type { PeakEwmaConfig } from '../config/cluster-config.ts';
import type { Clock, Random } from '../runtime/clock.ts';
import type { LoadBalancer } from './load-balancer.ts';
import type { RunningHost } from './running-host.ts';

/** A host that was asked and has not answered yet costs this much: one request tells what it is like, more are a risk. */
const unknownCostMs = 1e6;

export class PeakEwma {
  readonly #decayMs: number;
  readonly #errorPenaltyMs: number;
  readonly #choiceCount: number;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(config: PeakEwmaConfig, clock: Clock, random: Random) {
    this.#decayMs = config.decayMs;
    this.#errorPenaltyMs = config.errorPenaltyMs;
    this.#choiceCount = config.choiceCount;
    this.#clock = clock;
    this.#random = random;
  }

  readonly choose: LoadBalancer = ({ hosts }) => {
    const { length } = hosts;
    if (length === 1) return hosts[0]!;
    const random = this.#random;
    const nowMs = this.#clock.nowMs();
    const first = Math.floor(random() * length);
    let best = hosts[first]!;
    let least = this.#cost(best, nowMs);
    for (let i = 1; i < this.#choiceCount; i++) {
      // Never the first one again: two draws of two hosts would be the same host half of the time.
      const other = hosts[(first + 1 + Math.floor(random() * (length - 1))) % length]!;
      const cost = this.#cost(other, nowMs);
      if (cost < least) {
        best = other;
        least = cost;
      }
    }
    return best;
  };

  /** An answer came `latencyMs` after it was asked for; `status` 0: none will, there was no connection, a reset or a timeout, and `latencyMs` may be -1: not known. */
  observe(host: RunningHost, status: number, latencyMs: number): void {
    if (latencyMs < 0 && this.#errorPenaltyMs === 0) return;
    const bad = status === 0 || status === 429 || status >= 500;
    const sample = bad ? Math.max(latencyMs, this.#errorPenaltyMs) : latencyMs;
    const nowMs = this.#clock.nowMs();
    const kept = Math.exp((host.latencyAtMs - nowMs) / this.#decayMs);
    host.latencyMs = sample > host.latencyMs * kept ? sample : host.latencyMs * kept + sample * (1 - kept);
    host.latencyAtMs = nowMs;
  }

  #cost(host: RunningHost, nowMs: number): number {
    const { activeRequests } = host;
    if (host.latencyMs === 0) return activeRequests === 0 ? 0 : (unknownCostMs + activeRequests) / host.weight;
    const latencyMs = host.latencyMs * Math.exp((host.latencyAtMs - nowMs) / this.#decayMs);
    return (latencyMs * (activeRequests + 1)) / host.weight;
  }
}

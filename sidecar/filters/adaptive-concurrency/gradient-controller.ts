/**
 * How many requests may be under way at once, found by their latency: Envoy's gradient controller as a plain state machine. It has no timers: what is due is done when the next request begins
 * or ends. The time and the randomness are given.
 *
 *   measuring (the least latency, with few requests at once) ── enough of them ended ──▶ adjusting
 *        ▲                                                                                  │ each update interval: limit × gradient + √(limit × gradient),
 *        └──────────── the interval is over, or five windows in a row at the least ◀────────┘ gradient = least latency with its buffer / latency now, 0.5 to 2
 *
 * In one thing it differs from Envoy's: a limit of which less than half was used in a window does not grow. Envoy's grows to its greatest while a service has little to do, and then lets a sudden crowd in
 * whole: three times of what a service can do meant 0.8 s at the 99th percentile instead of 0.1 s.
 */
import type { GradientConfig } from '../../config/adaptive-concurrency-config.ts';
import type { Random } from '../../runtime/clock.ts';
import { LatencyWindow } from './latency-window.ts';

/** So many windows in a row at the least concurrency say that the least latency was measured wrong. */
const mostWindowsAtLeast = 5;

export class GradientController {
  readonly #config: GradientConfig;
  readonly #random: Random;
  readonly #window = new LatencyWindow();
  /** Requests under way. */
  outstanding = 0;
  /** The most of them at once in this window. */
  #mostOutstanding = 0;
  limit: number;
  /** Milliseconds, at the configured percentile; 0: not measured yet. */
  minRttMs = 0;
  sampleRttMs = 0;
  gradient = 0;
  burstHeadroom = 0;
  /** The limit to go back to after the measurement; 0: none is under way. */
  #deferredLimit = 0;
  /** Requests that began before do not count for the measurement. */
  #measuringSinceMs = 0;
  #windowsAtLeast = 0;
  #updateDueMs: number;
  #measureDueMs = Infinity;

  constructor(config: GradientConfig, nowMs: number, random: Random) {
    this.#config = config;
    this.#random = random;
    this.limit = config.minConcurrency;
    this.#updateDueMs = nowMs + config.updateIntervalMs;
    this.#measure(nowMs);
  }

  get measuring(): boolean {
    return this.#deferredLimit > 0;
  }

  /** A request would begin; false: it may not. `share`: how much of the limit, or beyond it, its kind may fill; one is always let in. */
  begin(nowMs: number, share = 1): boolean {
    if (!this.hasRoom(nowMs, share)) return false;
    this.outstanding++;
    if (this.outstanding > this.#mostOutstanding) this.#mostOutstanding = this.outstanding;
    return true;
  }

  /** What {@link begin} would say. */
  hasRoom(nowMs: number, share = 1): boolean {
    this.#advance(nowMs);
    const { limit } = this;
    return this.outstanding < (share < 1 ? Math.max(1, Math.floor(limit * share)) : Math.ceil(limit * share));
  }

  /** It was answered. */
  end(startMs: number, nowMs: number): void {
    this.outstanding--;
    // Before this one counts: it belongs to the window that is open now.
    this.#advance(nowMs);
    if (startMs < this.#measuringSinceMs) return;
    this.#window.record(nowMs - startMs);
    if (this.measuring && this.#window.count >= this.#config.minRttRequests) this.#measured(nowMs);
  }

  /** It ended without saying anything about the latency. */
  cancel(): void {
    this.outstanding--;
  }

  #advance(nowMs: number): void {
    if (this.measuring) return;
    if (nowMs >= this.#updateDueMs) {
      this.#adjust(nowMs);
      this.#updateDueMs = nowMs + this.#config.updateIntervalMs;
    }
    if (nowMs >= this.#measureDueMs) this.#measure(nowMs);
  }

  #measure(nowMs: number): void {
    this.#deferredLimit = this.limit;
    this.#setLimit(this.#config.minConcurrency, nowMs);
    this.#window.clear();
    this.#measuringSinceMs = nowMs;
  }

  #measured(nowMs: number): void {
    const { minRttIntervalMs, jitter, updateIntervalMs } = this.#config;
    this.minRttMs = this.#takeWindow();
    const limit = this.#deferredLimit;
    this.#setLimit(limit, nowMs);
    this.#deferredLimit = 0;
    this.#measureDueMs = nowMs + minRttIntervalMs * (1 + jitter * this.#random());
    this.#updateDueMs = nowMs + updateIntervalMs;
  }

  #adjust(nowMs: number): void {
    if (this.#window.count === 0) return;
    this.sampleRttMs = this.#takeWindow();
    const { buffer, minConcurrency, maxConcurrency } = this.#config;
    const least = this.minRttMs * (1 + buffer);
    this.gradient = this.sampleRttMs > 0 ? Math.max(0.5, Math.min(2, least / this.sampleRttMs)) : 2;
    const limit = this.limit * this.gradient;
    this.burstHeadroom = Math.sqrt(limit);
    const next = Math.max(minConcurrency, Math.min(maxConcurrency, Math.floor(limit + this.burstHeadroom)));
    const used = this.#mostOutstanding * 2 >= this.limit;
    this.#mostOutstanding = this.outstanding;
    this.#setLimit(used ? next : Math.min(next, this.limit), nowMs);
  }

  #takeWindow(): number {
    const value = this.#window.percentile(this.#config.percentile);
    this.#window.clear();
    return value;
  }

  #setLimit(limit: number, nowMs: number): void {
    const { minConcurrency } = this.#config;
    this.#windowsAtLeast =
      !this.measuring && this.limit === minConcurrency && limit === minConcurrency ? this.#windowsAtLeast + 1 : 0;
    this.limit = limit;
    if (this.#windowsAtLeast < mostWindowsAtLeast) return;
    this.#windowsAtLeast = 0;
    this.#measureDueMs = nowMs;
  }
}

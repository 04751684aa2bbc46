/**
 * What may be in flight to one cluster at a time: Envoy's `circuit_breakers.thresholds[DEFAULT]`. Counts places and shows in a gauge when
 * there is none left. Not the circuit breaker of design.md's words.
 */
import type { CircuitBreakerThresholds, RetryBudgetConfig } from '../config/cluster-config.ts';
import type { Counter, Gauge } from '../stats/stat-store.ts';

/** One limit. */
export class Places {
  #taken = 0;
  readonly most: number;
  readonly #full: Gauge;

  /** `full`: the gauge that is 1 while no place is left. */
  constructor(most: number, full: Gauge) {
    this.most = most;
    this.#full = full;
    if (most === 0) full.value = 1;
  }

  get taken(): number {
    return this.#taken;
  }

  get left(): boolean {
    return this.#taken < this.most;
  }

  /** Takes a place whether there is one or not. */
  take(): void {
    if (++this.#taken >= this.most) this.#full.value = 1;
  }

  giveBack(): void {
    if (--this.#taken < this.most) this.#full.value = 0;
  }
}

const minRepeats = 10;
const repeatShare = 0.2;

export interface BulkheadStats {
  readonly connectionsOpen: Gauge;
  readonly pendingOpen: Gauge;
  readonly requestsOpen: Gauge;
  readonly retriesOpen: Gauge;
  readonly connectionOverflow: Counter;
  readonly pendingOverflow: Counter;
  readonly retryOverflow: Counter;
}

export class Bulkhead {
  readonly connections: Places;
  readonly pending: Places;
  readonly requests: Places;
  readonly retries: Places;
  readonly #stats: BulkheadStats;
  readonly #budget: RetryBudgetConfig | null;
  #repeats = 0;

  constructor(limits: CircuitBreakerThresholds, stats: BulkheadStats) {
    this.connections = new Places(limits.maxConnections, stats.connectionsOpen);
    this.pending = new Places(limits.maxPendingRequests, stats.pendingOpen);
    this.requests = new Places(limits.maxRequests, stats.requestsOpen);
    this.retries = new Places(limits.maxRetries, stats.retriesOpen);
    this.#budget = limits.retryBudget ?? null;
    if (this.#budget !== null) stats.retriesOpen.value = 0;
    this.#stats = stats;
  }

  /** `force`: a pool without any connection may always have one, else its requests could wait for ever (Envoy). It still counts as an overflow. */
  tryConnection(force: boolean): boolean {
    if (!this.connections.left) {
      this.#stats.connectionOverflow.value++;
      if (!force) return false;
    }
    this.connections.take();
    return true;
  }

  tryPending(): boolean {
    if (!this.pending.left) {
      this.#stats.pendingOverflow.value++;
      return false;
    }
    this.pending.take();
    return true;
  }

  tryRequest(): boolean {
    if (!this.requests.left) {
      // Envoy counts this one under the same name.
      this.#stats.pendingOverflow.value++;
      return false;
    }
    this.requests.take();
    return true;
  }

  /** Retries that may be in flight now: `max_retries`, or what the budget gives. */
  get mostRetries(): number {
    const budget = this.#budget;
    if (budget === null) return this.retries.most;
    const inFlight = this.requests.taken + this.pending.taken;
    return Math.max(Math.floor((budget.percent / 100) * inFlight), budget.minRetries);
  }

  tryRetry(): boolean {
    const most = this.mostRetries;
    const { taken } = this.retries;
    if (taken >= most) {
      this.#stats.retriesOpen.value = 1;
      this.#stats.retryOverflow.value++;
      return false;
    }
    this.retries.take();
    this.#stats.retriesOpen.value = taken + 1 >= most ? 1 : 0;
    return true;
  }

  endRetry(): void {
    this.retries.giveBack();
    if (this.#budget !== null) this.#stats.retriesOpen.value = this.retries.taken >= this.mostRetries ? 1 : 0;
  }

  /** For a request that met a stale connection: at most a fifth of the active requests (the share that linkerd's retry budget allows), ten always. */
  tryRepeat(): boolean {
    if (this.#repeats >= Math.max(minRepeats, this.requests.taken * repeatShare)) {
      this.#stats.retryOverflow.value++;
      return false;
    }
    this.#repeats++;
    return true;
  }

  endRepeat(): void {
    this.#repeats--;
  }
}

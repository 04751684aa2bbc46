/**
 * Outlier detection: finds the hosts of a cluster that answer badly and says which are to be left alone for a time, by Envoy's rules and in its order (docs: "Outlier detection").
 * A state machine that is told outcomes and the time; it has no timer, and takes no host out of the balancer itself (running-cluster.ts does, told by the owner interface).
 *
 *   answers ──▶ in a row: at once ─────────┐
 *           └─▶ rates: each interval ──────┴─▶ detected ─▶ room (max_ejection_percent)? ─▶ enforced (by chance)? ─▶ ejected
 *   ejected ──▶ time is over, at an interval's end (base × how often, at most max, plus jitter), or a health check passed ─▶ returns, counted anew
 *
 * One difference to Envoy: the last host that is not ejected stays, whatever `max_ejection_percent` says, unless `always_eject_one_host` is set: a cluster without hosts helps nobody.
 */
import type { EjectionKind, OutlierDetectionConfig } from '../../config/outlier-config.ts';
import type { Clock, Random } from '../../runtime/clock.ts';
import { HostRecord, type OutcomeCounts } from './host-record.ts';
import type { OutlierStats } from './outlier-stats.ts';

export interface OutlierOwner {
  /** The host gets no requests from now on. `forMs`: for how long at least. */
  onEjected(record: HostRecord, kind: EjectionKind, forMs: number): void;
  onReturned(record: HostRecord, why: string): void;
  /** It was found, and stays: there is no room, or chance (`enforcing_…`) says so. */
  onNotEjected?(record: HostRecord, kind: EjectionKind, why: string): void;
}

export interface OutlierContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: OutlierStats;
  readonly owner: OutlierOwner;
}

export class OutlierDetector {
  readonly config: OutlierDetectionConfig;
  readonly #context: OutlierContext;
  readonly #records = new Set<HostRecord>();
  #ejected = 0;

  constructor(config: OutlierDetectionConfig, context: OutlierContext) {
    this.config = config;
    this.#context = context;
  }

  get hostCount(): number {
    return this.#records.size;
  }

  get ejectedCount(): number {
    return this.#ejected;
  }

  add(address: string): HostRecord {
    const record = new HostRecord(address);
    this.#records.add(record);
    return record;
  }

  /** The host is gone from the cluster. Nothing is told of it any more. */
  remove(record: HostRecord): void {
    if (!this.#records.delete(record) || !record.ejected) return;
    record.ejected = false;
    this.#setEjected(this.#ejected - 1);
  }

  /** The cluster ends: what it shows as ejected is not any more. */
  close(): void {
    for (const record of this.#records) this.remove(record);
  }

  // -- outcomes: on the data path --

  /** The head of an answer came; `status` of HTTP, or what stands for a gRPC status. */
  onStatus(record: HostRecord, status: number): void {
    const { external } = record;
    external.total++;
    if (status < 500) {
      external.good++;
      record.consecutive5xx = 0;
      record.consecutiveGatewayFailures = 0;
      return;
    }
    const { config } = this;
    if (status >= 502 && status <= 504) {
      if (++record.consecutiveGatewayFailures === config.consecutiveGatewayFailure)
        this.#consecutive(record, 'consecutive_gateway_failure');
    } else record.consecutiveGatewayFailures = 0;
    if (++record.consecutive5xx === config.consecutive5xx) this.#consecutive(record, 'consecutive_5xx');
  }

  /** A stream on a connection was had. Counts only where local origin is counted apart. */
  onConnected(record: HostRecord): void {
    if (!this.config.splitLocalOrigin) return;
    const { local } = record;
    local.total++;
    local.good++;
    record.consecutiveLocalFailures = 0;
  }

  /** No connection could be had, or the stream was reset (stands for 503), or nothing came in time (504). */
  onLocalFailure(record: HostRecord, standsForStatus: 503 | 504): void {
    if (!this.config.splitLocalOrigin) {
      this.onStatus(record, standsForStatus);
      return;
    }
    record.local.total++;
    if (++record.consecutiveLocalFailures === this.config.consecutiveLocalOriginFailure)
      this.#consecutive(record, 'consecutive_local_origin_failure');
  }

  /** The host is gone without a word (host-watch.ts), for which `why` has words: as many failures as are needed, of the kind that counts such. */
  onGone(record: HostRecord, why: string): void {
    const { splitLocalOrigin, enforcingPercent, ...config } = this.config;
    if (splitLocalOrigin) {
      if (config.consecutiveLocalOriginFailure > 0) this.#consecutive(record, 'consecutive_local_origin_failure', why);
    } else if (config.consecutiveGatewayFailure > 0 && enforcingPercent.consecutive_gateway_failure > 0)
      this.#consecutive(record, 'consecutive_gateway_failure', why);
    else if (config.consecutive5xx > 0) this.#consecutive(record, 'consecutive_5xx', why);
  }

  /** An active health check of the host passed, and it counts as healthy by it. */
  onHealthCheckPassed(record: HostRecord): void {
    if (record.ejected && this.config.healthCheckEndsEjection) this.#return(record, 'a health check passed');
  }

  // -- each interval --

  /** Ejections that are over end; then the rates of the last interval are judged. Call it every `config.intervalMs`. */
  sweep(): void {
    const nowMs = this.#context.clock.nowMs();
    for (const record of this.#records) {
      this.#checkReturn(record, nowMs);
      record.external.turn();
      record.local.turn();
    }
    this.#judgeRates('external', 'success_rate', 'failure_percentage');
    this.#judgeRates('local', 'local_origin_success_rate', 'local_origin_failure_percentage');
  }

  #checkReturn(record: HostRecord, nowMs: number): void {
    if (!record.ejected) {
      if (record.backoff > 0) record.backoff--;
      return;
    }
    const passedMs = nowMs - record.ejectedAtMs;
    if (this.#ejectionTimeMs(record) <= passedMs)
      this.#return(record, `its time is over (${Math.round(passedMs / 1000)} s)`);
  }

  #ejectionTimeMs(record: HostRecord): number {
    const { baseEjectionTimeMs, maxEjectionTimeMs } = this.config;
    return Math.min(baseEjectionTimeMs * record.backoff, maxEjectionTimeMs) + record.jitterMs;
  }

  #judgeRates(origin: 'external' | 'local', rateKind: EjectionKind, percentageKind: EjectionKind): void {
    const { config } = this;
    const { successRateMinimumHosts, failurePercentageMinimumHosts } = config;
    if (this.#records.size < Math.min(successRateMinimumHosts, failurePercentageMinimumHosts)) return;
    const forRate: HostRecord[] = [];
    const forPercentage: HostRecord[] = [];
    let sum = 0;
    for (const record of this.#records) {
      const counts = record[origin];
      if (record.ejected || counts.judgedTotal === 0) continue;
      const rate = (100 * counts.judgedGood) / counts.judgedTotal;
      if (counts.judgedTotal >= Math.min(config.successRateRequestVolume, config.failurePercentageRequestVolume))
        counts.successRate = rate;
      if (counts.judgedTotal >= config.successRateRequestVolume) {
        forRate.push(record);
        sum += rate;
      }
      if (counts.judgedTotal >= config.failurePercentageRequestVolume) forPercentage.push(record);
    }
    if (forRate.length > 0 && forRate.length >= successRateMinimumHosts) {
      const threshold = ejectionThreshold(forRate, origin, sum / forRate.length, config.successRateStdevFactor);
      for (const record of forRate) {
        const { successRate } = record[origin];
        if (successRate >= threshold) continue;
        this.#context.stats.successRate.value++;
        this.#detected(
          record,
          rateKind,
          `${percent(successRate)} of its requests succeeded, below ${percent(threshold)}`,
        );
      }
    }
    if (forPercentage.length > 0 && forPercentage.length >= failurePercentageMinimumHosts) {
      for (const record of forPercentage) {
        const failed = 100 - rateOf(record[origin]);
        if (failed < config.failurePercentageThreshold) continue;
        this.#detected(
          record,
          percentageKind,
          `${percent(failed)} of its requests failed, the limit is ${config.failurePercentageThreshold} %`,
        );
      }
    }
  }

  // -- decisions --

  #consecutive(record: HostRecord, kind: EjectionKind, why = consecutiveText(record, kind)): void {
    if (record.ejected || !this.#records.has(record)) return;
    if (kind === 'consecutive_5xx') this.#context.stats.consecutive5xx.value++;
    this.#detected(record, kind, why);
    // Another bout is to be seen too, also without a good answer in between.
    if (kind === 'consecutive_5xx') record.consecutive5xx = 0;
    else if (kind === 'consecutive_gateway_failure') record.consecutiveGatewayFailures = 0;
    else record.consecutiveLocalFailures = 0;
  }

  #detected(record: HostRecord, kind: EjectionKind, reason: string): void {
    const { stats, random, owner } = this.#context;
    stats.detectedBy[kind].value++;
    if (record.ejected) return;
    if (!this.#hasRoom()) {
      stats.overflow.value++;
      stats.ownRefused.value++;
      record.reason = reason;
      owner.onNotEjected?.(record, kind, `${this.#ejected} of ${this.#records.size} hosts are ejected already`);
      return;
    }
    if (kind === 'consecutive_5xx' || kind === 'success_rate') stats.total.value++;
    record.reason = reason;
    if (random() * 100 >= this.config.enforcingPercent[kind]) {
      owner.onNotEjected?.(record, kind, `it is enforced in ${this.config.enforcingPercent[kind]} % of cases`);
      return;
    }
    this.#eject(record, kind);
  }

  #hasRoom(): boolean {
    const { alwaysEjectOneHost, maxEjectionPercent } = this.config;
    if (alwaysEjectOneHost && this.#ejected === 0) return true;
    if (!alwaysEjectOneHost && this.#ejected + 1 >= this.#records.size) return false;
    return (100 * (this.#ejected + 1)) / this.#records.size <= maxEjectionPercent;
  }

  #eject(record: HostRecord, kind: EjectionKind): void {
    const { stats, random, clock, owner } = this.#context;
    const { baseEjectionTimeMs, maxEjectionTimeMs, maxEjectionTimeJitterMs } = this.config;
    record.ejected = true;
    record.ejections++;
    record.ejectedAtMs = clock.nowMs();
    record.jitterMs = maxEjectionTimeJitterMs === 0 ? 0 : Math.floor(random() * maxEjectionTimeJitterMs);
    if (record.backoff * baseEjectionTimeMs < maxEjectionTimeMs + baseEjectionTimeMs) record.backoff++;
    stats.enforced.value++;
    stats.enforcedBy[kind].value++;
    stats.ownBy[kind].value++;
    this.#setEjected(this.#ejected + 1);
    owner.onEjected(record, kind, this.#ejectionTimeMs(record));
  }

  #return(record: HostRecord, why: string): void {
    record.ejected = false;
    record.returnedAtMs = this.#context.clock.nowMs();
    record.consecutive5xx = 0;
    record.consecutiveGatewayFailures = 0;
    record.consecutiveLocalFailures = 0;
    this.#context.stats.ownReturns.value++;
    this.#setEjected(this.#ejected - 1);
    this.#context.owner.onReturned(record, why);
  }

  /** The gauges are shared with the cluster of the same name that this one follows or is followed by, so they are moved rather than set. */
  #setEjected(count: number): void {
    const { active, ownActive } = this.#context.stats;
    active.value += count - this.#ejected;
    ownActive.value += count - this.#ejected;
    this.#ejected = count;
  }
}

function rateOf({ judgedGood, judgedTotal }: OutcomeCounts): number {
  return (100 * judgedGood) / judgedTotal;
}

/** Mean minus so many standard deviations of the hosts' success rates. */
function ejectionThreshold(
  records: readonly HostRecord[],
  origin: 'external' | 'local',
  mean: number,
  factor: number,
): number {
  let variance = 0;
  for (const record of records) variance += (record[origin].successRate - mean) ** 2;
  return mean - factor * Math.sqrt(variance / records.length);
}

function consecutiveText(record: HostRecord, kind: EjectionKind): string {
  if (kind === 'consecutive_5xx') return `${record.consecutive5xx} consecutive 5xx`;
  if (kind === 'consecutive_gateway_failure')
    return `${record.consecutiveGatewayFailures} consecutive gateway failures`;
  return `${record.consecutiveLocalFailures} consecutive failures to connect, resets or timeouts`;
}

function percent(value: number): string {
  return `${Math.round(value * 10) / 10} %`;
}

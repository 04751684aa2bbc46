/**
 * Counters, gauges and histograms of the process, under Envoy's names, with labels for Prometheus beside.
 * Recording is an addition to a number; text is made only when somebody scrapes (stats/scrapes.ts).
 */
import { ExponentialBuckets } from '../../metrics/exponential-buckets.ts';

export interface StatLabels {
  readonly [label: string]: string;
}

export class Counter {
  readonly name: string;
  /** Prometheus family and labels; null: only at /stats, and at /stats/prometheus under the Envoy-style name. */
  readonly family: string | null;
  readonly labels: StatLabels;
  value = 0;

  constructor(name: string, family: string | null, labels: StatLabels) {
    this.name = name;
    this.family = family;
    this.labels = labels;
  }

  increment(): void {
    this.value++;
  }

  add(amount: number): void {
    this.value += amount;
  }
}

export class Gauge {
  readonly name: string;
  readonly family: string | null;
  readonly labels: StatLabels;
  value = 0;

  constructor(name: string, family: string | null, labels: StatLabels) {
    this.name = name;
    this.family = family;
    this.labels = labels;
  }

  increment(): void {
    this.value++;
  }

  decrement(): void {
    this.value--;
  }

  set(value: number): void {
    this.value = value;
  }
}

/** Upper bounds in milliseconds of Envoy's Prometheus histogram buckets. */
export const bucketBoundsMs: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000,
];

/** The last observation of a bucket that belongs to a trace somebody keeps. */
interface TracedValue {
  traceId: string;
  spanId: string;
  /** In milliseconds. */
  value: number;
  wallMs: number;
}

export class Histogram {
  readonly name: string;
  readonly family: string | null;
  readonly labels: StatLabels;
  /** By which milliseconds are multiplied to be shown: families that say seconds are given in seconds; Envoy's own stay in milliseconds. */
  readonly scale: number;
  /** Observations per bucket (not cumulative); the last one is +Inf. */
  readonly counts: Float64Array = new Float64Array(bucketBoundsMs.length + 1);
  sum = 0;
  count = 0;
  /** By bucket; null: no observation belonged to a trace. */
  exemplars: Array<TracedValue | null> | null = null;
  /** Null: no scraper takes them (see keepNativeHistograms). */
  native: ExponentialBuckets | null = null;

  constructor(name: string, family: string | null, labels: StatLabels) {
    this.name = name;
    this.family = family;
    this.labels = labels;
    this.scale = family?.endsWith('_seconds') === true ? 1 / 1000 : 1;
  }

  /** Records a value in milliseconds. */
  record(valueMs: number): void {
    this.counts[bucketOf(valueMs)]!++;
    this.sum += valueMs;
    this.count++;
    if (this.native !== null) this.native.record(valueMs * this.scale);
  }

  /** Beside {@link record}, of a request whose trace is kept: the newest of each bucket is shown with it (OpenMetrics' exemplars). `spanId`: '' if there is none. */
  exemplify(valueMs: number, traceId: string, spanId: string, wallMs: number): void {
    const exemplars = (this.exemplars ??= Array.from(this.counts, () => null));
    const bucket = bucketOf(valueMs);
    const held = exemplars[bucket]!;
    if (held === null) exemplars[bucket] = { traceId, spanId, value: valueMs, wallMs };
    else {
      held.traceId = traceId;
      held.spanId = spanId;
      held.value = valueMs;
      held.wallMs = wallMs;
    }
  }

  /** What was counted before stands at the upper bounds of its classic buckets. */
  keepNative(): void {
    if (this.native !== null) return;
    this.native = new ExponentialBuckets();
    for (let i = 0; i < this.counts.length; i++)
      if (this.counts[i]! > 0)
        this.native.record((bucketBoundsMs[i] ?? bucketBoundsMs.at(-1)!) * this.scale, this.counts[i]!);
  }

  reset(): void {
    this.counts.fill(0);
    this.sum = 0;
    this.count = 0;
    this.exemplars = null;
    this.native?.clear();
  }
}

function bucketOf(valueMs: number): number {
  let bucket = 0;
  while (bucket < bucketBoundsMs.length && valueMs > bucketBoundsMs[bucket]!) bucket++;
  return bucket;
}

/** Owns every statistic; asking twice for the same name gives the same object. Ask when configuration arrives, never per request. */
export class StatStore {
  readonly counters = new Map<string, Counter>();
  readonly gauges = new Map<string, Gauge>();
  readonly histograms = new Map<string, Histogram>();
  /** Times that remove() took something away: who keeps statistics of labels that come and go asks for them again when this changed. */
  removals = 0;
  #native = false;

  /** `name`: Envoy's (`cluster.payments.upstream_rq_total`). `family` and `labels`: ours for Prometheus (`outrigger_requests_total`); the key is name plus labels. */
  counter(name: string, family: string | null = null, labels: StatLabels = {}): Counter {
    const key = statKey(name, labels);
    let counter = this.counters.get(key);
    if (counter === undefined) {
      counter = new Counter(name, family, labels);
      this.counters.set(key, counter);
    }
    return counter;
  }

  gauge(name: string, family: string | null = null, labels: StatLabels = {}): Gauge {
    const key = statKey(name, labels);
    let gauge = this.gauges.get(key);
    if (gauge === undefined) {
      gauge = new Gauge(name, family, labels);
      this.gauges.set(key, gauge);
    }
    return gauge;
  }

  histogram(name: string, family: string | null = null, labels: StatLabels = {}): Histogram {
    const key = statKey(name, labels);
    let histogram = this.histograms.get(key);
    if (histogram === undefined) {
      histogram = new Histogram(name, family, labels);
      if (this.#native && family !== null) histogram.keepNative();
      this.histograms.set(key, histogram);
    }
    return histogram;
  }

  /** Whether there is such a counter already. */
  hasCounter(name: string, labels: StatLabels): boolean {
    return this.counters.has(statKey(name, labels));
  }

  /** A scraper takes native histograms: from now on those of ours count in exponential buckets too. */
  keepNativeHistograms(): void {
    if (this.#native) return;
    this.#native = true;
    for (const histogram of this.histograms.values()) if (histogram.family !== null) histogram.keepNative();
  }

  /** Drops what matches. */
  remove(matches: (stat: Counter | Gauge | Histogram) => boolean): void {
    this.removals++;
    for (const map of [this.counters, this.gauges, this.histograms])
      for (const [key, stat] of map) if (matches(stat)) map.delete(key);
  }

  /** Drops statistics whose name begins with a prefix: a cluster or listener was removed. */
  removePrefix(prefix: string): void {
    for (const map of [this.counters, this.gauges, this.histograms]) {
      for (const [key, stat] of map) if (stat.name.startsWith(prefix)) map.delete(key);
    }
  }
}

function statKey(name: string, labels: StatLabels): string {
  let key = name;
  for (const label in labels) key += `\u0000${label}=${labels[label]}`;
  return key;
}

/**
 * Counters, gauges and histograms of the process, under Envoy's names, with labels for Prometheus beside.
 * Recording is an addition to a number; text is made only when somebody scrapes (stats/prometheus.ts).
 */

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

export class Histogram {
  readonly name: string;
  readonly family: string | null;
  readonly labels: StatLabels;
  /** Observations per bucket (not cumulative); the last one is +Inf. */
  readonly counts = new Float64Array(bucketBoundsMs.length + 1);
  sum = 0;
  count = 0;

  constructor(name: string, family: string | null, labels: StatLabels) {
    this.name = name;
    this.family = family;
    this.labels = labels;
  }

  /** Records a value in milliseconds. */
  record(valueMs: number): void {
    let bucket = 0;
    while (bucket < bucketBoundsMs.length && valueMs > bucketBoundsMs[bucket]!) bucket++;
    this.counts[bucket]!++;
    this.sum += valueMs;
    this.count++;
  }
}

/** Owns every statistic; asking twice for the same name gives the same object. Ask when configuration arrives, never per request. */
export class StatStore {
  readonly counters = new Map<string, Counter>();
  readonly gauges = new Map<string, Gauge>();
  readonly histograms = new Map<string, Histogram>();
  /** Times that remove() took something away: who keeps statistics of labels that come and go asks for them again when this changed. */
  removals = 0;

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
      this.histograms.set(key, histogram);
    }
    return histogram;
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

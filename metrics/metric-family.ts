/**
 * A metric as Prometheus knows it, with its samples: what the sidecar and the control plane both hand to the formats beside this file. Plain figures; where they come from is not known here.
 */

export type MetricType = 'counter' | 'gauge' | 'histogram';

export interface MetricLabels {
  readonly [label: string]: string;
}

/** What a metric is, apart from its values: the line of docs/metrics.md, and of `# HELP`. */
export interface MetricDescriptor {
  /** With `_total` where it is a counter of ours. */
  readonly name: string;
  readonly type: MetricType;
  /** OpenMetrics' unit, with which the name ends (before `_total`); ''. */
  readonly unit: '' | 'seconds' | 'bytes' | 'ratio';
  readonly labels: readonly string[];
  /** One sentence; '' for Envoy's, which say nothing about themselves. */
  readonly help: string;
}

/** Counters and gauges. */
export interface PlainSample {
  readonly labels: MetricLabels;
  readonly value: number;
}

/** One observation by which a trace is found. */
export interface Exemplar {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16; ''. */
  readonly spanId: string;
  /** In the unit of the histogram's sum, before `scale`. */
  readonly value: number;
  readonly wallMs: number;
}

/** Exponential buckets, as Prometheus's native histograms have them: bucket i holds what is above base^(i-1) and not above base^i, with base 2^(2^-schema). In the unit that is shown. */
export interface NativeBuckets {
  readonly schema: number;
  /** What is not above this is in no bucket but in `zeroCount`. */
  readonly zeroThreshold: number;
  readonly zeroCount: number;
  /** The i of the first of `counts`. */
  readonly firstIndex: number;
  readonly counts: ArrayLike<number>;
}

export interface HistogramSample {
  readonly labels: MetricLabels;
  /** Per bucket, not cumulative; the last is that above all bounds. */
  readonly counts: ArrayLike<number>;
  readonly sum: number;
  readonly count: number;
  /** The newest of each bucket; null: there are none. */
  readonly exemplars: ReadonlyArray<Exemplar | null> | null;
  /** Null: it has the classic buckets only. */
  readonly native: NativeBuckets | null;
}

export type MetricFamily = Pick<MetricDescriptor, 'name' | 'unit' | 'help'> &
  (
    | { readonly type: 'counter' | 'gauge'; readonly samples: Iterable<PlainSample> }
    | {
        readonly type: 'histogram';
        /** Upper bounds of the classic buckets, before `scale`, rising. */
        readonly bounds: readonly number[];
        /** By which bounds, sums and exemplars are multiplied to be shown: 1/1000 where milliseconds are kept and seconds shown. */
        readonly scale: number;
        readonly samples: Iterable<HistogramSample>;
      }
  );

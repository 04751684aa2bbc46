/**
 * Figures of this process, under the names that prom-client made the custom: memory and CPU are asked for when somebody scrapes. What can only be had by watching, turns of the event loop and pauses of the garbage
 * collector, is watched from the first scrape on, so that a process nobody scrapes pays nothing; the loop by one number per turn, no timer.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { HistogramSample, MetricDescriptor, MetricFamily, PlainSample } from './metric-family.ts';

type Measured = (figures: ProcessFigures) => Iterable<PlainSample>;

const one = (value: number): PlainSample[] => [{ labels: {}, value }];

const gauge = (name: string, unit: MetricDescriptor['unit'], help: string): MetricDescriptor => ({
  name,
  type: 'gauge',
  unit,
  labels: [],
  help,
});
const counter = (name: string, help: string): MetricDescriptor => ({
  name,
  type: 'counter',
  unit: 'seconds',
  labels: [],
  help,
});

const sinceScrape = 'since the scrape before';

/** In the order in which they are read: the loop's quantiles before they are forgotten. */
const plain: ReadonlyArray<readonly [MetricDescriptor, Measured]> = [
  [
    {
      name: 'outrigger_build_info',
      type: 'gauge',
      unit: '',
      labels: ['version', 'node'],
      help: 'Always 1: which version runs, on which Node.',
    },
    ({ version }) => [{ labels: { version, node: process.versions.node }, value: 1 }],
  ],
  [counter('process_cpu_user_seconds_total', 'CPU time in user mode.'), ({ cpu }) => one(cpu.user / 1e6)],
  [counter('process_cpu_system_seconds_total', 'CPU time in the kernel.'), ({ cpu }) => one(cpu.system / 1e6)],
  [counter('process_cpu_seconds_total', 'CPU time.'), ({ cpu }) => one((cpu.user + cpu.system) / 1e6)],
  [
    gauge('process_start_time_seconds', 'seconds', 'When the process began, since 1970.'),
    () => one(performance.timeOrigin / 1000),
  ],
  [gauge('process_resident_memory_bytes', 'bytes', 'Memory in RAM.'), ({ memory }) => one(memory.rss)],
  [gauge('process_open_fds', '', 'Open file descriptors; only on Linux.'), openDescriptors],
  [gauge('process_max_fds', '', 'Most file descriptors that may be open; only on Linux.'), mostDescriptors],
  [
    gauge('nodejs_heap_size_total_bytes', 'bytes', "V8's heap as it was had of the system."),
    ({ memory }) => one(memory.heapTotal),
  ],
  [
    gauge('nodejs_heap_size_used_bytes', 'bytes', "V8's heap as far as it is used."),
    ({ memory }) => one(memory.heapUsed),
  ],
  [
    gauge('nodejs_external_memory_bytes', 'bytes', 'Memory outside the heap that its objects own.'),
    ({ memory }) => one(memory.external),
  ],
  [
    gauge(
      'nodejs_eventloop_utilization_ratio',
      'ratio',
      `Share of time in which the event loop was not waiting, ${sinceScrape}.`,
    ),
    (figures) => one(figures.utilization()),
  ],
  ...(
    [
      ['min', 'Shortest', ({ min }) => min],
      ['max', 'Longest', ({ max }) => max],
      ['mean', 'Mean', ({ mean }) => mean],
      ['stddev', 'Standard deviation of the', ({ stddev }) => stddev],
      ['p50', 'Median', (loop) => loop.percentile(50)],
      ['p90', '90th percentile of the', (loop) => loop.percentile(90)],
      ['p99', '99th percentile of the', (loop) => loop.percentile(99)],
    ] as ReadonlyArray<readonly [string, string, (loop: LoopDelay) => number]>
  ).map(([name, what, of]): readonly [MetricDescriptor, Measured] => [
    gauge(
      `nodejs_eventloop_lag_${name}_seconds`,
      'seconds',
      `${what} time that a turn of the event loop took, by which others had to wait, ${sinceScrape}.`,
    ),
    ({ loop }) => one(loop.count === 0 ? 0 : of(loop) / 1e9),
  ]),
];

type LoopDelay = ReturnType<typeof monitorEventLoopDelay>;

const gcFamily: MetricDescriptor = {
  name: 'nodejs_gc_duration_seconds',
  type: 'histogram',
  unit: 'seconds',
  labels: ['kind'],
  help: 'Pauses of the garbage collector, by kind: minor, major, incremental, weakcb.',
};

export const processMetrics: readonly MetricDescriptor[] = [...plain.map(([descriptor]) => descriptor), gcFamily];

const gcBoundsMs: readonly number[] = [0.5, 1, 5, 10, 50, 100, 500, 1000];
/** Of Node's performance entries: NODE_PERFORMANCE_GC_… */
const gcKinds: ReadonlyMap<number, string> = new Map([
  [1, 'minor'],
  [2, 'minor'],
  [4, 'major'],
  [8, 'incremental'],
  [16, 'weakcb'],
]);

class Pauses implements HistogramSample {
  readonly labels: { readonly kind: string };
  readonly counts = new Float64Array(gcBoundsMs.length + 1);
  readonly exemplars = null;
  readonly native = null;
  sum = 0;
  count = 0;

  constructor(kind: string) {
    this.labels = { kind };
  }

  record(ms: number): void {
    let bucket = 0;
    while (bucket < gcBoundsMs.length && ms > gcBoundsMs[bucket]!) bucket++;
    this.counts[bucket]!++;
    this.sum += ms;
    this.count++;
  }
}

export class ProcessFigures {
  readonly version: string;
  cpu: NodeJS.CpuUsage = { user: 0, system: 0 };
  memory: NodeJS.MemoryUsage = process.memoryUsage();
  readonly loop: LoopDelay = monitorEventLoopDelay({ samplePerIteration: true });
  readonly #pauses = new Map([...new Set(gcKinds.values())].map((kind) => [kind, new Pauses(kind)]));
  readonly #collections = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const kind = gcKinds.get((entry as unknown as { detail: { kind: number } }).detail.kind);
      if (kind !== undefined) this.#pauses.get(kind)!.record(entry.duration);
    }
  });
  #watching = false;
  #utilization = performance.eventLoopUtilization();

  constructor(version: string) {
    this.version = version;
  }

  /** Measured now. What is said of the time since the scrape before is forgotten with it. */
  families(): MetricFamily[] {
    this.cpu = process.cpuUsage();
    this.memory = process.memoryUsage();
    const families: MetricFamily[] = plain.map(([{ name, type, unit, help }, measure]) => ({
      ...{ name, type: type as 'counter' | 'gauge', unit, help },
      samples: measure(this),
    }));
    const { name, unit, help } = gcFamily;
    families.push({
      ...{ name, unit, help, type: 'histogram', bounds: gcBoundsMs, scale: 1 / 1000 },
      samples: [...this.#pauses.values()],
    });
    this.loop.reset();
    this.#watch();
    return families;
  }

  /** 0 to 1, since it was asked last. */
  utilization(): number {
    const before = this.#utilization;
    this.#utilization = performance.eventLoopUtilization();
    return performance.eventLoopUtilization(this.#utilization, before).utilization;
  }

  close(): void {
    this.loop.disable();
    this.#collections.disconnect();
  }

  #watch(): void {
    if (this.#watching) return;
    this.#watching = true;
    this.loop.enable();
    this.#collections.observe({ type: 'gc' });
  }
}

function openDescriptors(): PlainSample[] {
  try {
    // Without the one that reads the folder.
    return one(readdirSync('/proc/self/fd').length - 1);
  } catch {
    return [];
  }
}

function mostDescriptors(): PlainSample[] {
  try {
    const most = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return most === undefined || most === 'unlimited' ? [] : one(Number(most));
  } catch {
    return [];
  }
}

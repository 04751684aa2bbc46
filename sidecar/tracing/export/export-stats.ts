/** Counts what becomes of spans that are exported, and says in the log when a collector stops taking them and when it takes them again: not of each batch. */
import type { Log } from '../../runtime/log.ts';
import type { Counter, StatStore } from '../../stats/stat-store.ts';
import type { DropReason, ExportFailure, ExportObserver } from './batch-exporter.ts';

export type ExporterKind = 'otlp_grpc' | 'otlp_http' | 'zipkin';

const dropReasons: readonly DropReason[] = ['queue', 'rejected', 'failed', 'shutdown'];
const failureReasons: readonly ExportFailure[] = ['cluster', 'connection', 'timeout', 'status', 'answer'];

const sentFamily = 'outrigger_tracing_spans_sent_total';
const droppedFamily = 'outrigger_tracing_spans_dropped_total';
const failedFamily = 'outrigger_tracing_export_failures_total';

/** Of a collector's reason, for the log. */
const mostWords = 300;

export class ExportStats implements ExportObserver {
  readonly #collector: string;
  readonly #log: Log;
  readonly #sent: Counter;
  readonly #dropped: ReadonlyMap<DropReason, Counter>;
  readonly #failed: ReadonlyMap<ExportFailure, Counter>;
  readonly #envoySent: Counter;
  readonly #envoyTimer: Counter;
  readonly #envoyDropped: Counter;
  readonly #reportsSent: Counter | null;
  readonly #reportsFailed: Counter | null;
  /** The last that was told of it: it does not work. */
  #broken = false;
  /** It was told that it took only some. */
  #rejects = false;

  constructor(stats: StatStore, log: Log, kind: ExporterKind, collector: string) {
    this.#collector = collector;
    this.#log = log;
    const labels = { exporter: kind, collector };
    const ours = (family: string, reason: string): Counter =>
      stats.counter(family, family, reason === '' ? labels : { ...labels, reason });
    this.#sent = ours(sentFamily, '');
    this.#dropped = new Map(dropReasons.map((reason) => [reason, ours(droppedFamily, reason)]));
    this.#failed = new Map(failureReasons.map((reason) => [reason, ours(failedFamily, reason)]));
    // Envoy's, which do not tell collectors apart.
    const prefix = kind === 'zipkin' ? 'tracing.zipkin' : 'tracing.opentelemetry';
    this.#envoySent = stats.counter(`${prefix}.spans_sent`);
    this.#envoyTimer = stats.counter(`${prefix}.timer_flushed`);
    this.#envoyDropped = stats.counter(`${prefix}.spans_dropped`);
    const reports = kind === 'zipkin' ? 'reports' : kind === 'otlp_http' ? 'http_reports' : null;
    this.#reportsSent = reports === null ? null : stats.counter(`${prefix}.${reports}_sent`);
    this.#reportsFailed = reports === null ? null : stats.counter(`${prefix}.${reports}_failed`);
  }

  sent(items: number): void {
    this.#sent.value += items;
    this.#envoySent.value += items;
    if (this.#reportsSent !== null) this.#reportsSent.value++;
    if (!this.#broken) return;
    this.#broken = false;
    this.#log.info(`tracing: ${this.#collector} takes spans again`);
  }

  dropped(items: number, reason: DropReason): void {
    this.#dropped.get(reason)!.value += items;
    this.#envoyDropped.value += items;
  }

  rejected(items: number, why: string): void {
    if (this.#rejects) return;
    this.#rejects = true;
    const words = why === '' ? 'it does not say why' : JSON.stringify(why.slice(0, mostWords));
    this.#log.warn(
      `tracing: ${this.#collector} took a batch without ${items} of its spans: ${words}; this is said once`,
    );
  }

  failed(reason: ExportFailure, why: string): void {
    this.#failed.get(reason)!.value++;
    if (this.#reportsFailed !== null) this.#reportsFailed.value++;
    if (this.#broken) return;
    this.#broken = true;
    this.#log.warn(
      `tracing: ${this.#collector} does not take spans (${why}); they wait, and are dropped when there are too many`,
    );
  }

  flushedByTimer(): void {
    this.#envoyTimer.value++;
  }
}

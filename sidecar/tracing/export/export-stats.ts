/** Counts what becomes of spans that are exported, and has it told in the log. */
import type { DropReason, ExportFailure, ExportObserver } from '../../export/batch-exporter.ts';
import { CollectorLog } from '../../export/collector-log.ts';
import type { Log } from '../../runtime/log.ts';
import type { Counter, StatStore } from '../../stats/stat-store.ts';

export type ExporterKind = 'otlp_grpc' | 'otlp_http' | 'zipkin';

const dropReasons: readonly DropReason[] = ['queue', 'rejected', 'failed', 'shutdown'];
const failureReasons: readonly ExportFailure[] = ['cluster', 'connection', 'timeout', 'status', 'answer'];

const sentFamily = 'outrigger_tracing_spans_sent_total';
const droppedFamily = 'outrigger_tracing_spans_dropped_total';
const failedFamily = 'outrigger_tracing_export_failures_total';

export class ExportStats implements ExportObserver {
  readonly #log: CollectorLog;
  readonly #sent: Counter;
  readonly #dropped: ReadonlyMap<DropReason, Counter>;
  readonly #failed: ReadonlyMap<ExportFailure, Counter>;
  readonly #envoySent: Counter;
  readonly #envoyTimer: Counter;
  readonly #envoyDropped: Counter;
  readonly #reportsSent: Counter | null;
  readonly #reportsFailed: Counter | null;

  constructor(stats: StatStore, log: Log, kind: ExporterKind, collector: string) {
    this.#log = new CollectorLog(log, `tracing: ${collector}`, 'spans');
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
    this.#log.taken();
  }

  dropped(items: number, reason: DropReason): void {
    this.#dropped.get(reason)!.value += items;
    this.#envoyDropped.value += items;
  }

  rejected(items: number, why: string): void {
    this.#log.rejected(items, why);
  }

  failed(reason: ExportFailure, why: string): void {
    this.#failed.get(reason)!.value++;
    if (this.#reportsFailed !== null) this.#reportsFailed.value++;
    this.#log.failed(why);
  }

  flushedByTimer(): void {
    this.#envoyTimer.value++;
  }
}

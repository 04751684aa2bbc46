/** Spans on their way to a collector: encoded when their request ends, so that what waits is bytes. */
import type { BatchExporter } from '../../export/batch-exporter.ts';
import type { Span, SpanSink } from '../span.ts';

export class SpanQueue implements SpanSink {
  readonly #encode: (span: Span) => Buffer;
  readonly #exporter: BatchExporter;

  /** `encode`: good until the next. */
  constructor(encode: (span: Span) => Buffer, exporter: BatchExporter) {
    this.#encode = encode;
    this.#exporter = exporter;
  }

  offer(spans: readonly Span[]): void {
    const exporter = this.#exporter;
    for (let i = 0; i < spans.length; i++) {
      if (exporter.full) {
        exporter.turnAway(spans.length - i);
        return;
      }
      exporter.offer(this.#encode(spans[i]!));
    }
  }

  /** As that of the exporter. */
  close(limitMs: number, onClosed: () => void): void {
    this.#exporter.close(limitMs, onClosed);
  }
}

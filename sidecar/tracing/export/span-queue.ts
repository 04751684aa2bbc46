/**
 * Spans on their way to a collector: encoded when their request ends, so that what waits is bytes, side by side in one piece of memory. Objects that wait for a batch would be moved by the garbage collector, and would hold
 * on to what peers sent; a buffer for each would have it look through the whole heap, again and again.
 */
import type { Span, SpanSink } from '../span.ts';
import { BatchExporter, type BatchExporterInit, type ExportTransport } from './batch-exporter.ts';
import { ByteRing } from './byte-ring.ts';

/** `encode` gets the spans of a batch one behind the other, in pieces that may begin and end within one. */
export interface SpanTransport extends ExportTransport<Buffer> {
  /** One span, as `encode` takes it. Good until the next. */
  encodeSpan(span: Span): Buffer;
}

export class SpanQueue implements SpanSink {
  readonly #transport: SpanTransport;
  /** Of the length of each span, whose bytes are in the ring. */
  readonly #exporter: BatchExporter<number>;
  readonly #encoded = new ByteRing();

  constructor(init: Omit<BatchExporterInit<Buffer>, 'bytesOf' | 'transport'> & { readonly transport: SpanTransport }) {
    const { transport } = init;
    this.#transport = transport;
    this.#exporter = new BatchExporter<number>({
      ...init,
      transport: {
        encode: (lengths) => transport.encode(this.#encoded.shift(lengths.reduce((sum, length) => sum + length, 0))),
        release: () => transport.release(),
        send: (message, done) => transport.send(message, done),
      },
      bytesOf: (length) => length,
    });
  }

  offer(spans: readonly Span[]): void {
    const exporter = this.#exporter;
    for (let i = 0; i < spans.length; i++) {
      if (exporter.full) {
        exporter.turnAway(spans.length - i);
        return;
      }
      const bytes = this.#transport.encodeSpan(spans[i]!);
      if (exporter.offer(bytes.length)) this.#encoded.push(bytes);
    }
  }

  /** As that of the exporter. */
  close(limitMs: number, onClosed: () => void): void {
    this.#exporter.close(limitMs, onClosed);
  }
}

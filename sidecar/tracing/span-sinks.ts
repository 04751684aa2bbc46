/** Where connection managers get the way out for their spans: the seam to the exporters, whose code is there only when a configuration asks for them. */
import type { TracingProviderConfig } from '../config/tracing-config.ts';
import type { SpanSink } from './span.ts';

export interface SpanSinks {
  /** The same for the same provider, whoever asks. Spans that it is offered after no configuration names the provider any more are dropped and counted. */
  sink(provider: TracingProviderConfig): SpanSink;
}

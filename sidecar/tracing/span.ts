// One span of a trace, as exporters take it: the seam between what makes spans (from a request's record, when it has ended) and what sends them (tracing/export/). It is OpenTelemetry's model, cut to what a proxy says.

export type SpanAttribute = readonly [name: string, value: string | number | boolean];

export interface SpanEvent {
  readonly atWallMs: number;
  readonly name: string;
  readonly attributes: readonly SpanAttribute[];
}

export interface Span {
  /** 32 hexadecimal digits in lower case. */
  readonly traceId: string;
  /** 16 hexadecimal digits in lower case. */
  readonly spanId: string;
  /** Empty: it is the root of its trace. */
  readonly parentSpanId: string;
  /** W3C `tracestate` as it came; empty: there was none. */
  readonly traceState: string;
  readonly name: string;
  readonly kind: 'server' | 'client' | 'internal';
  /** Milliseconds since 1970, with a fraction. */
  readonly startWallMs: number;
  readonly endWallMs: number;
  readonly attributes: readonly SpanAttribute[];
  readonly events: readonly SpanEvent[];
  /** Status ERROR of OpenTelemetry; false leaves it unset. */
  readonly failed: boolean;
  readonly statusMessage: string;
}

export interface SpanSink {
  /** Takes the spans of one request. Never blocks and never throws; past its bound they are dropped and counted. */
  offer(spans: readonly Span[]): void;
}

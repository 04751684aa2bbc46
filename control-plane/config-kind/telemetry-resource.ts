/** What a Telemetry document says, after validation. Null or absent parts are as the next less specific document says. */
import type { PolicyBase } from './policy-resource.ts';

export interface TelemetryResource extends PolicyBase {
  readonly kind: 'Telemetry';
  /** Null: nothing is said of it. */
  readonly tracing: TracingSettings | null;
  readonly accessLog: AccessLogSettings | null;
  readonly metrics: MetricSettings | null;
}

export type PropagationFormat = 'w3c' | 'b3' | 'b3multi';

/** Each field that is null is as a less specific document says, and then the default. */
export interface TracingSettings {
  readonly enabled: boolean | null;
  readonly samplingPercent: number | null;
  readonly maxTracesPerSecond: number | null;
  readonly exporters: readonly TraceExporter[] | null;
  readonly propagation: readonly PropagationFormat[] | null;
  readonly keep: { readonly errors: boolean; readonly slowerThanMs: number | null } | null;
  readonly tags: readonly TraceTag[] | null;
  readonly events: boolean | null;
}

export interface TraceExporter {
  readonly protocol: 'otlp-grpc' | 'otlp-http' | 'zipkin';
  readonly target: CollectorTarget;
  /** Of HTTP requests. */
  readonly path: string;
  readonly headers: ReadonlyArray<readonly [string, string]>;
  readonly timeoutMs: number;
}

/** `path`: field path of it in the document, for messages. */
export type CollectorTarget =
  | { readonly kind: 'address'; readonly host: string; readonly port: number; readonly path: string }
  | {
      readonly kind: 'service';
      readonly namespace: string;
      readonly service: string;
      readonly port: number;
      readonly path: string;
    };

export interface TraceTag {
  readonly name: string;
  readonly from:
    | { readonly kind: 'literal'; readonly value: string }
    | { readonly kind: 'header' | 'environment'; readonly name: string; readonly defaultValue: string };
}

export interface AccessLogSettings {
  /** `errors`: answers of 500 and more, and whatever has a response flag. */
  readonly mode: 'all' | 'errors' | 'off';
  readonly filter: AccessLogFilter;
  readonly format: AccessLogFormat;
  readonly sinks: readonly AccessLogSink[];
}

/** All of what is given must hold; null and empty: anything. */
export interface AccessLogFilter {
  readonly minStatus: number | null;
  readonly minDurationMs: number | null;
  readonly flags: readonly string[];
  readonly sharePercent: number | null;
  readonly headers: ReadonlyArray<{ readonly name: string; readonly value: string | null }>;
  readonly expression: string;
}

export type AccessLogFormat =
  /** Our JSON line. */
  | { readonly kind: 'default' }
  | { readonly kind: 'json'; readonly fields: ReadonlyArray<readonly [string, string]> }
  | { readonly kind: 'text'; readonly text: string };

export type AccessLogSink =
  | { readonly kind: 'stdout' | 'stderr' }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'otlp' | 'als'; readonly target: CollectorTarget; readonly logName: string };

export type RequestAttribute = 'method' | 'responseClass' | 'destinationSubset' | 'destinationZone';
export type OmittedLabel = 'route' | 'protocol' | 'grpcStatus' | 'flags';
export type OmittedMetric = 'duration' | 'requestBytes' | 'responseBytes';

/** Of requests' metrics. */
export interface MetricSettings {
  /** `header` in lower case. */
  readonly labels: ReadonlyArray<{
    readonly name: string;
    readonly from: RequestAttribute | { readonly header: string; readonly values: readonly string[] };
  }>;
  readonly omitLabels: readonly OmittedLabel[];
  readonly omit: readonly OmittedMetric[];
}

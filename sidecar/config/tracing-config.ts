/**
 * Our frozen form of Envoy's HttpConnectionManager.Tracing with its provider, and of what ours adds (outrigger.observe.v1.MeshTracing). Made and validated only in sidecar/xds; no protobuf here.
 * Absent tracing (null in the connection manager's config) means that trace headers pass untouched.
 */

export interface TracingConfig {
  /** Where spans go. Null: nowhere, but trace headers are kept, made and handed on all the same. */
  readonly provider: TracingProviderConfig | null;
  /** Formats of trace headers: read in this order, the first that is there counts; all of them are written. Default: w3c alone. */
  readonly propagation: readonly PropagationFormat[];
  /** Of requests that a caller asks to have traced (`x-client-trace-id`), per 10 000; default 10 000. */
  readonly clientSampling: number;
  /** Of requests that bring no decision with them, per 10 000; default 10 000. */
  readonly randomSampling: number;
  /** Of all that were chosen, however they were, per 10 000; default 10 000. */
  readonly overallSampling: number;
  /** Spans sampled per second at most, of requests that bring no decision with them; 0: no limit. */
  readonly ratePerSecond: number;
  /** Each try of a request is a span of its own beside that of the request. Envoy's default is false; the control plane asks for it. */
  readonly spawnUpstreamSpan: boolean;
  readonly customTags: readonly CustomTagConfig[];
  /** Phases of a request are events of its span. */
  readonly verbose: boolean;
  /** Characters of a path that stand in a span; default 256. */
  readonly maxPathTagLength: number;
  readonly tailKeep: TailKeepConfig;
}

export type PropagationFormat = 'w3c' | 'b3' | 'b3multi';

/** Requests whose spans are sent although nothing chose them when they began: what makes them so is known at their end only. */
export interface TailKeepConfig {
  /** Answers of 500 and more, failed gRPC calls, and all with a response flag. Default false. */
  readonly errors: boolean;
  /** Requests that took this long or longer; Infinity: none. */
  readonly slowerThanMs: number;
}

export type TracingProviderConfig =
  | OpenTelemetryProviderConfig
  | ZipkinProviderConfig
  /** Every span goes to each of them. */
  | { readonly kind: 'several'; readonly providers: ReadonlyArray<OpenTelemetryProviderConfig | ZipkinProviderConfig> };

/** Bounds of what waits to be sent, the same for all exporters. */
export interface ExportQueueConfig {
  /** Spans that may wait; further ones are dropped and counted. Default 2048 (OpenTelemetry's batch processor). */
  readonly maxQueueSpans: number;
  /** What they may take in memory, by an estimate; default 4 MiB. */
  readonly maxQueueBytes: number;
  /** Spans in one message; default 512. */
  readonly maxBatchSpans: number;
  /** After which those that wait are sent though they are fewer; default 1 s here (Envoy's and OpenTelemetry's: 5 s). */
  readonly delayMs: number;
}

export interface OpenTelemetryProviderConfig {
  readonly kind: 'opentelemetry';
  readonly transport: 'grpc' | 'http';
  readonly cluster: string;
  /** `:authority`, or Host. */
  readonly authority: string;
  /** Of the HTTP request, default `/v1/traces`; the gRPC method's own path otherwise. */
  readonly path: string;
  /** `service.name` of the resource; '': the sidecar's `node.cluster`. */
  readonly serviceName: string;
  /** Of the resource, beside those that say which service and instance this is. */
  readonly resourceAttributes: ReadonlyArray<readonly [string, string]>;
  /** Metadata of the call, or fields of the request. */
  readonly headers: ReadonlyArray<readonly [string, string]>;
  /** For one export; default 10 s. */
  readonly timeoutMs: number;
  readonly queue: ExportQueueConfig;
}

export interface ZipkinProviderConfig {
  readonly kind: 'zipkin';
  readonly cluster: string;
  /** Default `/api/v2/spans` from the control plane; Envoy has none. */
  readonly path: string;
  /** Host of the request; default: the cluster's name. */
  readonly hostname: string;
  /** Ids of new traces have 128 bits. Ours always have; kept for the dump. */
  readonly traceId128: boolean;
  /** Client and server span of a hop between two proxies share their id (B3's old way). */
  readonly sharedSpanContext: boolean;
  /** `localEndpoint.serviceName`; '': the sidecar's `node.cluster`. */
  readonly serviceName: string;
  /** For one export; default 10 s. */
  readonly timeoutMs: number;
  readonly queue: ExportQueueConfig;
}

/** `envoy.type.tracing.v3.CustomTag`: an attribute that every span of the connection manager gets. */
export type CustomTagConfig =
  /** Also one of the environment, which is read when the configuration arrives. */
  | { readonly kind: 'literal'; readonly tag: string; readonly value: string }
  | {
      readonly kind: 'header';
      readonly tag: string;
      readonly name: string /** '': no tag then */;
      readonly defaultValue: string;
    };

/** `Route.tracing`: what a route says instead of its connection manager. */
export interface RouteTracingConfig {
  /** Per 10 000, as in {@link TracingConfig}. */
  readonly clientSampling: number;
  readonly randomSampling: number;
  readonly overallSampling: number;
  /** Of the connection manager and the route together; of two of one name the route's. Only the route's own stand here. */
  readonly customTags: readonly CustomTagConfig[];
}

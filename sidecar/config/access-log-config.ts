/** Our frozen form of Envoy's AccessLog: of what something is logged, in which format, and where it goes. Made and validated only in sidecar/xds; no protobuf here. */
import type { FractionConfig } from './fault-config.ts';
import type { MetadataMatchConfig } from './rbac-config.ts';
import type { HeaderMatchConfig } from './route-config.ts';

export interface AccessLogConfig {
  readonly sink: AccessLogSinkConfig;
  /** Null: everything is logged. */
  readonly filter: AccessLogFilterConfig | null;
}

export type LineSinkConfig = { readonly format: LogFormatConfig } & (
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'stdout' }
  | { readonly kind: 'stderr' }
);

export type AccessLogSinkConfig = LineSinkConfig | LogServiceConfig;

/** Envoy command operators (`%REQ(:METHOD)%`). */
export type LogFormatConfig =
  /** Our JSON line with every field that explain needs. */
  | { readonly kind: 'default' }
  | {
      readonly kind: 'json';
      readonly value: JsonFormatConfig;
      /** Names whose value is absent are left out; default false: null. */
      readonly omitEmpty: boolean;
    }
  | {
      readonly kind: 'text';
      readonly text: string;
      /** What is absent is nothing; default false: a dash. */
      readonly omitEmpty: boolean;
    };

/** Strings may have operators; all else stands as it is. Objects as pairs, in the order in which they are written. */
export type JsonFormatConfig =
  | string
  | number
  | boolean
  | null
  | { readonly list: readonly JsonFormatConfig[] }
  | { readonly fields: ReadonlyArray<readonly [string, JsonFormatConfig]> };

/** A service that takes log entries: what is the same of all. */
interface CommonServiceConfig {
  readonly logName: string;
  readonly cluster: string;
  readonly authority: string;
  readonly initialMetadata: ReadonlyArray<readonly [string, string]>;
  /** Entries wait so long, or until there are so many bytes of them. */
  readonly flushIntervalMs: number;
  readonly bufferBytes: number;
}

export type LogServiceConfig = AlsConfig | OtlpLogConfig;

/** Envoy's access log service (StreamAccessLogs). */
export interface AlsConfig extends CommonServiceConfig {
  readonly kind: 'als';
  readonly entries: 'http' | 'tcp';
  /** Names in lower case. */
  readonly requestHeaders: readonly string[];
  readonly responseHeaders: readonly string[];
  readonly responseTrailers: readonly string[];
}

/** OpenTelemetry's logs over gRPC (LogsService/Export). */
export interface OtlpLogConfig extends CommonServiceConfig {
  readonly kind: 'otlp';
  /** `access_logs.open_telemetry_access_log.<this>.`; '': without. */
  readonly statPrefix: string;
  /** For an answer; after that the call is given up and made again. */
  readonly timeoutMs: number;
  /** Null: none; with no attributes either, our JSON line as text. */
  readonly body: JsonFormatConfig | null;
  readonly attributes: ReadonlyArray<readonly [string, JsonFormatConfig]>;
  readonly resourceAttributes: ReadonlyArray<readonly [string, JsonFormatConfig]>;
  /** `log_name`, `zone_name`, `cluster_name`, `node_name` of the resource. */
  readonly builtinLabels: boolean;
}

export type AccessLogFilterConfig =
  | { readonly kind: 'all-of'; readonly filters: readonly AccessLogFilterConfig[] }
  | { readonly kind: 'any-of'; readonly filters: readonly AccessLogFilterConfig[] }
  /** `of`: the status (0 for connections), or the whole milliseconds that it took. */
  | {
      readonly kind: 'compare';
      readonly of: 'status' | 'duration';
      readonly operator: 'equal' | 'least' | 'most';
      readonly value: number;
    }
  /** Empty: any flag. */
  | { readonly kind: 'flags'; readonly flags: readonly string[] }
  /** `byRequestId`: the same decision on every hop that has the request id. */
  | { readonly kind: 'share'; readonly share: FractionConfig; readonly byRequestId: boolean }
  | { readonly kind: 'header'; readonly header: HeaderMatchConfig }
  /** `exclude`: all others. */
  | { readonly kind: 'grpc-status'; readonly statuses: readonly number[]; readonly exclude: boolean }
  /** `whenMissing`: what holds where the key is not there. */
  | { readonly kind: 'metadata'; readonly metadata: MetadataMatchConfig; readonly whenMissing: boolean }
  | { readonly kind: 'log-type'; readonly types: readonly LogType[]; readonly exclude: boolean }
  /** A CEL expression as it was written. */
  | { readonly kind: 'expression'; readonly expression: string }
  /** Its trace is kept. */
  | { readonly kind: 'traceable' }
  /** Requests that no health check filter answered: all, as there is no such filter here. */
  | { readonly kind: 'not-health-check' };

/** When something is logged (Envoy's AccessLogType): we log ends only. `NotSet`: connections that no filter chain took. */
export type LogType = 'DownstreamEnd' | 'TcpConnectionEnd' | 'NotSet' | 'Other';

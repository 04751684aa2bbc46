/** Access logs of Telemetry documents → `access_log` of connection managers and TCP proxies. Without a document: errors, as JSON, on the standard error of our sidecars. */
import { create, type DescMessage, type JsonObject, type MessageShape } from '@bufbuild/protobuf';
import {
  type AccessLog,
  type AccessLogFilter,
  AccessLogFilterSchema,
  AccessLogSchema,
  ComparisonFilter_Op,
} from '../../proto/generated/envoy/config/accesslog/v3/accesslog_pb.js';
import { ApiVersion } from '../../proto/generated/envoy/config/core/v3/config_source_pb.js';
import type { SubstitutionFormatString } from '../../proto/generated/envoy/config/core/v3/substitution_format_string_pb.js';
import { SubstitutionFormatStringSchema } from '../../proto/generated/envoy/config/core/v3/substitution_format_string_pb.js';
import { FileAccessLogSchema } from '../../proto/generated/envoy/extensions/access_loggers/file/v3/file_pb.js';
import { ExpressionFilterSchema } from '../../proto/generated/envoy/extensions/access_loggers/filters/cel/v3/cel_pb.js';
import {
  type CommonGrpcAccessLogConfig,
  CommonGrpcAccessLogConfigSchema,
  HttpGrpcAccessLogConfigSchema,
  TcpGrpcAccessLogConfigSchema,
} from '../../proto/generated/envoy/extensions/access_loggers/grpc/v3/als_pb.js';
import { OpenTelemetryAccessLogConfigSchema } from '../../proto/generated/envoy/extensions/access_loggers/open_telemetry/v3/logs_service_pb.js';
import {
  StderrAccessLogSchema,
  StdoutAccessLogSchema,
} from '../../proto/generated/envoy/extensions/access_loggers/stream/v3/stream_pb.js';
import { FractionalPercent_DenominatorType } from '../../proto/generated/envoy/type/v3/percent_pb.js';
import type { AccessLogFormat, AccessLogSettings, AccessLogSink } from '../config-kind/telemetry-resource.ts';
import { collectorAuthority, collectorCluster } from './encode-collector.ts';
import { packAny } from './encoded-resource.ts';
import { KeptByParts } from './kept-by-parts.ts';
import type { ClientKind } from './proxy-node.ts';

/** What is logged: requests, or connections that are not looked into. */
export type Logged = 'http' | 'tcp';

const kept = new KeptByParts<AccessLog[]>();

/** `settings` null: nobody says anything. */
export function encodeAccessLogs(settings: AccessLogSettings | null, kind: ClientKind, logged: Logged): AccessLog[] {
  if (settings === null) return kind === 'outrigger' ? [errorLog()] : [];
  return kept.get([settings], `${kind} ${logged}`, () => makeAccessLogs(settings, kind, logged));
}

function makeAccessLogs(settings: AccessLogSettings, kind: ClientKind, logged: Logged): AccessLog[] {
  if (settings.mode === 'off') return [];
  const filter = filterOf(settings);
  return settings.sinks.map((sink) =>
    create(AccessLogSchema, {
      ...logger(sink, settings.format, kind, logged),
      ...(filter === null ? {} : { filter }),
    }),
  );
}

/** One JSON line on stderr for every answer that went wrong. Our own format; Envoy's default is another. */
function errorLog(): AccessLog {
  return create(AccessLogSchema, {
    name: 'envoy.access_loggers.stderr',
    configType: { case: 'typedConfig', value: packAny(StderrAccessLogSchema, create(StderrAccessLogSchema)) },
    filter: errorsOnly(),
  });
}

/** 500 and above, or with a response flag. */
function errorsOnly(): AccessLogFilter {
  return create(AccessLogFilterSchema, {
    filterSpecifier: {
      case: 'orFilter',
      value: {
        filters: [
          { filterSpecifier: { case: 'statusCodeFilter', value: atLeast(500, 'outrigger.access_log.errors') } },
          { filterSpecifier: { case: 'responseFlagFilter', value: {} } },
        ],
      },
    },
  });
}

/** Envoy wants a key of its runtime with each number, though nothing is there. */
function atLeast(value: number, runtimeKey: string) {
  return { comparison: { op: ComparisonFilter_Op.GE, value: { defaultValue: value, runtimeKey } } };
}

/** Null: everything. */
function filterOf({ mode, filter }: AccessLogSettings): AccessLogFilter | null {
  const { minStatus, minDurationMs, flags, sharePercent, headers, expression } = filter;
  const one = (filterSpecifier: AccessLogFilter['filterSpecifier']): AccessLogFilter =>
    create(AccessLogFilterSchema, { filterSpecifier });
  const parts: AccessLogFilter[] = mode === 'errors' ? [errorsOnly()] : [];
  const init = (specifier: Parameters<typeof create<typeof AccessLogFilterSchema>>[1]): void =>
    void parts.push(create(AccessLogFilterSchema, specifier));
  if (minStatus !== null)
    init({ filterSpecifier: { case: 'statusCodeFilter', value: atLeast(minStatus, 'outrigger.access_log.status') } });
  if (minDurationMs !== null)
    init({
      filterSpecifier: { case: 'durationFilter', value: atLeast(minDurationMs, 'outrigger.access_log.duration') },
    });
  if (flags.length > 0) init({ filterSpecifier: { case: 'responseFlagFilter', value: { flags: [...flags] } } });
  if (sharePercent !== null)
    init({
      filterSpecifier: {
        case: 'runtimeFilter',
        value: {
          runtimeKey: 'outrigger.access_log.share',
          percentSampled: {
            numerator: Math.round(sharePercent * 10_000),
            denominator: FractionalPercent_DenominatorType.MILLION,
          },
        },
      },
    });
  for (const { name, value } of headers)
    init({
      filterSpecifier: {
        case: 'headerFilter',
        value: {
          header: {
            name,
            headerMatchSpecifier:
              value === null
                ? { case: 'presentMatch', value: true }
                : { case: 'stringMatch', value: { matchPattern: { case: 'exact', value } } },
          },
        },
      },
    });
  if (expression !== '')
    init({
      filterSpecifier: {
        case: 'extensionFilter',
        value: {
          name: 'envoy.access_loggers.extension_filters.cel',
          configType: {
            case: 'typedConfig',
            value: packAny(ExpressionFilterSchema, create(ExpressionFilterSchema, { expression })),
          },
        },
      },
    });
  if (parts.length < 2) return parts[0] ?? null;
  return one({ case: 'andFilter', value: { $typeName: 'envoy.config.accesslog.v3.AndFilter', filters: parts } });
}

function logger(
  sink: AccessLogSink,
  format: AccessLogFormat,
  kind: ClientKind,
  logged: Logged,
): Pick<AccessLog, 'name' | 'configType'> {
  switch (sink.kind) {
    case 'file':
      return typed(
        'envoy.access_loggers.file',
        FileAccessLogSchema,
        create(FileAccessLogSchema, { path: sink.path, ...lineFormat(format, kind) }),
      );
    case 'stdout':
      return typed(
        'envoy.access_loggers.stdout',
        StdoutAccessLogSchema,
        create(StdoutAccessLogSchema, lineFormat(format, kind)),
      );
    case 'stderr':
      return typed(
        'envoy.access_loggers.stderr',
        StderrAccessLogSchema,
        create(StderrAccessLogSchema, lineFormat(format, kind)),
      );
    case 'als':
      return logged === 'http'
        ? typed(
            'envoy.access_loggers.http_grpc',
            HttpGrpcAccessLogConfigSchema,
            create(HttpGrpcAccessLogConfigSchema, { commonConfig: service(sink) }),
          )
        : typed(
            'envoy.access_loggers.tcp_grpc',
            TcpGrpcAccessLogConfigSchema,
            create(TcpGrpcAccessLogConfigSchema, { commonConfig: service(sink) }),
          );
    case 'otlp':
      return typed(
        'envoy.access_loggers.open_telemetry',
        OpenTelemetryAccessLogConfigSchema,
        create(OpenTelemetryAccessLogConfigSchema, { commonConfig: service(sink), ...otlpContent(format, kind) }),
      );
  }
}

function typed<Schema extends DescMessage>(
  name: string,
  schema: Schema,
  message: MessageShape<Schema>,
): Pick<AccessLog, 'name' | 'configType'> {
  return { name, configType: { case: 'typedConfig', value: packAny(schema, message) } };
}

function service({ target, logName }: Extract<AccessLogSink, { kind: 'als' | 'otlp' }>): CommonGrpcAccessLogConfig {
  return create(CommonGrpcAccessLogConfigSchema, {
    logName,
    transportApiVersion: ApiVersion.V3,
    grpcService: {
      targetSpecifier: {
        case: 'envoyGrpc',
        value: { clusterName: collectorCluster(target, 'http2'), authority: collectorAuthority(target) },
      },
    },
  });
}

/** Nothing: our sidecar's own line. */
function lineFormat(
  format: AccessLogFormat,
  kind: ClientKind,
): { accessLogFormat?: { case: 'logFormat'; value: SubstitutionFormatString } } {
  if (format.kind === 'default' && kind === 'outrigger') return {};
  return {
    accessLogFormat: {
      case: 'logFormat',
      value: create(SubstitutionFormatStringSchema, {
        format:
          format.kind === 'text'
            ? {
                case: 'textFormatSource',
                value: { specifier: { case: 'inlineString', value: `${format.text.replace(/\n$/, '')}\n` } },
              }
            : { case: 'jsonFormat', value: jsonOf(format) },
      }),
    },
  };
}

function jsonOf(format: Exclude<AccessLogFormat, { kind: 'text' }>): JsonObject {
  return Object.fromEntries(format.kind === 'json' ? format.fields : envoyFields);
}

/** Attributes of a log record, or its body; nothing: our sidecar's own line as the body. */
function otlpContent(format: AccessLogFormat, kind: ClientKind) {
  if (format.kind === 'default' && kind === 'outrigger') return {};
  const text = (value: string) => ({ value: { case: 'stringValue' as const, value } });
  if (format.kind === 'text') return { body: text(format.text) };
  const fields = format.kind === 'json' ? format.fields : envoyFields;
  return { attributes: { values: fields.map(([key, value]) => ({ key, value: text(value) })) } };
}

/** The default as far as Envoy can say it, under the names of our own line. */
const envoyFields: ReadonlyArray<readonly [string, string]> = [
  ['start_time', '%START_TIME%'],
  ['method', '%REQ(:METHOD)%'],
  ['path', '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%'],
  ['authority', '%REQ(:AUTHORITY)%'],
  ['protocol', '%PROTOCOL%'],
  ['status', '%RESPONSE_CODE%'],
  ['flags', '%RESPONSE_FLAGS%'],
  ['details', '%RESPONSE_CODE_DETAILS%'],
  ['bytes_received', '%BYTES_RECEIVED%'],
  ['bytes_sent', '%BYTES_SENT%'],
  ['duration_ms', '%DURATION%'],
  ['upstream_service_time_ms', '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%'],
  ['upstream_host', '%UPSTREAM_HOST%'],
  ['cluster', '%UPSTREAM_CLUSTER%'],
  ['route', '%ROUTE_NAME%'],
  ['attempts', '%UPSTREAM_REQUEST_ATTEMPT_COUNT%'],
  ['request_id', '%REQ(X-REQUEST-ID)%'],
  ['user_agent', '%REQ(USER-AGENT)%'],
  ['x_forwarded_for', '%REQ(X-FORWARDED-FOR)%'],
  ['downstream_remote', '%DOWNSTREAM_REMOTE_ADDRESS%'],
  ['downstream_peer', '%DOWNSTREAM_PEER_URI_SAN%'],
  ['downstream_local', '%DOWNSTREAM_LOCAL_ADDRESS%'],
];

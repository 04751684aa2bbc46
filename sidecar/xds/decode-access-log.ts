/** Access logs: where lines and entries go, in which format, and of what. */
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { AccessLogConfig, AccessLogSinkConfig, LineSinkConfig } from '../config/access-log-config.ts';
import type { AccessLog } from './api/envoy/config/accesslog/v3/accesslog_pb.js';
import type { FileAccessLog } from './api/envoy/extensions/access_loggers/file/v3/file_pb.js';
import type {
  HttpGrpcAccessLogConfig,
  TcpGrpcAccessLogConfig,
} from './api/envoy/extensions/access_loggers/grpc/v3/als_pb.js';
import type { OpenTelemetryAccessLogConfig } from './api/envoy/extensions/access_loggers/open_telemetry/v3/logs_service_pb.js';
import type { StdoutAccessLog } from './api/envoy/extensions/access_loggers/stream/v3/stream_pb.js';
import { apiRegistry } from './api-registry.ts';
import { logFilter } from './decode-log-filter.ts';
import { fileFormat, substitution } from './decode-log-format.ts';
import { httpLogService, otlpLogService, tcpLogService } from './decode-log-service.ts';
import { at, type Faults } from './fault.ts';

export function accessLogs(messages: readonly AccessLog[], path: string, faults: Faults): AccessLogConfig[] {
  return messages.map((message, i) => accessLog(message, at(path, i), faults));
}

function accessLog(message: AccessLog, path: string, faults: Faults): AccessLogConfig {
  return {
    sink: accessLogSink(message, path, faults),
    filter: message.filter === undefined ? null : logFilter(message.filter, at(path, 'filter'), faults),
  };
}

function accessLogSink(message: AccessLog, path: string, faults: Faults): AccessLogSinkConfig {
  const typed = message.configType.case === 'typedConfig' ? message.configType.value : undefined;
  const here = at(path, 'typed_config');
  const logger = typed === undefined ? undefined : anyUnpack(typed, apiRegistry);
  switch (logger?.$typeName) {
    case 'envoy.extensions.access_loggers.file.v3.FileAccessLog':
      return fileSink(logger as FileAccessLog, here, faults);
    case 'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog':
    case 'envoy.extensions.access_loggers.stream.v3.StderrAccessLog': {
      const format = (logger as StdoutAccessLog).accessLogFormat;
      return {
        kind: logger.$typeName.includes('Stdout') ? 'stdout' : 'stderr',
        format:
          format.case === undefined ? { kind: 'default' } : substitution(format.value, at(here, 'log_format'), faults),
      };
    }
    case 'envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig':
      return httpLogService(logger as HttpGrpcAccessLogConfig, here, faults);
    case 'envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig':
      return tcpLogService(logger as TcpGrpcAccessLogConfig, here, faults);
    case 'envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig':
      return otlpLogService(logger as OpenTelemetryAccessLogConfig, here, faults);
    default:
      if (typed === undefined) faults.add(here, 'is missing');
      return { kind: 'stderr', format: { kind: 'default' } };
  }
}

function fileSink(file: FileAccessLog, path: string, faults: Faults): LineSinkConfig {
  if (file.path === '') faults.add(at(path, 'path'), 'must not be empty');
  const format = fileFormat(file, path, faults);
  switch (file.path) {
    case '/dev/stdout':
      return { kind: 'stdout', format };
    case '/dev/stderr':
      return { kind: 'stderr', format };
    default:
      return { kind: 'file', path: file.path, format };
  }
}

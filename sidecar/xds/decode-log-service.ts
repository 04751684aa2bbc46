/** Access loggers that send entries to a service → LogServiceConfig. */
import type { AlsConfig, OtlpLogConfig } from '../config/access-log-config.ts';
import { ApiVersion } from './api/envoy/config/core/v3/config_source_pb.js';
import type {
  CommonGrpcAccessLogConfig,
  HttpGrpcAccessLogConfig,
  TcpGrpcAccessLogConfig,
} from './api/envoy/extensions/access_loggers/grpc/v3/als_pb.js';
import type { OpenTelemetryAccessLogConfig } from './api/envoy/extensions/access_loggers/open_telemetry/v3/logs_service_pb.js';
import { grpcService } from './decode-ext-authz.ts';
import { anyValue, keyValues } from './decode-log-format.ts';
import { shownText } from './decode-shown-text.ts';
import { bounded, waitMs } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

const defaultFlushMs = 1000;
const leastFlushMs = 10;
const defaultBufferBytes = 16_384;
const mostBufferBytes = 1024 * 1024;
const defaultTimeoutMs = 10_000;

export function httpLogService(message: HttpGrpcAccessLogConfig, path: string, faults: Faults): AlsConfig {
  return {
    kind: 'als',
    entries: 'http',
    ...common(message.commonConfig, at(path, 'common_config'), faults),
    requestHeaders: message.additionalRequestHeadersToLog.map(lower),
    responseHeaders: message.additionalResponseHeadersToLog.map(lower),
    responseTrailers: message.additionalResponseTrailersToLog.map(lower),
  };
}

export function tcpLogService(message: TcpGrpcAccessLogConfig, path: string, faults: Faults): AlsConfig {
  return {
    kind: 'als',
    entries: 'tcp',
    ...common(message.commonConfig, at(path, 'common_config'), faults),
    requestHeaders: [],
    responseHeaders: [],
    responseTrailers: [],
  };
}

export function otlpLogService(message: OpenTelemetryAccessLogConfig, path: string, faults: Faults): OtlpLogConfig {
  const { commonConfig, body, attributes, resourceAttributes, statPrefix } = message;
  const timeout = commonConfig?.grpcService?.timeout;
  return {
    kind: 'otlp',
    ...common(commonConfig, at(path, 'common_config'), faults),
    statPrefix: shownText(statPrefix, at(path, 'stat_prefix'), faults),
    timeoutMs:
      waitMs(timeout, defaultTimeoutMs, at(path, 'common_config.grpc_service.timeout'), faults) || defaultTimeoutMs,
    body: body === undefined ? null : anyValue(body, at(path, 'body'), faults),
    attributes: keyValues(attributes, at(path, 'attributes'), faults),
    resourceAttributes: keyValues(resourceAttributes, at(path, 'resource_attributes'), faults),
    builtinLabels: !message.disableBuiltinLabels,
  };
}

type Common = Pick<
  AlsConfig,
  'logName' | 'cluster' | 'authority' | 'initialMetadata' | 'flushIntervalMs' | 'bufferBytes'
>;

function common(message: CommonGrpcAccessLogConfig | undefined, path: string, faults: Faults): Common {
  if (message === undefined) faults.add(path, 'is missing');
  else if (message.grpcService === undefined) faults.add(at(path, 'grpc_service'), 'is missing');
  const logName = shownText(message?.logName ?? '', at(path, 'log_name'), faults);
  if (message !== undefined && logName === '') faults.add(at(path, 'log_name'), 'must not be empty');
  if (message !== undefined && message.transportApiVersion !== ApiVersion.V3)
    faults.add(at(path, 'transport_api_version'), 'only V3 is supported');
  const { cluster, authority, initialMetadata } = grpcService(message?.grpcService, at(path, 'grpc_service'), faults);
  const flush = at(path, 'buffer_flush_interval');
  const flushIntervalMs = waitMs(message?.bufferFlushInterval, defaultFlushMs, flush, faults);
  if (flushIntervalMs <= 0) faults.add(flush, 'must be above 0');
  return {
    ...{ logName, cluster, authority, initialMetadata },
    flushIntervalMs: Math.max(leastFlushMs, flushIntervalMs),
    bufferBytes: bounded(
      message?.bufferSizeBytes,
      defaultBufferBytes,
      0,
      mostBufferBytes,
      at(path, 'buffer_size_bytes'),
      faults,
    ),
  };
}

function lower(name: string): string {
  return name.toLowerCase();
}

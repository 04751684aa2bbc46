/** Listener with the HTTP connection manager → ListenerConfig. */
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { compileLogFormat } from '../access-log/log-format.ts';
import { defaultHttpLimits } from '../codec/limits.ts';
import type { AccessLogConfig } from '../config/access-log-config.ts';
import type {
  FilterChainConfig,
  ForwardClientCertConfig,
  HttpConnectionManagerConfig,
  ListenerConfig,
} from '../config/listener-config.ts';
import {
  type AccessLog,
  type AccessLogFilter,
  ComparisonFilter_Op,
} from './api/envoy/config/accesslog/v3/accesslog_pb.js';
import { TrafficDirection } from './api/envoy/config/core/v3/base_pb.js';
import type { SubstitutionFormatString } from './api/envoy/config/core/v3/substitution_format_string_pb.js';
import type { Filter, FilterChain } from './api/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from './api/envoy/config/listener/v3/listener_pb.js';
import type { FileAccessLog } from './api/envoy/extensions/access_loggers/file/v3/file_pb.js';
import type { StdoutAccessLog } from './api/envoy/extensions/access_loggers/stream/v3/stream_pb.js';
import {
  type HttpConnectionManager,
  HttpConnectionManager_CodecType,
  HttpConnectionManager_ForwardClientCertDetails,
  HttpConnectionManager_PathWithEscapedSlashesAction,
  HttpConnectionManager_ServerHeaderTransformation,
} from './api/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { apiRegistry } from './api-registry.ts';
import { http2Options } from './decode-cluster.ts';
import { adsOnly } from './decode-config-source.ts';
import { httpFilters } from './decode-http-filters.ts';
import { decodeRouteTable } from './decode-route.ts';
import { downstreamTls } from './decode-tls.ts';
import { bounded, durationMs, hasControlCharacter, mostFields, socketAddress, waitMs } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

const managerType = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

export function decodeListener(message: Listener, path: string, faults: Faults): ListenerConfig {
  const address = socketAddress(message.address, at(path, 'address'), faults);
  const chains = message.filterChains.map((chain, i) => filterChain(chain, at(at(path, 'filter_chains'), i), faults));
  if (chains.length === 0 && message.defaultFilterChain === undefined)
    faults.add(at(path, 'filter_chains'), 'needs at least one filter chain');
  const matches = new Set<string>();
  for (const [i, chain] of chains.entries()) {
    const key = JSON.stringify(chain.match);
    if (matches.has(key))
      faults.add(
        `${at(at(path, 'filter_chains'), i)}.filter_chain_match`,
        'is the same as that of another filter chain',
      );
    matches.add(key);
  }
  return Object.freeze({
    name: message.name === '' ? `${address.host}:${address.port}` : message.name,
    address,
    direction:
      message.trafficDirection === TrafficDirection.INBOUND
        ? 'inbound'
        : message.trafficDirection === TrafficDirection.OUTBOUND
          ? 'outbound'
          : 'unspecified',
    filterChains: chains,
    defaultFilterChain:
      message.defaultFilterChain === undefined
        ? null
        : filterChain(message.defaultFilterChain, at(path, 'default_filter_chain'), faults),
    bufferLimitBytes: message.perConnectionBufferLimitBytes ?? 1024 * 1024,
    // Only tls_inspector gets past check-fields.ts.
    inspectTls: message.listenerFilters.length > 0,
    listenerFiltersTimeoutMs: waitMs(
      message.listenerFiltersTimeout,
      15_000,
      at(path, 'listener_filters_timeout'),
      faults,
    ),
  });
}

function filterChain(message: FilterChain, path: string, faults: Faults): FilterChainConfig {
  const match = message.filterChainMatch;
  const transport = match?.transportProtocol ?? '';
  if (transport !== '' && transport !== 'raw_buffer' && transport !== 'tls')
    faults.add(
      at(path, 'filter_chain_match.transport_protocol'),
      `${JSON.stringify(transport)} is neither raw_buffer nor tls`,
    );
  return {
    name: message.name,
    match: {
      destinationPort:
        match?.destinationPort === undefined
          ? null
          : bounded(match.destinationPort, 0, 1, 65_535, at(path, 'filter_chain_match.destination_port'), faults),
      serverNames: (match?.serverNames ?? []).map((name) => name.toLowerCase()),
      transportProtocol: transport === 'tls' || transport === 'raw_buffer' ? transport : '',
      applicationProtocols: match?.applicationProtocols ?? [],
    },
    tls: downstreamTls(message.transportSocket, at(path, 'transport_socket'), faults),
    httpConnectionManager: onlyFilter(message.filters, at(path, 'filters'), faults),
    handshakeTimeoutMs: waitMs(
      message.transportSocketConnectTimeout,
      10_000,
      at(path, 'transport_socket_connect_timeout'),
      faults,
    ),
  };
}

function onlyFilter(filters: readonly Filter[], path: string, faults: Faults): HttpConnectionManagerConfig {
  if (filters.length !== 1)
    faults.add(
      path,
      `there are ${filters.length} network filters; exactly one, the HTTP connection manager, is supported`,
    );
  const filter = filters[0];
  const typed = filter?.configType.case === 'typedConfig' ? filter.configType.value : undefined;
  const here = at(at(path, 0), 'typed_config');
  const message = typed === undefined ? undefined : anyUnpack(typed, apiRegistry);
  if (message?.$typeName === managerType) return connectionManager(message as HttpConnectionManager, here, faults);
  if (typed === undefined && filters.length > 0) faults.add(here, 'is missing');
  else if (message !== undefined) faults.add(here, `${message.$typeName} is not a network filter that is supported`);
  return unusable;
}

/** Stands in where a fault was recorded: never used, because faults keep the configuration out. */
const unusable = null as unknown as HttpConnectionManagerConfig;

function connectionManager(message: HttpConnectionManager, path: string, faults: Faults): HttpConnectionManagerConfig {
  const common = message.commonHttpProtocolOptions;
  const commonPath = at(path, 'common_http_protocol_options');
  if (message.statPrefix === '') faults.add(at(path, 'stat_prefix'), 'must not be empty');
  if (message.codecType === HttpConnectionManager_CodecType.HTTP3)
    faults.add(at(path, 'codec_type'), 'HTTP3 is not supported; see docs/xds-support.md');
  for (const [field, value] of [
    ['server_name', message.serverName],
    ['via', message.via],
  ] as const)
    if (hasControlCharacter(value)) faults.add(at(path, field), 'has a character that may not stand in a header value');
  for (const [i, { upgradeType }] of message.upgradeConfigs.entries())
    if (upgradeType === '') faults.add(at(at(at(path, 'upgrade_configs'), i), 'upgrade_type'), 'must not be empty');
  return Object.freeze({
    statPrefix: message.statPrefix.replaceAll(':', '_'),
    codec:
      message.codecType === HttpConnectionManager_CodecType.HTTP1
        ? 'http1'
        : message.codecType === HttpConnectionManager_CodecType.HTTP2
          ? 'http2'
          : 'auto',
    routes: routes(message, path, faults),
    gates: httpFilters(message.httpFilters, at(path, 'http_filters'), faults),
    accessLogs: message.accessLog.map((log, i) => accessLog(log, at(at(path, 'access_log'), i), faults)),
    connectionIdleTimeoutMs: durationMs(common?.idleTimeout, 3_600_000, at(commonPath, 'idle_timeout'), faults),
    maxConnectionDurationMs: durationMs(
      common?.maxConnectionDuration,
      0,
      at(commonPath, 'max_connection_duration'),
      faults,
    ),
    maxRequestsPerConnection: common?.maxRequestsPerConnection ?? 0,
    maxStreamDurationMs: durationMs(common?.maxStreamDuration, 0, at(commonPath, 'max_stream_duration'), faults),
    streamIdleTimeoutMs: durationMs(message.streamIdleTimeout, 300_000, at(path, 'stream_idle_timeout'), faults),
    requestTimeoutMs: durationMs(message.requestTimeout, 0, at(path, 'request_timeout'), faults),
    requestHeadersTimeoutMs: durationMs(
      message.requestHeadersTimeout,
      10_000,
      at(path, 'request_headers_timeout'),
      faults,
    ),
    drainTimeoutMs: durationMs(message.drainTimeout, 5_000, at(path, 'drain_timeout'), faults),
    maxHeadBytes:
      bounded(
        message.maxRequestHeadersKb,
        defaultHttpLimits.maxHeadBytes / 1024,
        1,
        8192,
        at(path, 'max_request_headers_kb'),
        faults,
      ) * 1024,
    maxFields: bounded(
      common?.maxHeadersCount,
      defaultHttpLimits.maxFields,
      1,
      mostFields,
      at(commonPath, 'max_headers_count'),
      faults,
    ),
    http2: http2Options(message.http2ProtocolOptions, at(path, 'http2_protocol_options'), faults),
    // proto3 cannot tell false from unset here: HTTP/1.0 is always taken (needs-and-defaults.md 17).
    acceptHttp10: true,
    serverName: message.serverName === '' ? 'outrigger' : message.serverName,
    serverHeaderTransformation: serverHeader(message),
    useRemoteAddress: message.useRemoteAddress ?? false,
    xffTrustedHops: message.xffNumTrustedHops,
    skipXffAppend: message.skipXffAppend,
    via: message.via,
    forwardClientCert: forwardClientCert(message),
    generateRequestId: message.generateRequestId ?? true,
    preserveExternalRequestId: message.preserveExternalRequestId,
    alwaysSetRequestIdInResponse: message.alwaysSetRequestIdInResponse,
    normalizePath: message.normalizePath ?? false,
    mergeSlashes: message.mergeSlashes,
    escapedSlashes: escapedSlashes(message.pathWithEscapedSlashesAction),
    stripHostPort: message.stripMatchingHostPort
      ? 'matching'
      : message.stripPortMode.case === 'stripAnyHostPort' && message.stripPortMode.value
        ? 'any'
        : 'none',
    upgrades: {
      allowAll: message.upgradeConfigs.length === 0,
      allowed: message.upgradeConfigs
        .filter((upgrade) => upgrade.enabled ?? true)
        .map((upgrade) => upgrade.upgradeType.toLowerCase()),
      denied: message.upgradeConfigs
        .filter((upgrade) => upgrade.enabled === false)
        .map((upgrade) => upgrade.upgradeType.toLowerCase()),
    },
  });
}

function routes(message: HttpConnectionManager, path: string, faults: Faults): HttpConnectionManagerConfig['routes'] {
  const specifier = message.routeSpecifier;
  if (specifier.case === 'routeConfig')
    return { kind: 'inline', table: decodeRouteTable(specifier.value, at(path, 'route_config'), faults) };
  if (specifier.case === 'rds') {
    const here = at(path, 'rds');
    if (specifier.value.routeConfigName === '') faults.add(at(here, 'route_config_name'), 'must not be empty');
    adsOnly(specifier.value.configSource, at(here, 'config_source'), faults);
    return { kind: 'rds', name: specifier.value.routeConfigName };
  }
  if (specifier.case === undefined) faults.add(path, 'needs route_config or rds');
  return { kind: 'rds', name: '' };
}

function serverHeader(message: HttpConnectionManager): HttpConnectionManagerConfig['serverHeaderTransformation'] {
  switch (message.serverHeaderTransformation) {
    case HttpConnectionManager_ServerHeaderTransformation.APPEND_IF_ABSENT:
      return 'append_if_absent';
    default:
      // OVERWRITE is Envoy's default and cannot be told from unset: only a server_name asks for it here.
      return message.serverName === '' ||
        message.serverHeaderTransformation === HttpConnectionManager_ServerHeaderTransformation.PASS_THROUGH
        ? 'pass_through'
        : 'overwrite';
  }
}

function forwardClientCert(message: HttpConnectionManager): ForwardClientCertConfig {
  const details = message.setCurrentClientCertDetails;
  return {
    mode: forwardModes[message.forwardClientCertDetails] ?? 'sanitize',
    subject: details?.subject ?? false,
    uri: details?.uri ?? false,
    dns: details?.dns ?? false,
  };
}

const forwardModes: Readonly<Record<number, ForwardClientCertConfig['mode']>> = {
  [HttpConnectionManager_ForwardClientCertDetails.SANITIZE]: 'sanitize',
  [HttpConnectionManager_ForwardClientCertDetails.FORWARD_ONLY]: 'forward-only',
  [HttpConnectionManager_ForwardClientCertDetails.APPEND_FORWARD]: 'append-forward',
  [HttpConnectionManager_ForwardClientCertDetails.SANITIZE_SET]: 'sanitize-set',
  [HttpConnectionManager_ForwardClientCertDetails.ALWAYS_FORWARD_ONLY]: 'always-forward-only',
};

function escapedSlashes(
  action: HttpConnectionManager_PathWithEscapedSlashesAction,
): HttpConnectionManagerConfig['escapedSlashes'] {
  switch (action) {
    case HttpConnectionManager_PathWithEscapedSlashesAction.REJECT_REQUEST:
      return 'reject';
    case HttpConnectionManager_PathWithEscapedSlashesAction.UNESCAPE_AND_REDIRECT:
      return 'unescape_and_redirect';
    case HttpConnectionManager_PathWithEscapedSlashesAction.UNESCAPE_AND_FORWARD:
      return 'unescape_and_forward';
    default:
      return 'keep';
  }
}

function accessLog(message: AccessLog, path: string, faults: Faults): AccessLogConfig {
  return { ...accessLogSink(message, path, faults), filter: logFilter(message.filter, at(path, 'filter'), faults) };
}

/** Everything, or errors only: an answer of 500 or more, or one with a response flag. */
function logFilter(message: AccessLogFilter | undefined, path: string, faults: Faults): AccessLogConfig['filter'] {
  if (message === undefined) return 'all';
  const { filterSpecifier } = message;
  const parts =
    filterSpecifier.case === 'orFilter' ? filterSpecifier.value.filters.map((filter) => filter.filterSpecifier) : [];
  const status = parts.some(
    (part) =>
      part.case === 'statusCodeFilter' &&
      part.value.comparison?.op === ComparisonFilter_Op.GE &&
      part.value.comparison.value?.defaultValue === 500,
  );
  const flags = parts.some((part) => part.case === 'responseFlagFilter');
  if (!status || !flags || parts.length !== 2)
    faults.add(path, 'only the filter for errors is supported; see docs/xds-support.md');
  return 'errors';
}

function accessLogSink(message: AccessLog, path: string, faults: Faults): Omit<AccessLogConfig, 'filter'> {
  const typed = message.configType.case === 'typedConfig' ? message.configType.value : undefined;
  const here = at(path, 'typed_config');
  const logger = typed === undefined ? undefined : anyUnpack(typed, apiRegistry);
  switch (logger?.$typeName) {
    case 'envoy.extensions.access_loggers.file.v3.FileAccessLog': {
      const file = logger as FileAccessLog;
      if (file.path === '') faults.add(at(here, 'path'), 'must not be empty');
      const sink: AccessLogConfig['sink'] =
        file.path === '/dev/stdout'
          ? { kind: 'stdout' }
          : file.path === '/dev/stderr'
            ? { kind: 'stderr' }
            : { kind: 'file', path: file.path };
      return { sink, format: fileFormat(file, here, faults) };
    }
    case 'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog':
    case 'envoy.extensions.access_loggers.stream.v3.StderrAccessLog': {
      const format = (logger as StdoutAccessLog).accessLogFormat;
      const sink: AccessLogConfig['sink'] = { kind: logger.$typeName.includes('Stdout') ? 'stdout' : 'stderr' };
      return {
        sink,
        format:
          format.case === undefined ? { kind: 'default' } : substitution(format.value, at(here, 'log_format'), faults),
      };
    }
    default:
      if (typed === undefined) faults.add(here, 'is missing');
      return { sink: { kind: 'stderr' }, format: { kind: 'default' } };
  }
}

function fileFormat(file: FileAccessLog, path: string, faults: Faults): AccessLogConfig['format'] {
  const format = file.accessLogFormat;
  switch (format.case) {
    case 'logFormat':
      return substitution(format.value, at(path, 'log_format'), faults);
    case 'format':
      return textFormat(format.value, at(path, 'format'), faults);
    case 'jsonFormat':
      return jsonFormat(format.value, at(path, 'json_format'), faults);
    default:
      return { kind: 'default' };
  }
}

function substitution(message: SubstitutionFormatString, path: string, faults: Faults): AccessLogConfig['format'] {
  const { format } = message;
  switch (format.case) {
    case 'textFormat':
      return textFormat(format.value, at(path, 'text_format'), faults);
    case 'textFormatSource':
      return textFormat(
        format.value.specifier.case === 'inlineString' ? format.value.specifier.value : '',
        at(path, 'text_format_source.inline_string'),
        faults,
      );
    case 'jsonFormat':
      return jsonFormat(format.value, at(path, 'json_format'), faults);
    default:
      return { kind: 'default' };
  }
}

function textFormat(text: string, path: string, faults: Faults): AccessLogConfig['format'] {
  checkFormat(text, path, faults);
  return text === '' ? { kind: 'default' } : { kind: 'text', text };
}

function jsonFormat(
  fields: Readonly<Record<string, unknown>>,
  path: string,
  faults: Faults,
): AccessLogConfig['format'] {
  const pairs: Array<readonly [string, string]> = [];
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value !== 'string') faults.add(at(path, name), 'only text values are supported');
    else {
      checkFormat(value, at(path, name), faults);
      pairs.push([name, value]);
    }
  }
  return { kind: 'json', fields: pairs };
}

function checkFormat(text: string, path: string, faults: Faults): void {
  try {
    compileLogFormat(text);
  } catch (error) {
    faults.add(path, (error as Error).message);
  }
}

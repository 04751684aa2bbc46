/** The HTTP connection manager → HttpConnectionManagerConfig. */
import { defaultHttpLimits } from '../codec/limits.ts';
import type { ForwardClientCertConfig, HttpConnectionManagerConfig } from '../config/listener-config.ts';
import {
  type HttpConnectionManager,
  HttpConnectionManager_CodecType,
  HttpConnectionManager_ForwardClientCertDetails,
  HttpConnectionManager_PathWithEscapedSlashesAction,
  HttpConnectionManager_ServerHeaderTransformation,
} from './api/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { accessLogs } from './decode-access-log.ts';
import { http2Options } from './decode-cluster.ts';
import { adsOnly } from './decode-config-source.ts';
import { httpFilters } from './decode-http-filters.ts';
import { requestMetrics } from './decode-request-metrics.ts';
import { decodeRouteTable } from './decode-route.ts';
import { tracing } from './decode-tracing.ts';
import { bounded, durationMs, hasControlCharacter, mostFields } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

export function connectionManager(
  message: HttpConnectionManager,
  path: string,
  faults: Faults,
): HttpConnectionManagerConfig {
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
    accessLogs: accessLogs(message.accessLog, at(path, 'access_log'), faults),
    requestMetrics: requestMetrics(message.httpFilters, at(path, 'http_filters'), faults),
    tracing: tracing(message.tracing, at(path, 'tracing'), faults),
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

/** HealthCheck → HealthCheckConfig, with Envoy's defaults and rules; `health_check_config` of endpoints. */
import type { Duration } from '@bufbuild/protobuf/wkt';
import type { EndpointCheckConfig } from '../config/cluster-config.ts';
import type { HealthCheckConfig, HttpCheckConfig, StatusRange } from '../config/health-check-config.ts';
import { RequestMethod } from './api/envoy/config/core/v3/base_pb.js';
import type {
  HealthCheck,
  HealthCheck_GrpcHealthCheck,
  HealthCheck_HttpHealthCheck,
  HealthCheck_Payload,
  HealthCheck_TcpHealthCheck,
} from './api/envoy/config/core/v3/health_check_pb.js';
import type { Endpoint_HealthCheckConfig } from './api/envoy/config/endpoint/v3/endpoint_components_pb.js';
import { CodecClientType } from './api/envoy/type/v3/http_pb.js';
import type { Int64Range } from './api/envoy/type/v3/range_pb.js';
import { jsonTexts } from './decode-metadata-text.ts';
import {
  bounded,
  durationMs,
  hasControlCharacter,
  headerMutations,
  socketAddress,
  stringMatch,
} from './decode-value.ts';
import { at, type Faults } from './fault.ts';

/** As of every other time that is waited for. */
const mostMs = 24 * 3_600_000;
const mostThreshold = 1_000_000;
/** Of a body that is looked at, and of what is sent. */
const mostPayloadBytes = 64 * 1024;
const mostNameBytes = 16_383;

export function healthCheck(messages: readonly HealthCheck[], path: string, faults: Faults): HealthCheckConfig | null {
  const [message] = messages;
  if (message === undefined) return null;
  if (messages.length > 1) faults.add(path, `has ${messages.length} checks; one is supported, as in Envoy`);
  const here = at(path, 0);
  const time = (value: Duration | undefined, fallback: number, field: string, least = 1): number => {
    const ms = durationMs(value, fallback, at(here, field), faults);
    if (value !== undefined && ms < least) faults.add(at(here, field), `must be at least ${least} ms`);
    if (ms > mostMs) faults.add(at(here, field), `${ms / 1000} s is above ${mostMs / 1000} s`);
    return ms;
  };
  const needed = (value: Duration | undefined, field: string): number => {
    if (value === undefined) faults.add(at(here, field), 'is missing');
    return time(value, 1_000, field);
  };
  const threshold = (value: number | undefined, field: string): number => {
    if (value === undefined) faults.add(at(here, field), 'is missing');
    return bounded(value, 1, 1, mostThreshold, at(here, field), faults);
  };
  const intervalMs = needed(message.interval, 'interval');
  const noTrafficIntervalMs = time(message.noTrafficInterval, 60_000, 'no_traffic_interval');
  const unhealthyIntervalMs = time(message.unhealthyInterval, intervalMs, 'unhealthy_interval');
  return Object.freeze({
    check: checkOf(message, here, faults),
    timeoutMs: needed(message.timeout, 'timeout'),
    intervalMs,
    initialJitterMs: time(message.initialJitter, 0, 'initial_jitter', 0),
    intervalJitterMs: time(message.intervalJitter, 0, 'interval_jitter', 0),
    intervalJitterPercent: bounded(
      message.intervalJitterPercent,
      0,
      0,
      1_000,
      at(here, 'interval_jitter_percent'),
      faults,
    ),
    unhealthyThreshold: threshold(message.unhealthyThreshold, 'unhealthy_threshold'),
    healthyThreshold: threshold(message.healthyThreshold, 'healthy_threshold'),
    noTrafficIntervalMs,
    noTrafficHealthyIntervalMs: time(
      message.noTrafficHealthyInterval,
      noTrafficIntervalMs,
      'no_traffic_healthy_interval',
    ),
    unhealthyIntervalMs,
    unhealthyEdgeIntervalMs: time(message.unhealthyEdgeInterval, unhealthyIntervalMs, 'unhealthy_edge_interval'),
    healthyEdgeIntervalMs: time(message.healthyEdgeInterval, intervalMs, 'healthy_edge_interval'),
    reuseConnection: message.reuseConnection ?? true,
    alwaysLogFailures: message.alwaysLogHealthCheckFailures,
    alwaysLogSuccesses: message.alwaysLogHealthCheckSuccess,
    alpn: Object.freeze([...(message.tlsOptions?.alpnProtocols ?? [])]),
    transportMatch:
      message.transportSocketMatchCriteria === undefined ? null : jsonTexts(message.transportSocketMatchCriteria),
  });
}

function checkOf(message: HealthCheck, path: string, faults: Faults): HealthCheckConfig['check'] {
  const { case: kind, value } = message.healthChecker;
  switch (kind) {
    case 'httpHealthCheck':
      return httpCheck(value, at(path, 'http_health_check'), faults);
    case 'grpcHealthCheck':
      return grpcCheck(value, at(path, 'grpc_health_check'), faults);
    case 'tcpHealthCheck':
      return tcpCheck(value, at(path, 'tcp_health_check'), faults);
    default:
      faults.add(path, 'needs http_health_check, grpc_health_check or tcp_health_check');
      return { kind: 'tcp', send: null, receive: [] };
  }
}

function httpCheck(message: HealthCheck_HttpHealthCheck, path: string, faults: Faults): HttpCheckConfig {
  if (!/^[/*][\x21-\x7e]*$/.test(message.path))
    faults.add(at(path, 'path'), `${JSON.stringify(message.path)} is not a path that can be asked for`);
  checkHost(message.host, at(path, 'host'), faults);
  const method = message.method === RequestMethod.METHOD_UNSPECIFIED ? RequestMethod.GET : message.method;
  if (method === RequestMethod.CONNECT) faults.add(at(path, 'method'), 'must not be CONNECT');
  if (message.codecClientType === CodecClientType.HTTP3)
    faults.add(at(path, 'codec_client_type'), 'HTTP3 is not supported; see docs/xds-support.md');
  const expected = statusRanges(message.expectedStatuses, at(path, 'expected_statuses'), faults);
  return Object.freeze({
    kind: 'http',
    host: message.host,
    path: message.path,
    method: RequestMethod[method] ?? 'GET',
    protocol: message.codecClientType === CodecClientType.HTTP2 ? 'http2' : 'http1',
    expected: expected.length === 0 ? [[200, 201] as const] : expected,
    retriable: statusRanges(message.retriableStatuses, at(path, 'retriable_statuses'), faults),
    requestHeaders: headerMutations(
      {
        requestHeadersToAdd: message.requestHeadersToAdd,
        requestHeadersToRemove: message.requestHeadersToRemove,
        responseHeadersToAdd: [],
        responseHeadersToRemove: [],
      },
      path,
      faults,
    ).requestHeaders,
    receive: payloads(message.receive, at(path, 'receive'), faults),
    responseBufferBytes: bounded(
      message.responseBufferSize === undefined ? undefined : Number(message.responseBufferSize),
      1_024,
      1,
      mostPayloadBytes,
      at(path, 'response_buffer_size'),
      faults,
    ),
    serviceName:
      message.serviceNameMatcher === undefined
        ? null
        : stringMatch(message.serviceNameMatcher, at(path, 'service_name_matcher'), faults),
  });
}

function grpcCheck(message: HealthCheck_GrpcHealthCheck, path: string, faults: Faults): HealthCheckConfig['check'] {
  checkHost(message.authority, at(path, 'authority'), faults);
  if (Buffer.byteLength(message.serviceName) > mostNameBytes)
    faults.add(at(path, 'service_name'), `is longer than ${mostNameBytes} bytes`);
  return Object.freeze({
    kind: 'grpc',
    serviceName: message.serviceName,
    authority: message.authority,
    metadata: headerMutations(
      {
        requestHeadersToAdd: message.initialMetadata,
        requestHeadersToRemove: [],
        responseHeadersToAdd: [],
        responseHeadersToRemove: [],
      },
      path,
      faults,
    ).requestHeaders,
  });
}

function tcpCheck(message: HealthCheck_TcpHealthCheck, path: string, faults: Faults): HealthCheckConfig['check'] {
  return Object.freeze({
    kind: 'tcp',
    send: message.send === undefined ? null : payload(message.send, at(path, 'send'), faults),
    receive: payloads(message.receive, at(path, 'receive'), faults),
  });
}

function checkHost(host: string, path: string, faults: Faults): void {
  if (hasControlCharacter(host) || /\s/.test(host)) faults.add(path, `${JSON.stringify(host)} is not a host`);
}

function payloads(messages: readonly HealthCheck_Payload[], path: string, faults: Faults): readonly Buffer[] {
  return Object.freeze(messages.map((message, i) => payload(message, at(path, i), faults)));
}

function payload({ payload: value }: HealthCheck_Payload, path: string, faults: Faults): Buffer {
  let bytes = Buffer.alloc(0);
  if (value.case === 'text') {
    if (!/^([0-9a-fA-F]{2})+$/.test(value.value)) faults.add(at(path, 'text'), 'is not an even number of hex digits');
    bytes = Buffer.from(value.value, 'hex');
  } else if (value.case === 'binary') bytes = Buffer.from(value.value);
  else faults.add(path, 'needs text or binary');
  if (bytes.length > mostPayloadBytes) faults.add(path, `is longer than ${mostPayloadBytes} bytes`);
  return bytes;
}

function statusRanges(messages: readonly Int64Range[], path: string, faults: Faults): StatusRange[] {
  return messages.map(({ start, end }, i) => {
    if (start < 100n || end > 600n || start >= end)
      faults.add(at(path, i), `${start} to ${end} is not a range within 100 to 600 (the end is outside)`);
    return [Number(start), Number(end)] as const;
  });
}

/** Of an endpoint. Nothing where nothing is said. */
export function endpointCheck(
  message: Endpoint_HealthCheckConfig | undefined,
  path: string,
  faults: Faults,
): { readonly healthCheck: EndpointCheckConfig } | Record<never, never> {
  if (message === undefined) return {};
  if (message.portValue > 65_535) faults.add(at(path, 'port_value'), `${message.portValue} is not a port (0 to 65535)`);
  checkHost(message.hostname, at(path, 'hostname'), faults);
  return {
    healthCheck: Object.freeze({
      address: message.address === undefined ? null : socketAddress(message.address, at(path, 'address'), faults),
      port: message.portValue,
      hostname: message.hostname,
      disabled: message.disableActiveHealthCheck,
    }),
  };
}

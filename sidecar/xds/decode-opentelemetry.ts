/** Envoy's OpenTelemetryConfig → OpenTelemetryProviderConfig: where spans go by OTLP, and what is said of their origin. */
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { ExportQueueConfig, OpenTelemetryProviderConfig } from '../config/tracing-config.ts';
import type { TypedExtensionConfig } from './api/envoy/config/core/v3/extension_pb.js';
import type { HttpService } from './api/envoy/config/core/v3/http_service_pb.js';
import type { OpenTelemetryConfig } from './api/envoy/config/trace/v3/opentelemetry_pb.js';
import type { StaticConfigResourceDetectorConfig } from './api/envoy/extensions/tracers/opentelemetry/resource_detectors/v3/static_config_resource_detector_pb.js';
import { apiRegistry } from './api-registry.ts';
import { grpcService } from './decode-ext-authz.ts';
import { durationMs, headerAdd, mostWaitMs } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

const defaultTimeoutMs = 10_000;
const mostAttributes = 64;

type Target = Pick<
  OpenTelemetryProviderConfig,
  'transport' | 'cluster' | 'authority' | 'path' | 'headers' | 'timeoutMs'
>;

export function openTelemetry(
  message: OpenTelemetryConfig,
  queue: ExportQueueConfig,
  path: string,
  faults: Faults,
): OpenTelemetryProviderConfig {
  if ((message.grpcService === undefined) === (message.httpService === undefined))
    faults.add(path, 'needs grpc_service or http_service, and not both');
  const target =
    message.httpService === undefined
      ? overGrpc(message, at(path, 'grpc_service'), faults)
      : overHttp(message.httpService, at(path, 'http_service'), faults);
  if (target.timeoutMs > mostWaitMs)
    faults.add(path, `has a timeout of ${target.timeoutMs / 1000} s, which is above ${mostWaitMs / 1000} s`);
  return Object.freeze({
    kind: 'opentelemetry',
    ...target,
    serviceName: message.serviceName,
    resourceAttributes: resourceAttributes(message.resourceDetectors, at(path, 'resource_detectors'), faults),
    queue,
  });
}

function overGrpc({ grpcService: message }: OpenTelemetryConfig, path: string, faults: Faults): Target {
  const { cluster, authority, timeoutMs, initialMetadata } = grpcService(message, path, faults);
  return {
    transport: 'grpc',
    cluster,
    authority,
    path: '',
    headers: initialMetadata,
    // Of an export without an end nobody would be the wiser.
    timeoutMs: message?.timeout === undefined || timeoutMs === 0 ? defaultTimeoutMs : timeoutMs,
  };
}

function overHttp({ httpUri, requestHeadersToAdd }: HttpService, path: string, faults: Faults): Target {
  const here = at(path, 'http_uri');
  if (httpUri === undefined) faults.add(here, 'is missing');
  const cluster = httpUri?.httpUpstreamType.case === 'cluster' ? httpUri.httpUpstreamType.value : '';
  if (httpUri !== undefined && cluster === '') faults.add(at(here, 'cluster'), 'must not be empty');
  const uri = URL.parse(httpUri?.uri ?? '');
  if (httpUri !== undefined && (uri === null || !/^https?:$/.test(uri.protocol)))
    faults.add(
      at(here, 'uri'),
      `${JSON.stringify(httpUri.uri)} is not a URI; write it as http://collector.example:4318/v1/traces`,
    );
  return {
    transport: 'http',
    cluster,
    authority: uri === null ? cluster : uri.host,
    path: uri === null ? '/' : uri.pathname + uri.search,
    headers: requestHeadersToAdd.map((option, i) => {
      const { name, value } = headerAdd(option, at(at(path, 'request_headers_to_add'), i), faults);
      return [name.toLowerCase(), value] as const;
    }),
    timeoutMs: durationMs(httpUri?.timeout, defaultTimeoutMs, at(here, 'timeout'), faults) || defaultTimeoutMs,
  };
}

function resourceAttributes(
  detectors: readonly TypedExtensionConfig[],
  path: string,
  faults: Faults,
): ReadonlyArray<readonly [string, string]> {
  const pairs = new Map<string, string>();
  for (const [i, { typedConfig }] of detectors.entries()) {
    const message = typedConfig === undefined ? undefined : anyUnpack(typedConfig, apiRegistry);
    if (
      message?.$typeName !==
      'envoy.extensions.tracers.opentelemetry.resource_detectors.v3.StaticConfigResourceDetectorConfig'
    ) {
      faults.add(at(path, i), 'only StaticConfigResourceDetectorConfig is supported');
      continue;
    }
    for (const [name, value] of Object.entries((message as StaticConfigResourceDetectorConfig).attributes))
      pairs.set(name, value);
  }
  if (pairs.size > mostAttributes) faults.add(path, `have ${pairs.size} attributes; ${mostAttributes} is the limit`);
  return [...pairs];
}

/** `tracing` of a connection manager → TracingConfig: Envoy's own provider messages, or ours around several of them. And `tracing` of a route. */
import type { Message } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { isAuthority } from '../codec/authority.ts';
import type {
  CustomTagConfig,
  ExportQueueConfig,
  OpenTelemetryProviderConfig,
  PropagationFormat,
  RouteTracingConfig,
  TailKeepConfig,
  TracingConfig,
  ZipkinProviderConfig,
} from '../config/tracing-config.ts';
import type { Tracing as RouteTracing } from './api/envoy/config/route/v3/route_components_pb.js';
import type { Tracing_Http } from './api/envoy/config/trace/v3/http_tracer_pb.js';
import type { OpenTelemetryConfig } from './api/envoy/config/trace/v3/opentelemetry_pb.js';
import { type ZipkinConfig, ZipkinConfig_CollectorEndpointVersion } from './api/envoy/config/trace/v3/zipkin_pb.js';
import type { HttpConnectionManager_Tracing } from './api/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { CustomTag } from './api/envoy/type/tracing/v3/custom_tag_pb.js';
import type { FractionalPercent, Percent } from './api/envoy/type/v3/percent_pb.js';
import {
  type MeshTracing,
  MeshTracing_Propagation,
  type MeshTracing_Queue,
} from './api/outrigger/observe/v1/tracing_pb.js';
import { apiRegistry } from './api-registry.ts';
import { fraction } from './decode-fraction.ts';
import { openTelemetry } from './decode-opentelemetry.ts';
import { bounded, durationMs, mostWaitMs } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

const all = 10_000;
const mostTags = 64;
const mostExporters = 4;
const openTelemetryType = 'envoy.config.trace.v3.OpenTelemetryConfig';
const zipkinType = 'envoy.config.trace.v3.ZipkinConfig';
const meshType = 'outrigger.observe.v1.MeshTracing';

const defaultQueue: ExportQueueConfig = Object.freeze({
  maxQueueSpans: 2048,
  maxQueueBytes: 4 * 1024 * 1024,
  maxBatchSpans: 512,
  delayMs: 1000,
});
const keepNothing: TailKeepConfig = Object.freeze({ errors: false, slowerThanMs: Number.POSITIVE_INFINITY });
const w3cAlone: readonly PropagationFormat[] = Object.freeze(['w3c'] as const);

/** Null: it is not there, or has no provider (Envoy: no tracing will be performed). */
export function tracing(
  message: HttpConnectionManager_Tracing | undefined,
  path: string,
  faults: Faults,
): TracingConfig | null {
  if (message === undefined) return null;
  const settings = {
    clientSampling: share(message.clientSampling, at(path, 'client_sampling'), faults),
    randomSampling: share(message.randomSampling, at(path, 'random_sampling'), faults),
    overallSampling: share(message.overallSampling, at(path, 'overall_sampling'), faults),
    spawnUpstreamSpan: message.spawnUpstreamSpan ?? false,
    customTags: customTags(message.customTags, at(path, 'custom_tags'), faults),
    verbose: message.verbose,
    maxPathTagLength: bounded(message.maxPathTagLength, 256, 1, 8192, at(path, 'max_path_tag_length'), faults),
  };
  if (message.provider === undefined) return null;
  const here = at(path, 'provider.typed_config');
  const unpacked = unpack(message.provider);
  if (unpacked?.$typeName === meshType)
    return Object.freeze({ ...settings, ...meshTracing(unpacked as MeshTracing, here, faults) });
  return Object.freeze({
    ...settings,
    provider: exporter(message.provider, at(path, 'provider'), defaultQueue, faults),
    propagation: w3cAlone,
    ratePerSecond: 0,
    tailKeep: keepNothing,
  });
}

/** Null: it is not there, and all is as its connection manager has it. */
export function routeTracing(
  message: RouteTracing | undefined,
  path: string,
  faults: Faults,
): RouteTracingConfig | null {
  if (message === undefined) return null;
  return Object.freeze({
    clientSampling: fractionShare(message.clientSampling),
    randomSampling: fractionShare(message.randomSampling),
    overallSampling: fractionShare(message.overallSampling),
    customTags: customTags(message.customTags, at(path, 'custom_tags'), faults),
  });
}

function unpack(provider: Tracing_Http): Message | undefined {
  return provider.configType.case === 'typedConfig' ? anyUnpack(provider.configType.value, apiRegistry) : undefined;
}

/** Null only beside a fault. `path`: of the provider. */
function exporter(
  provider: Tracing_Http,
  path: string,
  queue: ExportQueueConfig,
  faults: Faults,
): OpenTelemetryProviderConfig | ZipkinProviderConfig | null {
  const message = unpack(provider);
  const here = at(path, 'typed_config');
  switch (message?.$typeName) {
    case openTelemetryType:
      return openTelemetry(message as OpenTelemetryConfig, queue, here, faults);
    case zipkinType:
      return zipkin(message as ZipkinConfig, queue, here, faults);
    default:
      // What is there and unknown was told by check-fields.ts.
      faults.add(here, `is missing, or is neither ${openTelemetryType} nor ${zipkinType}`);
      return null;
  }
}

function meshTracing(
  message: MeshTracing,
  path: string,
  faults: Faults,
): Pick<TracingConfig, 'provider' | 'propagation' | 'ratePerSecond' | 'tailKeep'> {
  const { exporters, tailKeep } = message;
  if (exporters.length > mostExporters)
    faults.add(at(path, 'exporters'), `has ${exporters.length} entries; ${mostExporters} is the limit`);
  const queue = exportQueue(message.queue, at(path, 'queue'), faults);
  const providers = exporters.flatMap((each, i) => exporter(each, at(at(path, 'exporters'), i), queue, faults) ?? []);
  const keepPath = at(path, 'tail_keep');
  return {
    provider: providers.length > 1 ? Object.freeze({ kind: 'several', providers }) : (providers[0] ?? null),
    propagation: propagation(message.propagation, at(path, 'propagation'), faults),
    ratePerSecond: bounded(message.maxTracesPerSecond, 0, 0, 1_000_000, at(path, 'max_traces_per_second'), faults),
    tailKeep:
      tailKeep === undefined
        ? keepNothing
        : Object.freeze({
            errors: tailKeep.errors,
            slowerThanMs:
              tailKeep.slowerThan === undefined
                ? Number.POSITIVE_INFINITY
                : bounded(
                    durationMs(tailKeep.slowerThan, 1, at(keepPath, 'slower_than'), faults),
                    1,
                    1,
                    mostWaitMs,
                    at(keepPath, 'slower_than'),
                    faults,
                  ),
          }),
  };
}

function propagation(
  values: readonly MeshTracing_Propagation[],
  path: string,
  faults: Faults,
): readonly PropagationFormat[] {
  if (values.length === 0) return w3cAlone;
  const formats = values.map((value, i): PropagationFormat => {
    if (values.indexOf(value) < i) faults.add(at(path, i), 'stands there twice');
    if (value === MeshTracing_Propagation.B3) return 'b3';
    if (value === MeshTracing_Propagation.B3_MULTI) return 'b3multi';
    if (value !== MeshTracing_Propagation.W3C) faults.add(at(path, i), 'must be W3C, B3 or B3_MULTI');
    return 'w3c';
  });
  return Object.freeze(formats);
}

function exportQueue(message: MeshTracing_Queue | undefined, path: string, faults: Faults): ExportQueueConfig {
  if (message === undefined) return defaultQueue;
  const { maxSpans, maxBytes, maxBatchSpans, delay } = message;
  const delayPath = at(path, 'delay');
  return Object.freeze({
    maxQueueSpans: bounded(maxSpans, defaultQueue.maxQueueSpans, 1, 65_536, at(path, 'max_spans'), faults),
    maxQueueBytes: bounded(maxBytes, defaultQueue.maxQueueBytes, 65_536, 268_435_456, at(path, 'max_bytes'), faults),
    maxBatchSpans: bounded(maxBatchSpans, defaultQueue.maxBatchSpans, 1, 4096, at(path, 'max_batch_spans'), faults),
    delayMs: bounded(durationMs(delay, defaultQueue.delayMs, delayPath, faults), 0, 10, 60_000, delayPath, faults),
  });
}

function zipkin(message: ZipkinConfig, queue: ExportQueueConfig, path: string, faults: Faults): ZipkinProviderConfig {
  if (message.collectorCluster === '') faults.add(at(path, 'collector_cluster'), 'must not be empty');
  if (!/^\/[!$-;=@-Z_a-z~%?]*$/.test(message.collectorEndpoint))
    faults.add(
      at(path, 'collector_endpoint'),
      `${JSON.stringify(message.collectorEndpoint)} is not a path; write it as /api/v2/spans`,
    );
  if (message.collectorEndpointVersion !== ZipkinConfig_CollectorEndpointVersion.HTTP_JSON)
    faults.add(at(path, 'collector_endpoint_version'), 'only HTTP_JSON is supported');
  if (message.collectorHostname !== '' && !isAuthority(message.collectorHostname))
    faults.add(
      at(path, 'collector_hostname'),
      `${JSON.stringify(message.collectorHostname)} is not a host, or host:port`,
    );
  return Object.freeze({
    kind: 'zipkin',
    cluster: message.collectorCluster,
    path: message.collectorEndpoint,
    hostname: message.collectorHostname,
    traceId128: message.traceId128bit,
    sharedSpanContext: message.sharedSpanContext ?? true,
    serviceName: '',
    timeoutMs: 10_000,
    queue,
  });
}

function customTags(messages: readonly CustomTag[], path: string, faults: Faults): readonly CustomTagConfig[] {
  if (messages.length > mostTags) faults.add(path, `has ${messages.length} entries; ${mostTags} is the limit`);
  const names = new Set<string>();
  return Object.freeze(
    messages.flatMap((message, i) => {
      const here = at(path, i);
      if (message.tag === '') faults.add(at(here, 'tag'), 'must not be empty');
      else if (names.has(message.tag))
        faults.add(at(here, 'tag'), `${JSON.stringify(message.tag)} is the name of another tag too`);
      names.add(message.tag);
      return customTag(message, here, faults);
    }),
  );
}

/** None: it is of the environment, and nothing is set there. */
function customTag({ tag, type }: CustomTag, path: string, faults: Faults): CustomTagConfig[] {
  switch (type.case) {
    case 'literal':
      if (type.value.value === '') faults.add(at(path, 'literal.value'), 'must not be empty');
      return [Object.freeze({ kind: 'literal', tag, value: type.value.value })];
    case 'environment': {
      if (type.value.name === '') faults.add(at(path, 'environment.name'), 'must not be empty');
      const value = process.env[type.value.name] ?? type.value.defaultValue;
      return value === '' ? [] : [Object.freeze({ kind: 'literal', tag, value })];
    }
    case 'requestHeader': {
      const { name, defaultValue } = type.value;
      if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name))
        faults.add(at(path, 'request_header.name'), `${JSON.stringify(name)} is not a header name`);
      return [Object.freeze({ kind: 'header', tag, name: name.toLowerCase(), defaultValue })];
    }
    default:
      faults.add(path, 'needs literal, environment or request_header');
      return [];
  }
}

/** Per 10 000, not rounded: of a million, one is one. Absent: all (Envoy). */
function fractionShare(message: FractionalPercent | undefined): number {
  if (message === undefined) return all;
  const { numerator, denominator } = fraction(message);
  return Math.min(all, (numerator * all) / denominator);
}

/** Per 10 000. */
function share(percent: Percent | undefined, path: string, faults: Faults): number {
  if (percent === undefined) return all;
  return Math.round(bounded(percent.value, 100, 0, 100, path, faults) * 100);
}

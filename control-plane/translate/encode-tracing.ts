/** Tracing of Telemetry documents → `tracing` of connection managers. Our sidecar gets our own provider around all exporters; an Envoy the first exporter, which is all that it can have. */
import { create, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { type Tracing_Http, Tracing_HttpSchema } from '../../proto/generated/envoy/config/trace/v3/http_tracer_pb.js';
import { OpenTelemetryConfigSchema } from '../../proto/generated/envoy/config/trace/v3/opentelemetry_pb.js';
import {
  ZipkinConfig_CollectorEndpointVersion,
  ZipkinConfigSchema,
} from '../../proto/generated/envoy/config/trace/v3/zipkin_pb.js';
import {
  type HttpConnectionManager_Tracing,
  HttpConnectionManager_TracingSchema,
} from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { StaticConfigResourceDetectorConfigSchema } from '../../proto/generated/envoy/extensions/tracers/opentelemetry/resource_detectors/v3/static_config_resource_detector_pb.js';
import { type CustomTag, CustomTagSchema } from '../../proto/generated/envoy/type/tracing/v3/custom_tag_pb.js';
import { MeshTracing_Propagation, MeshTracingSchema } from '../../proto/generated/outrigger/observe/v1/tracing_pb.js';
import type { TraceExporter, TraceTag } from '../config-kind/telemetry-resource.ts';
import { durationOf } from './api-values.ts';
import { collectorAuthority, collectorCluster } from './encode-collector.ts';
import { packAny } from './encoded-resource.ts';
import { KeptByParts } from './kept-by-parts.ts';
import type { ClientKind } from './proxy-node.ts';
import type { ProxyTracing } from './proxy-telemetry.ts';

const kept = new KeptByParts<HttpConnectionManager_Tracing | null>();

/** Null: there is nothing to trace, or nobody to tell. */
export function encodeTracing(tracing: ProxyTracing, kind: ClientKind): HttpConnectionManager_Tracing | null {
  return kept.get([tracing], kind, () => makeTracing(tracing, kind));
}

function makeTracing(tracing: ProxyTracing, kind: ClientKind): HttpConnectionManager_Tracing | null {
  const exporters = tracing.exporters.map((each) => encodeExporter(each, tracing));
  const provider = kind === 'outrigger' ? meshProvider(tracing, exporters) : exporters[0];
  if (provider === undefined) return null;
  return create(HttpConnectionManager_TracingSchema, {
    provider,
    randomSampling: { value: tracing.samplingPercent },
    spawnUpstreamSpan: true,
    verbose: tracing.events,
    customTags: tracing.tags.map(customTag),
  });
}

function meshProvider(tracing: ProxyTracing, exporters: Tracing_Http[]): Tracing_Http {
  const { propagation, maxTracesPerSecond, keepErrors, keepSlowerThanMs } = tracing;
  const keeps = keepErrors || keepSlowerThanMs > 0;
  return http(
    'outrigger.tracers.mesh',
    MeshTracingSchema,
    create(MeshTracingSchema, {
      exporters,
      propagation: propagation.map((format) => propagationOf[format]),
      maxTracesPerSecond,
      ...(keeps
        ? {
            tailKeep: {
              errors: keepErrors,
              ...(keepSlowerThanMs > 0 ? { slowerThan: durationOf(keepSlowerThanMs) } : {}),
            },
          }
        : {}),
    }),
  );
}

const propagationOf = {
  w3c: MeshTracing_Propagation.W3C,
  b3: MeshTracing_Propagation.B3,
  b3multi: MeshTracing_Propagation.B3_MULTI,
} as const;

function encodeExporter(
  { protocol, target, path, headers, timeoutMs }: TraceExporter,
  { namespace, service }: ProxyTracing,
): Tracing_Http {
  const cluster = collectorCluster(target, protocol === 'otlp-grpc' ? 'http2' : 'http');
  const authority = collectorAuthority(target);
  if (protocol === 'zipkin')
    return http(
      'envoy.tracers.zipkin',
      ZipkinConfigSchema,
      create(ZipkinConfigSchema, {
        collectorCluster: cluster,
        collectorEndpoint: path,
        collectorHostname: authority,
        collectorEndpointVersion: ZipkinConfig_CollectorEndpointVersion.HTTP_JSON,
        traceId128bit: true,
        sharedSpanContext: false,
      }),
    );
  const timeout = durationOf(timeoutMs);
  return http(
    'envoy.tracers.opentelemetry',
    OpenTelemetryConfigSchema,
    create(OpenTelemetryConfigSchema, {
      serviceName: service,
      resourceDetectors: [
        {
          name: 'envoy.tracers.opentelemetry.resource_detectors.static_config',
          typedConfig: packAny(
            StaticConfigResourceDetectorConfigSchema,
            create(StaticConfigResourceDetectorConfigSchema, { attributes: { 'service.namespace': namespace } }),
          ),
        },
      ],
      ...(protocol === 'otlp-grpc'
        ? {
            grpcService: {
              targetSpecifier: { case: 'envoyGrpc', value: { clusterName: cluster, authority } },
              timeout,
              initialMetadata: headers.map(([key, value]) => ({ key, value })),
            },
          }
        : {
            httpService: {
              httpUri: {
                uri: `http://${authority}${path}`,
                httpUpstreamType: { case: 'cluster', value: cluster },
                timeout,
              },
              requestHeadersToAdd: headers.map(([key, value]) => ({ header: { key, value } })),
            },
          }),
    }),
  );
}

function http<Schema extends DescMessage>(name: string, schema: Schema, message: MessageShape<Schema>): Tracing_Http {
  return create(Tracing_HttpSchema, { name, configType: { case: 'typedConfig', value: packAny(schema, message) } });
}

function customTag({ name: tag, from }: TraceTag): CustomTag {
  return create(CustomTagSchema, {
    tag,
    type:
      from.kind === 'literal'
        ? { case: 'literal', value: { value: from.value } }
        : {
            case: from.kind === 'header' ? 'requestHeader' : 'environment',
            value: { name: from.name, defaultValue: from.defaultValue },
          },
  });
}

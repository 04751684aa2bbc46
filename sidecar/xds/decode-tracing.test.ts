import { describe, expect, it } from 'vitest';
import type { TracingConfig } from '../config/tracing-config.ts';
import { TracingSchema } from './api/envoy/config/route/v3/route_components_pb.js';
import { HttpConnectionManager_TracingSchema } from './api/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { routeTracing, tracing } from './decode-tracing.ts';
import { type Decoded, decodeJson } from './test/decode-json.ts';

function decoded(json: unknown): Decoded<TracingConfig | null> {
  return decodeJson(HttpConnectionManager_TracingSchema, json, tracing);
}

const openTelemetry = (more: object): object => ({
  name: 'envoy.tracers.opentelemetry',
  typed_config: { '@type': 'type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig', ...more },
});
const overGrpc = openTelemetry({
  grpc_service: { envoy_grpc: { cluster_name: 'collector', authority: 'otel' }, timeout: '3s' },
  service_name: 'orders',
});
const zipkin = (more: object = {}): object => ({
  name: 'envoy.tracers.zipkin',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.config.trace.v3.ZipkinConfig',
    collector_cluster: 'zipkin',
    collector_endpoint: '/api/v2/spans',
    collector_endpoint_version: 'HTTP_JSON',
    ...more,
  },
});
const mesh = (more: object): object => ({
  name: 'outrigger.tracers.mesh',
  typed_config: { '@type': 'type.googleapis.com/outrigger.observe.v1.MeshTracing', ...more },
});

describe('tracing of a connection manager', () => {
  it('without a provider is none (Envoy)', () => {
    expect(decoded({ random_sampling: { value: 1 } })).toEqual({ value: null, faults: [] });
  });

  it("has Envoy's defaults", () => {
    expect(decoded({ provider: overGrpc }).value).toEqual({
      provider: {
        kind: 'opentelemetry',
        transport: 'grpc',
        cluster: 'collector',
        authority: 'otel',
        path: '',
        serviceName: 'orders',
        resourceAttributes: [],
        headers: [],
        timeoutMs: 3000,
        queue: { maxQueueSpans: 2048, maxQueueBytes: 4_194_304, maxBatchSpans: 512, delayMs: 1000 },
      },
      propagation: ['w3c'],
      clientSampling: 10_000,
      randomSampling: 10_000,
      overallSampling: 10_000,
      ratePerSecond: 0,
      spawnUpstreamSpan: false,
      customTags: [],
      verbose: false,
      maxPathTagLength: 256,
      tailKeep: { errors: false, slowerThanMs: Number.POSITIVE_INFINITY },
    });
  });

  it('takes shares to a hundredth of a percent', () => {
    const { value } = decoded({
      provider: overGrpc,
      random_sampling: { value: 1.25 },
      overall_sampling: { value: 50 },
      client_sampling: { value: 0 },
    });
    expect(value).toMatchObject({ randomSampling: 125, overallSampling: 5000, clientSampling: 0 });
    expect(decoded({ provider: overGrpc, random_sampling: { value: 101 } }).faults).toEqual([
      'random_sampling: 101 is not between 0 and 100',
    ]);
  });

  it('has tags: fixed ones, of the environment, and of headers', () => {
    process.env['OUTRIGGER_TEST_ZONE'] = 'eu-1';
    const { value } = decoded({
      provider: overGrpc,
      custom_tags: [
        { tag: 'a', literal: { value: '1' } },
        { tag: 'zone', environment: { name: 'OUTRIGGER_TEST_ZONE' } },
        { tag: 'none', environment: { name: 'OUTRIGGER_TEST_NONE' } },
        { tag: 'cell', environment: { name: 'OUTRIGGER_TEST_NONE', default_value: 'c0' } },
        { tag: 'tenant', request_header: { name: 'X-Tenant', default_value: '-' } },
      ],
    });
    expect(value!.customTags).toEqual([
      { kind: 'literal', tag: 'a', value: '1' },
      { kind: 'literal', tag: 'zone', value: 'eu-1' },
      { kind: 'literal', tag: 'cell', value: 'c0' },
      { kind: 'header', tag: 'tenant', name: 'x-tenant', defaultValue: '-' },
    ]);
  });

  it.each([
    [{ tag: '', literal: { value: '1' } }, 'custom_tags[0].tag: must not be empty'],
    [{ tag: 'a', literal: {} }, 'custom_tags[0].literal.value: must not be empty'],
    [{ tag: 'a' }, 'custom_tags[0]: needs literal, environment or request_header'],
    [{ tag: 'a', request_header: { name: 'x y' } }, 'custom_tags[0].request_header.name: "x y" is not a header name'],
    [
      { tag: 'a', metadata: { kind: { request: {} } } },
      'custom_tags[0].metadata: is not supported; see docs/xds-support.md',
    ],
  ])('refuses a tag that says nothing, by its path: %j', (tag, fault) => {
    expect(decoded({ provider: overGrpc, custom_tags: [tag] }).faults).toEqual([fault]);
  });
});

describe('OpenTelemetry as the provider', () => {
  it('over HTTP has its host, path and headers, and what is said of its origin', () => {
    const provider = openTelemetry({
      http_service: {
        http_uri: { uri: 'http://otel.example:4318/v1/traces', cluster: 'collector', timeout: '0.25s' },
        request_headers_to_add: [{ header: { key: 'X-Api-Key', value: 'k' } }],
      },
      resource_detectors: [
        {
          name: 'static',
          typed_config: {
            '@type':
              'type.googleapis.com/envoy.extensions.tracers.opentelemetry.resource_detectors.v3.StaticConfigResourceDetectorConfig',
            attributes: { 'service.namespace': 'shop' },
          },
        },
      ],
    });
    expect(decoded({ provider }).value!.provider).toMatchObject({
      transport: 'http',
      cluster: 'collector',
      authority: 'otel.example:4318',
      path: '/v1/traces',
      headers: [['x-api-key', 'k']],
      timeoutMs: 250,
      resourceAttributes: [['service.namespace', 'shop']],
    });
  });

  it('is refused where it names no way, two ways, a sampler or a foreign detector', () => {
    expect(decoded({ provider: openTelemetry({}) }).faults).toEqual([
      'provider.typed_config: needs grpc_service or http_service, and not both',
    ]);
    const both = openTelemetry({
      grpc_service: { envoy_grpc: { cluster_name: 'a' } },
      http_service: { http_uri: { uri: 'http://a/v1/traces', cluster: 'a', timeout: '1s' } },
    });
    expect(decoded({ provider: both }).faults).toEqual([
      'provider.typed_config: needs grpc_service or http_service, and not both',
    ]);
    const sampled = openTelemetry({ grpc_service: { envoy_grpc: { cluster_name: 'a' } }, sampler: { name: 'x' } });
    expect(decoded({ provider: sampled }).faults).toEqual([
      'provider.typed_config.sampler: is not supported; see docs/xds-support.md',
    ]);
    const noUri = openTelemetry({ http_service: { http_uri: { uri: '/v1/traces', cluster: 'a', timeout: '1s' } } });
    expect(decoded({ provider: noUri }).faults).toEqual([
      'provider.typed_config.http_service.http_uri.uri: "/v1/traces" is not a URI; write it as http://collector.example:4318/v1/traces',
    ]);
  });
});

describe('Zipkin as the provider', () => {
  it('is JSON of API v2', () => {
    expect(decoded({ provider: zipkin({ collector_hostname: 'zipkin.example' }) }).value!.provider).toMatchObject({
      kind: 'zipkin',
      cluster: 'zipkin',
      path: '/api/v2/spans',
      hostname: 'zipkin.example',
      timeoutMs: 10_000,
    });
  });

  it('is refused in another format, or without a path', () => {
    expect(decoded({ provider: zipkin({ collector_endpoint_version: 'HTTP_PROTO' }) }).faults).toEqual([
      'provider.typed_config.collector_endpoint_version: only HTTP_JSON is supported',
    ]);
    expect(decoded({ provider: zipkin({ collector_endpoint: 'spans', collector_cluster: '' }) }).faults).toEqual([
      'provider.typed_config.collector_cluster: must not be empty',
      'provider.typed_config.collector_endpoint: "spans" is not a path; write it as /api/v2/spans',
    ]);
  });
});

describe('our own provider', () => {
  it('has several exporters, formats, a limit, what is kept, and bounds', () => {
    const { value } = decoded({
      provider: mesh({
        exporters: [overGrpc, zipkin()],
        propagation: ['W3C', 'B3_MULTI'],
        max_traces_per_second: 50,
        tail_keep: { errors: true, slower_than: '0.5s' },
        queue: { max_spans: 100, max_bytes: 65536, max_batch_spans: 10, delay: '2s' },
      }),
    });
    expect(value).toMatchObject({
      provider: { kind: 'several', providers: [{ cluster: 'collector' }, { cluster: 'zipkin' }] },
      propagation: ['w3c', 'b3multi'],
      ratePerSecond: 50,
      tailKeep: { errors: true, slowerThanMs: 500 },
    });
    expect(value!.provider).toMatchObject({
      providers: [{ queue: { maxQueueSpans: 100, maxQueueBytes: 65_536, maxBatchSpans: 10, delayMs: 2000 } }, {}],
    });
  });

  it('without exporters only carries headers on', () => {
    expect(decoded({ provider: mesh({ propagation: ['B3'] }) }).value).toMatchObject({
      provider: null,
      propagation: ['b3'],
    });
  });

  it('is refused where it goes beyond its bounds, all at once', () => {
    const { faults } = decoded({
      provider: mesh({
        exporters: [mesh({})],
        propagation: ['W3C', 'W3C', 'PROPAGATION_UNSPECIFIED'],
        tail_keep: { slower_than: '0s' },
        queue: { max_spans: 0, delay: '0s' },
      }),
    });
    expect(faults).toEqual([
      'provider.typed_config.queue.max_spans: 0 is not between 1 and 65536',
      'provider.typed_config.queue.delay: 0 is not between 10 and 60000',
      'provider.typed_config.exporters[0].typed_config: is missing, or is neither envoy.config.trace.v3.OpenTelemetryConfig nor envoy.config.trace.v3.ZipkinConfig',
      'provider.typed_config.propagation[1]: stands there twice',
      'provider.typed_config.propagation[2]: must be W3C, B3 or B3_MULTI',
      'provider.typed_config.tail_keep.slower_than: 0 is not between 1 and 86400000',
    ]);
  });

  it('refuses a tracer that is not supported, by its path', () => {
    expect(
      decoded({
        provider: {
          name: 'x',
          typed_config: { '@type': 'type.googleapis.com/envoy.config.trace.v3.SkyWalkingConfig' },
        },
      }).faults[0],
    ).toMatch(/^provider\.typed_config/);
  });
});

describe('tracing of a route', () => {
  it('has shares of a hundred, of ten thousand, of a million, of all where it says nothing, and tags', () => {
    const message = {
      client_sampling: { numerator: 50 },
      random_sampling: { numerator: 7, denominator: 'MILLION' },
      custom_tags: [{ tag: 'team', literal: { value: 'blue' } }],
    };
    expect(decodeJson(TracingSchema, message, routeTracing)).toEqual({
      value: {
        clientSampling: 5000,
        randomSampling: 0.07,
        overallSampling: 10_000,
        customTags: [{ kind: 'literal', tag: 'team', value: 'blue' }],
      },
      faults: [],
    });
    const more = { random_sampling: { numerator: 20_000, denominator: 'TEN_THOUSAND' } };
    expect(decodeJson(TracingSchema, more, routeTracing).value).toMatchObject({ randomSampling: 10_000 });
  });

  it('with a tag that is said twice is refused', () => {
    const tag = { tag: 'team', literal: { value: 'blue' } };
    expect(decodeJson(TracingSchema, { custom_tags: [tag, tag] }, routeTracing).faults).toHaveLength(1);
  });
});

/** Telemetry documents in what proxies are sent. That Envoy takes it is test/interop/telemetry-in-envoy.test.ts. */
import { fromBinary } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { ClusterSchema } from '../../proto/generated/envoy/config/cluster/v3/cluster_pb.js';
import { ListenerSchema } from '../../proto/generated/envoy/config/listener/v3/listener_pb.js';
import { checkFields } from '../../sidecar/xds/check-fields.ts';
import { decodeCluster } from '../../sidecar/xds/decode-cluster.ts';
import { decodeListener } from '../../sidecar/xds/decode-listener.ts';
import { Faults } from '../../sidecar/xds/fault.ts';
import type { Model } from '../model/model.ts';
import { ModelBuilder } from '../model/model-builder.ts';
import { faultText } from '../source/fault.ts';
import { parseFile } from '../source/parse-file.ts';
import { checkResources } from './check-resources.ts';
import type { ProxyNode } from './proxy-node.ts';
import { asJson } from './resources-as-yaml.test-data.ts';
import { proxy } from './sample-mesh.test-data.ts';
import { type ProxyResources, translate } from './translate.ts';

const services = [
  ['orders', 'http'],
  ['otel', 'grpc'],
].map(
  ([name, protocol]) =>
    `{apiVersion: outrigger.dev/v1, kind: Service, metadata: {name: ${name}, namespace: shop}, spec: {ports: [{port: 4317, appProtocol: ${protocol}}]}}`,
);
const telemetry = (spec: string, { name = 't', namespace = 'shop' } = {}): string =>
  `{apiVersion: outrigger.dev/v1, kind: Telemetry, metadata: {name: ${name}, namespace: ${namespace}}, spec: {${spec}}}`;

function modelOf(documents: readonly string[]): Model {
  const { resources, faults } = parseFile('t.yaml', [...services, ...documents].join('\n---\n'));
  expect(faults.map(faultText)).toEqual([]);
  return new ModelBuilder().build({ resources, instances: [] });
}

function sentTo(documents: readonly string[], more: Partial<ProxyNode> = {}): ProxyResources {
  const resources = translate(modelOf(documents), proxy('outrigger', { service: 'orders', ...more }));
  expect(checkResources(resources)).toEqual([]);
  return resources;
}

type Manager = Readonly<Record<'tracing' | 'accessLog', never>>;

function manager(resources: ProxyResources, name = 'inbound'): Manager {
  const listener = asJson('listeners', resources.listeners.get(name)!) as unknown as {
    filterChains: Array<{ filters: Array<{ typedConfig: Manager }> }>;
  };
  return listener.filterChains[0]!.filters[0]!.typedConfig;
}

/** Faults of our sidecar's own decoders. */
function refusals({ listeners, clusters }: ProxyResources): readonly unknown[] {
  const faults = new Faults();
  for (const { name, bytes } of listeners.values()) {
    const message = fromBinary(ListenerSchema, bytes);
    checkFields(ListenerSchema, message, name, faults);
    decodeListener(message as never, name, faults);
  }
  for (const { name, bytes } of clusters.values())
    decodeCluster(fromBinary(ClusterSchema, bytes) as never, name, faults);
  return faults.list;
}

const traced = `tracing: {sampling: 5, maxTracesPerSecond: 10, propagation: [b3multi, w3c], keep: {errors: true, slowerThan: 1s},
  tags: [{name: team, value: blue}, {name: tenant, header: X-Tenant}],
  exporters: [{otlp: {service: {name: otel, port: 4317}}}, {zipkin: {address: "zipkin.example:9411"}}, {otlp: {address: "127.0.0.1:4318", protocol: http}}]}`;

describe('tracing of Telemetry', () => {
  test('is our own provider around every exporter, on both sides of our sidecar, which takes it', () => {
    const resources = sentTo([telemetry(traced)]);
    for (const side of ['inbound', 'outbound'])
      expect(manager(resources, side).tracing).toMatchObject({
        randomSampling: { value: 5 },
        spawnUpstreamSpan: true,
        customTags: [{ tag: 'team' }, { tag: 'tenant' }],
        provider: {
          name: 'outrigger.tracers.mesh',
          typedConfig: {
            propagation: ['B3_MULTI', 'W3C'],
            maxTracesPerSecond: 10,
            tailKeep: { errors: true, slowerThan: '1s' },
            exporters: [
              {
                name: 'envoy.tracers.opentelemetry',
                typedConfig: {
                  serviceName: 'orders',
                  grpcService: { envoyGrpc: { clusterName: 'outbound|4317||otel.shop', authority: 'otel.shop:4317' } },
                },
              },
              { typedConfig: { collectorCluster: 'telemetry|http|zipkin.example:9411' } },
              {
                typedConfig: {
                  httpService: {
                    httpUri: { uri: 'http://127.0.0.1:4318/v1/traces', cluster: 'telemetry|http|127.0.0.1:4318' },
                  },
                },
              },
            ],
          },
        },
      });
    expect(refusals(resources)).toEqual([]);
  });

  test('has a cluster for each collector that is named by address', () => {
    const { clusters } = sentTo([telemetry(traced)]);
    const shown = (name: string): unknown => asJson('clusters', clusters.get(name)!);
    expect(shown('telemetry|http|zipkin.example:9411')).toMatchObject({ type: 'LOGICAL_DNS' });
    expect(shown('telemetry|http|127.0.0.1:4318')).toMatchObject({ type: 'STATIC' });
  });

  test('is the first exporter alone to an Envoy', () => {
    const { tracing } = manager(sentTo([telemetry(traced)], { kind: 'envoy' }));
    expect(tracing).toMatchObject({ provider: { name: 'envoy.tracers.opentelemetry' } });
  });

  test('is the same over redirected traffic, where our sidecar takes it too', () => {
    const resources = sentTo([telemetry(traced)], { interception: 'REDIRECT' });
    expect([...resources.clusters.keys()]).toContain('telemetry|http|zipkin.example:9411');
    expect(refusals(resources)).toEqual([]);
    expect(JSON.stringify(asJson('listeners', resources.listeners.get('outbound')!))).toContain(
      'outrigger.tracers.mesh',
    );
  });

  test('goes field by field from the workload to the namespace to the mesh', () => {
    const resources = sentTo([
      telemetry('tracing: {sampling: 1, exporters: [{otlp: {address: "10.0.0.1:4317"}}], keep: {errors: true}}', {
        name: 'mesh',
        namespace: 'outrigger',
      }),
      telemetry('tracing: {sampling: 20}', { name: 'namespace' }),
      telemetry('targetRefs: [{kind: Service, name: orders}], tracing: {propagation: [b3]}', { name: 'workload' }),
    ]);
    expect(manager(resources).tracing).toMatchObject({
      randomSampling: { value: 20 },
      provider: {
        typedConfig: {
          propagation: ['B3'],
          tailKeep: { errors: true },
          exporters: [
            { typedConfig: { grpcService: { envoyGrpc: { clusterName: 'telemetry|http2|10.0.0.1:4317' } } } },
          ],
        },
      },
    });
  });

  test('is none where nobody asks for it, or somebody says so', () => {
    expect(manager(sentTo([]))).not.toHaveProperty('tracing');
    const off = telemetry('tracing: {enabled: false}', { name: 'off' });
    expect(manager(sentTo([telemetry(traced, { namespace: 'outrigger' }), off]))).not.toHaveProperty('tracing');
  });

  test('leaves out a collector that is not there, and says so', () => {
    const model = modelOf([telemetry('tracing: {exporters: [{otlp: {service: {name: gone, port: 1}}}]}')]);
    expect(model.warnings.map(({ message }) => message)).toEqual([
      'spec.tracing.exporters[0].otlp.service: there is no Service shop/gone; nothing is sent there',
    ]);
    const resources = translate(model, proxy('outrigger', { service: 'orders' }));
    expect(manager(resources).tracing).toMatchObject({ provider: { name: 'outrigger.tracers.mesh' } });
    expect(manager(translate(model, proxy('envoy', { service: 'orders' })))).not.toHaveProperty('tracing');
  });
});

describe('accessLog of Telemetry', () => {
  test('is our own line for our sidecar, and the same fields for an Envoy', () => {
    const all = telemetry('accessLog: {mode: all, to: [{stdout: {}}]}');
    const ours = sentTo([all]);
    expect(manager(ours).accessLog).toEqual([
      {
        name: 'envoy.access_loggers.stdout',
        typedConfig: { '@type': 'type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog' },
      },
    ]);
    expect(refusals(ours)).toEqual([]);
    expect(manager(sentTo([all], { kind: 'envoy' })).accessLog).toMatchObject([
      { typedConfig: { logFormat: { jsonFormat: { status: '%RESPONSE_CODE%', request_id: '%REQ(X-REQUEST-ID)%' } } } },
    ]);
  });

  test('to a file as text is what our sidecar takes', () => {
    const resources = sentTo([
      telemetry('accessLog: {format: {text: "%REQ(:METHOD)% %RESPONSE_CODE%"}, to: [{file: {path: /tmp/a.log}}]}'),
    ]);
    expect(manager(resources).accessLog).toMatchObject([
      {
        typedConfig: {
          path: '/tmp/a.log',
          logFormat: { textFormatSource: { inlineString: '%REQ(:METHOD)% %RESPONSE_CODE%\n' } },
        },
        filter: { orFilter: { filters: [{ statusCodeFilter: {} }, { responseFlagFilter: {} }] } },
      },
    ]);
    expect(refusals(resources)).toEqual([]);
  });

  test('has every part of its filter, all of which must hold', () => {
    const [log] = manager(
      sentTo([
        telemetry(
          'accessLog: {mode: all, filter: {minStatus: 400, minDuration: 250ms, flags: [UF], share: 0.5, headers: [{name: X-A, value: "1"}], cel: "request.method == \'GET\'"}}',
        ),
      ]),
    ).accessLog as ReadonlyArray<{ filter: { andFilter: { filters: unknown[] } } }>;
    expect(log!.filter.andFilter.filters).toMatchObject([
      { statusCodeFilter: { comparison: { op: 'GE', value: { defaultValue: 400 } } } },
      { durationFilter: { comparison: { op: 'GE', value: { defaultValue: 250 } } } },
      { responseFlagFilter: { flags: ['UF'] } },
      { runtimeFilter: { percentSampled: { numerator: 5000, denominator: 'MILLION' } } },
      { headerFilter: { header: { name: 'x-a', stringMatch: { exact: '1' } } } },
      { extensionFilter: { typedConfig: { expression: "request.method == 'GET'" } } },
    ]);
  });

  test('is none with mode off, and errors on stderr where nobody says anything', () => {
    expect(manager(sentTo([telemetry('accessLog: {mode: "off"}')]))).not.toHaveProperty('accessLog');
    expect(manager(sentTo([])).accessLog).toMatchObject([{ name: 'envoy.access_loggers.stderr' }]);
    expect(manager(sentTo([], { kind: 'envoy' }))).not.toHaveProperty('accessLog');
  });

  test('goes to services by gRPC, each by its cluster', () => {
    const resources = sentTo([
      telemetry(
        'accessLog: {mode: all, format: {json: {m: "%REQ(:METHOD)%"}}, to: [{als: {address: "10.0.0.9:9000"}}, {otlp: {service: {name: otel, port: 4317}}}]}',
      ),
    ]);
    expect(manager(resources).accessLog).toMatchObject([
      {
        name: 'envoy.access_loggers.http_grpc',
        typedConfig: {
          commonConfig: {
            logName: 'outrigger',
            grpcService: { envoyGrpc: { clusterName: 'telemetry|http2|10.0.0.9:9000' } },
          },
        },
      },
      {
        name: 'envoy.access_loggers.open_telemetry',
        typedConfig: { attributes: { values: [{ key: 'm', value: { stringValue: '%REQ(:METHOD)%' } }] } },
      },
    ]);
    expect([...resources.clusters.keys()]).toContain('telemetry|http2|10.0.0.9:9000');
  });
});

describe('metrics of Telemetry', () => {
  const metrics =
    'metrics: {labels: [{from: method}, {name: tenant, header: X-Tenant, values: [a, b]}], omitLabels: [route, grpcStatus], omit: [requestBytes]}';
  const filters = (resources: ProxyResources, side: string): unknown =>
    (manager(resources, side) as unknown as { httpFilters: unknown }).httpFilters;

  test('are our own filter before the router on both sides of our sidecar, which takes it; an Envoy is sent none', () => {
    const resources = sentTo([telemetry(metrics)]);
    for (const side of ['inbound', 'outbound'])
      expect((filters(resources, side) as unknown[]).slice(-2)).toMatchObject([
        {
          name: 'outrigger.filters.http.request_metrics',
          typedConfig: {
            labels: [
              { name: 'method', attribute: 'METHOD' },
              { name: 'tenant', header: { name: 'x-tenant', values: ['a', 'b'] } },
            ],
            omittedLabels: ['route', 'grpc_status'],
            omittedMetrics: ['outrigger_request_bytes_total'],
          },
        },
        { name: 'envoy.filters.http.router' },
      ]);
    expect(refusals(resources)).toEqual([]);
    expect(JSON.stringify(filters(sentTo([telemetry(metrics)], { kind: 'envoy' }), 'inbound'))).not.toContain(
      'metrics',
    );
  });

  test('are as the most specific document says that says anything of them, as a whole', () => {
    const resources = sentTo([
      telemetry(metrics, { name: 'mesh', namespace: 'outrigger' }),
      telemetry('metrics: {labels: []}', { name: 'namespace' }),
      telemetry('targetRefs: [{kind: Service, name: orders}], tracing: {sampling: 1}', { name: 'workload' }),
    ]);
    expect((filters(resources, 'inbound') as unknown[]).at(-2)).toMatchObject({
      name: 'outrigger.filters.http.request_metrics',
    });
    expect(JSON.stringify(filters(resources, 'inbound'))).not.toContain('tenant');
  });
});

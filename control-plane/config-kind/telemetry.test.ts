import { describe, expect, test } from 'vitest';
import { faultText } from '../source/fault.ts';
import { parseFile } from '../source/parse-file.ts';
import type { TelemetryResource } from './telemetry-resource.ts';

function parsed(spec: string): {
  readonly resource: TelemetryResource | undefined;
  readonly faults: readonly string[];
} {
  const { resources, faults } = parseFile(
    't.yaml',
    `{apiVersion: outrigger.dev/v1, kind: Telemetry, metadata: {name: t, namespace: shop}, spec: ${spec}}`,
  );
  return {
    resource: resources[0] as TelemetryResource | undefined,
    faults: faults.map(faultText).map((text) => text.replace(/^t\.yaml:\d+:\d+: /, '')),
  };
}

describe('tracing of a Telemetry document', () => {
  test('has exporters by address and by Service, formats, a limit, what is kept, and tags', () => {
    const { resource, faults } = parsed(`{tracing: {
      sampling: 0.5, maxTracesPerSecond: 50, propagation: [w3c, b3], events: true,
      exporters: [
        {otlp: {service: {name: otel, port: 4317}, headers: [{name: X-Key, value: k}], timeout: 3s}},
        {otlp: {address: "[fd00::7]:4318", protocol: http}},
        {zipkin: {address: "zipkin.example:9411"}}],
      keep: {errors: true, slowerThan: 500ms},
      tags: [{name: a, value: "1"}, {name: b, header: X-B, default: none}, {name: c, environment: ZONE}]}}`);
    expect(faults).toEqual([]);
    expect(resource!.tracing).toEqual({
      enabled: null,
      samplingPercent: 0.5,
      maxTracesPerSecond: 50,
      propagation: ['w3c', 'b3'],
      events: true,
      exporters: [
        {
          protocol: 'otlp-grpc',
          target: {
            kind: 'service',
            namespace: 'shop',
            service: 'otel',
            port: 4317,
            path: 'spec.tracing.exporters[0].otlp.service',
          },
          path: '/v1/traces',
          headers: [['x-key', 'k']],
          timeoutMs: 3000,
        },
        {
          protocol: 'otlp-http',
          target: { kind: 'address', host: 'fd00::7', port: 4318, path: 'spec.tracing.exporters[1].otlp.address' },
          path: '/v1/traces',
          headers: [],
          timeoutMs: 10_000,
        },
        {
          protocol: 'zipkin',
          target: {
            kind: 'address',
            host: 'zipkin.example',
            port: 9411,
            path: 'spec.tracing.exporters[2].zipkin.address',
          },
          path: '/api/v2/spans',
          headers: [],
          timeoutMs: 10_000,
        },
      ],
      keep: { errors: true, slowerThanMs: 500 },
      tags: [
        { name: 'a', from: { kind: 'literal', value: '1' } },
        { name: 'b', from: { kind: 'header', name: 'x-b', defaultValue: 'none' } },
        { name: 'c', from: { kind: 'environment', name: 'ZONE', defaultValue: '' } },
      ],
    });
  });

  test.each([
    ['{}', 'spec: says nothing; give tracing, accessLog or metrics'],
    ['{tracing: {}}', 'spec.tracing: says nothing; give sampling, exporters or the like'],
    ['{tracing: {sampling: 101}}', 'spec.tracing.sampling: 101 is not per cent: a number from 0 to 100'],
    ['{tracing: {exporters: [{}]}}', 'spec.tracing.exporters[0]: is empty; give otlp or zipkin'],
    [
      '{tracing: {exporters: [{otlp: {}}]}}',
      'spec.tracing.exporters[0].otlp: says not where it is; give address or service',
    ],
    [
      '{tracing: {exporters: [{otlp: {address: "a:1", service: {name: a, port: 1}}}]}}',
      'spec.tracing.exporters[0].otlp.service: stands beside address; one of them says where it is',
    ],
    [
      '{tracing: {exporters: [{otlp: {address: "http://a:1"}}]}}',
      'spec.tracing.exporters[0].otlp.address: "http://a:1" is not host:port; write it as otel-collector.example:4317, 10.0.0.7:4317 or [fd00::7]:4317',
    ],
    [
      '{tracing: {exporters: [{otlp: {address: "a:1", path: /x}}]}}',
      'spec.tracing.exporters[0].otlp.path: "/x" is for protocol http; a gRPC call has its own',
    ],
    [
      '{tracing: {tags: [{name: a}]}}',
      'spec.tracing.tags[0]: has none of value, header and environment; give one of them',
    ],
    ['{tracing: {propagation: [w3c, w3c]}}', 'spec.tracing.propagation[1]: "w3c" stands there twice'],
  ])('is refused when it makes no sense, with what is accepted: %s', (spec, fault) => {
    expect(parsed(spec).faults.join()).toContain(fault);
  });

  test('that is misspelt is told what was probably meant', () => {
    expect(parsed('{tracing: {samplng: 1}}').faults.join()).toMatch(/did you mean "?sampling/);
    expect(parsed('{tracing: {sampling: 1, propagation: [b3mult]}}').faults.join()).toMatch(/b3multi/);
  });
});

describe('accessLog of a Telemetry document', () => {
  test('has a mode, a filter, a format and places', () => {
    const { resource, faults } = parsed(`{accessLog: {
      mode: all, filter: {minStatus: 400, minDuration: 250ms, flags: [UF, UH], share: 10, headers: [{name: X-Debug}], cel: "request.method == 'GET'"},
      format: {json: {m: "%REQ(:METHOD)%", t: "%START_TIME(%Y-%m)%", s: "100 %%"}},
      to: [{stdout: {}}, {file: {path: /var/log/a.log}}, {als: {address: "127.0.0.1:9000"}}, {otlp: {service: {name: otel, port: 4317}, logName: shop}}]}}`);
    expect(faults).toEqual([]);
    expect(resource!.accessLog).toMatchObject({
      mode: 'all',
      filter: {
        minStatus: 400,
        minDurationMs: 250,
        flags: ['UF', 'UH'],
        sharePercent: 10,
        headers: [{ name: 'x-debug', value: null }],
        expression: "request.method == 'GET'",
      },
      format: { kind: 'json' },
      sinks: [
        { kind: 'stdout' },
        { kind: 'file', path: '/var/log/a.log' },
        { kind: 'als', logName: 'outrigger' },
        { kind: 'otlp', logName: 'shop' },
      ],
    });
  });

  test.each([
    ['{accessLog: {}}', 'spec.accessLog: says nothing; give mode, filter, format or to'],
    ['{accessLog: {mode: "off", to: [{stdout: {}}]}}', 'spec.accessLog.to: has no use beside mode: off'],
    ['{accessLog: {to: [{}]}}', 'spec.accessLog.to[0]: is empty; give stdout, stderr, file, otlp or als'],
    [
      '{accessLog: {to: [{stdout: {}, file: {path: /a}}]}}',
      'spec.accessLog.to[0].file: stands beside stdout; give each an entry of its own',
    ],
    [
      '{accessLog: {format: {text: "%RESPONSE_COD%"}}}',
      'has %RESPONSE_COD%, which is no operator that proxies know; did you mean %RESPONSE_CODE%?',
    ],
    ['{accessLog: {format: {json: {share: "50 %"}}}}', 'has a % that begins no operator; write %% for the sign itself'],
    [
      '{accessLog: {format: {json: {from: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(999)%"}}}}',
      'spec.accessLog.format.json.from: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(999)%" has',
    ],
    ['{accessLog: {format: {text: "%START_TIME(%Q)%"}}}', 'spec.accessLog.format.text: "%START_TIME(%Q)%" has'],
    ['{accessLog: {filter: {cel: "request.methd == 1"}}}', 'spec.accessLog.filter.cel'],
  ])('is refused when it makes no sense: %s', (spec, fault) => {
    expect(parsed(spec).faults.join()).toContain(fault);
  });
});

describe('metrics of a Telemetry document', () => {
  test('have labels of attributes and headers, and what is left out', () => {
    const { resource, faults } = parsed(
      '{metrics: {labels: [{from: destinationZone}, {name: t, header: X-T, values: [a]}], omitLabels: [flags], omit: [duration]}}',
    );
    expect(faults).toEqual([]);
    expect(resource!.metrics).toEqual({
      labels: [
        { name: 'destination_zone', from: 'destinationZone' },
        { name: 't', from: { header: 'x-t', values: ['a'] } },
      ],
      omitLabels: ['flags'],
      omit: ['duration'],
    });
  });

  test.each([
    ['{}', 'says nothing'],
    ['{labels: [{name: code, from: method}]}', 'labels[0].name: "code" is a label of these metrics already'],
    ['{labels: [{name: a-b, from: method}]}', 'is not the name of a label'],
    ['{labels: [{name: __a, from: method}]}', 'is not the name of a label'],
    ['{labels: [{from: method}, {name: method, from: responseClass}]}', 'is the name of another label too'],
    ['{labels: [{name: a}]}', 'has neither from nor header'],
    ['{labels: [{name: a, from: method, header: x, values: [b]}]}', 'stands beside from'],
    ['{labels: [{name: a, header: x}]}', 'has no values'],
    ['{labels: [{header: x, values: [b]}]}', 'has no name'],
    ['{labels: [{name: a, header: x, values: [b, b]}]}', 'stands there twice'],
    ['{labels: [{from: path}]}', 'labels[0].from'],
    ['{omitLabels: [code]}', 'omitLabels[0]'],
    ['{omit: [duration, duration]}', 'stands there twice'],
  ])('%s: %s', (metrics, message) => {
    expect(parsed(`{metrics: ${metrics}}`).faults.join('\n')).toContain(message);
  });
});

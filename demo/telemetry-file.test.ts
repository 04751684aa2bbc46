import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { prometheusFile, telemetryFile } from './telemetry-file.ts';

test('every trace goes to the collector that is named', () => {
  expect(parse(telemetryFile('[::1]:4317'))).toMatchObject({
    kind: 'Telemetry',
    metadata: { namespace: 'outrigger' },
    spec: { tracing: { sampling: 100, exporters: [{ otlp: { address: '[::1]:4317' } }] } },
  });
});

test('Prometheus scrapes the control plane and each sidecar by its admin port', () => {
  const file = prometheusFile('127.0.0.1:15014', [{ name: 'payments v1', admin: '127.0.0.1:4001' }], '/rules');
  expect(parse(file)).toMatchObject({
    rule_files: ['/rules/rules.yaml', '/rules/alerts.yaml'],
    scrape_configs: [
      { static_configs: [{ targets: ['127.0.0.1:15014'] }] },
      { static_configs: [{ targets: ['127.0.0.1:4001'], labels: { proxy: 'payments v1' } }] },
    ],
  });
});

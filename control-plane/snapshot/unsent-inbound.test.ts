import { expect, test } from 'vitest';
import { ModelBuilder } from '../model/model-builder.ts';
import { parseFile } from '../source/parse-file.ts';
import { proxy } from '../translate/sample-mesh.test-data.ts';
import { unsentInbound } from './unsent-inbound.ts';

test('an Envoy in front of the workload lacks limits and priorities of a policy; nobody else does', () => {
  const of = (spec: string) =>
    new ModelBuilder().build({
      resources: parseFile(
        't.yaml',
        `{apiVersion: outrigger.dev/v1, kind: Service, metadata: {name: payments, namespace: shop}, spec: {ports: [{port: 80}]}}
---
{apiVersion: outrigger.dev/v1, kind: TrafficPolicy, metadata: {name: p, namespace: shop}, spec: {targetRefs: [{kind: Service, name: payments}], ${spec}}}`,
      ).resources,
      instances: [],
    });
  const model = of('inboundLimits: {maxRequests: 1}, priorities: [{match: {paths: [/x]}, priority: critical}]');
  expect(unsentInbound(model, proxy('envoy'))).toBe('inboundLimits, priorities');
  expect(unsentInbound(model, proxy('outrigger'))).toBe('');
  expect(unsentInbound(model, proxy('envoy', { appPort: null }))).toBe('');
  expect(unsentInbound(model, proxy('envoy', { service: 'web', cluster: 'shop/web' }))).toBe('');
  expect(unsentInbound(of('adaptiveConcurrency: {}, inboundLimits: {enabled: false}'), proxy('envoy'))).toBe('');
});

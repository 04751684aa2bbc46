import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { Model } from '../model/model.ts';
import { ModelBuilder } from '../model/model-builder.ts';
import { parseFile } from '../source/parse-file.ts';
import type { ClientKind } from '../translate/proxy-node.ts';
import { proxy } from '../translate/sample-mesh.test-data.ts';
import type { ConnectedProxy } from '../xds-server/connected-proxy.ts';
import { ProxySnapshots } from './proxy-snapshots.ts';
import { unsentPolicies } from './unsent-policies.ts';

const orders =
  '{apiVersion: outrigger.dev/v1, kind: Service, metadata: {name: orders, namespace: shop}, spec: {ports: [{port: 80}]}}';
const payments = orders.replace('orders', 'payments');

function modelOf(...policies: ReadonlyArray<readonly [name: string, service: string, spec: string]>): Model {
  const documents = policies.map(
    ([name, service, spec]) =>
      `{apiVersion: outrigger.dev/v1, kind: TrafficPolicy, metadata: {name: ${name}, namespace: shop}, spec: {targetRefs: [{kind: Service, name: ${service}}], ${spec}}}`,
  );
  return new ModelBuilder().build({
    resources: parseFile('t.yaml', [orders, payments, ...documents].join('\n---\n')).resources,
    instances: [],
  });
}

test('circuit breakers in force are named, for clients that are none of ours', () => {
  const breaker = 'circuitBreaker: {}';
  const model = modelOf(['a', 'orders', breaker], ['b', 'orders', breaker], ['c', 'nobody', breaker]);
  const said = ['circuitBreaker of TrafficPolicy shop/a (outlier detection and limits hold)'];
  expect((['outrigger', 'envoy', 'grpc'] as const).map((kind) => unsentPolicies(model, proxy(kind)))).toEqual([
    [],
    said,
    said,
  ]);
  expect(unsentPolicies(modelOf(['a', 'orders', 'circuitBreaker: {enabled: false}']), proxy('envoy'))).toEqual([]);
});

test('an Envoy in front of the workload lacks limits and priorities of a policy; nobody else does', () => {
  const of = (spec: string): Model => modelOf(['p', 'payments', spec]);
  const model = of('inboundLimits: {maxRequests: 1}, priorities: [{match: {paths: [/x]}, priority: critical}]');
  expect(unsentPolicies(model, proxy('envoy'))).toEqual([
    'inboundLimits and priorities of TrafficPolicies in front of their applications (adaptiveConcurrency, rate limits and the limits of callers hold)',
  ]);
  expect(unsentPolicies(model, proxy('outrigger'))).toEqual([]);
  expect(unsentPolicies(model, proxy('grpc'))).toEqual([]);
  expect(unsentPolicies(model, proxy('envoy', { appPort: null }))).toEqual([]);
  expect(unsentPolicies(model, proxy('envoy', { service: 'web', cluster: 'shop/web' }))).toEqual([]);
  expect(unsentPolicies(of('adaptiveConcurrency: {}, inboundLimits: {enabled: false}'), proxy('envoy'))).toEqual([]);
});

test('the control plane says it once for proxies that are alike, and again when the policies are others', () => {
  const lines: string[] = [];
  const timers: Array<() => void> = [];
  const snapshots = new ProxySnapshots({
    log: pino(
      { level: 'warn' },
      { write: (line) => void lines.push((JSON.parse(line) as { readonly msg: string }).msg) },
    ),
    after: (_delayMs, callback) => (timers.push(callback), () => {}),
  });
  const connect = (kind: ClientKind, id: string): void => {
    const connected = { proxy: proxy(kind, { id }), session: { setSnapshot: () => {} } };
    snapshots.add(connected as unknown as ConnectedProxy);
  };
  const told = (): string[] => lines.filter((line) => line.includes('go without'));
  const inbound = ['i', 'payments', 'inboundLimits: {maxRequests: 1}, fallback: {answer: {status: 200}}'] as const;
  snapshots.setModel(modelOf(['a', 'orders', 'circuitBreaker: {}'], inbound));
  connect('outrigger', 'ours');
  connect('envoy', 'e1');
  connect('envoy', 'e2');
  expect(told()).toEqual([
    "proxies like e1 (shop/payments) are Envoy's, and go without what only sidecars of Outrigger know: circuitBreaker of TrafficPolicy shop/a (outlier detection and limits hold); fallback of TrafficPolicy shop/i; inboundLimits of TrafficPolicies in front of their applications (adaptiveConcurrency, rate limits and the limits of callers hold)",
  ]);
  for (const model of [
    modelOf(['a', 'orders', 'circuitBreaker: {window: 5s}'], inbound),
    modelOf(['b', 'orders', 'circuitBreaker: {}'], inbound),
  ]) {
    snapshots.setModel(model);
    timers.splice(0).forEach((timer) => timer());
  }
  expect(told()).toHaveLength(2);
  expect(told()[1]).toContain('TrafficPolicy shop/b');
});

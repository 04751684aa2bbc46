import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { Model } from '../model/model.ts';
import { ModelBuilder } from '../model/model-builder.ts';
import { parseFile } from '../source/parse-file.ts';
import type { ClientKind } from '../translate/proxy-node.ts';
import { proxy } from '../translate/sample-mesh.test-data.ts';
import type { ConnectedProxy } from '../xds-server/connected-proxy.ts';
import { ProxySnapshots } from './proxy-snapshots.ts';
import { unsentBreakers } from './unsent-breakers.ts';

function modelOf(...policies: ReadonlyArray<readonly [name: string, service: string, breaker: string]>): Model {
  const documents = [
    '{apiVersion: outrigger.dev/v1, kind: Service, metadata: {name: orders, namespace: shop}, spec: {ports: [{port: 80}]}}',
    ...policies.map(
      ([name, service, breaker]) =>
        `{apiVersion: outrigger.dev/v1, kind: TrafficPolicy, metadata: {name: ${name}, namespace: shop}, spec: {targetRefs: [{kind: Service, name: ${service}}], circuitBreaker: ${breaker}}}`,
    ),
  ];
  return new ModelBuilder().build({
    resources: parseFile('t.yaml', documents.join('\n---\n')).resources,
    instances: [],
  });
}

test('policies in force are named, for clients that are none of ours', () => {
  const model = modelOf(['a', 'orders', '{}'], ['b', 'orders', '{}'], ['c', 'nobody', '{}']);
  expect((['outrigger', 'envoy', 'grpc'] as const).map((kind) => unsentBreakers(model, kind))).toEqual([
    '',
    'shop/a',
    'shop/a',
  ]);
  expect(unsentBreakers(modelOf(['a', 'orders', '{enabled: false}']), 'envoy')).toBe('');
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
  const told = (): string[] => lines.filter((line) => line.includes('circuit'));
  snapshots.setModel(modelOf(['a', 'orders', '{}']));
  connect('outrigger', 'ours');
  connect('envoy', 'e1');
  connect('envoy', 'e2');
  expect(told()).toEqual([
    "proxies like e1 (shop/payments) are Envoy's, which have no circuit breakers: circuitBreaker of TrafficPolicy shop/a does not hold there; outlier detection and limits do",
  ]);
  for (const model of [modelOf(['a', 'orders', '{window: 5s}']), modelOf(['b', 'orders', '{}'])]) {
    snapshots.setModel(model);
    timers.splice(0).forEach((timer) => timer());
  }
  expect(told()).toHaveLength(2);
  expect(told()[1]).toContain('TrafficPolicy shop/b');
});

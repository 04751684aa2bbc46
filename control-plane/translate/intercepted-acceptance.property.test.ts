/** Whatever proxies are sent that traffic is redirected to, our sidecar takes it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { serviceAccountId } from '../../certs/spiffe/spiffe-id.ts';
import { clusterType, endpointsType, listenerType, routesType } from '../../sidecar/xds/ads/resource-type.ts';
import { supportedFields } from '../../sidecar/xds/supported-fields.ts';
import { ModelBuilder } from '../model/model-builder.ts';
import { parseFile } from '../source/parse-file.ts';
import type { ProxyNode } from './proxy-node.ts';
import { dnsListenerName } from './resource-names.ts';
import { proxy, sampleInstances, sampleResources } from './sample-mesh.test-data.ts';
import { type ProxyResources, translate } from './translate.ts';

const decoders = { listeners: listenerType, routes: routesType, clusters: clusterType, endpoints: endpointsType };
const sidecarTakes = (message: string): boolean => Object.hasOwn(supportedFields, message);
const takesTcp = sidecarTakes('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy');
const takesDns = sidecarTakes('envoy.extensions.filters.udp.dns_filter.v3.DnsFilterConfig');

const identity = serviceAccountId('cluster.local', 'shop', 'payments');
const { resources: more } = parseFile(
  'intercepted.yaml',
  readFileSync(join(import.meta.dirname, 'golden/intercepted.yaml'), 'utf8'),
);
const peer = (mode: string): readonly object[] => [
  {
    apiVersion: 'outrigger.dev/v1',
    kind: 'PeerAuthentication',
    metadata: { name: 'all', namespace: 'shop' },
    spec: { mtls: { mode } },
  },
];

const nodes = fc.record({
  interception: fc.constantFrom<ProxyNode['interception']>('REDIRECT', 'TPROXY'),
  ipFamilies: fc.constantFrom<ProxyNode['ipFamilies']>(['IPv4'], ['IPv6'], ['IPv4', 'IPv6']),
  egress: fc.constantFrom<ProxyNode['egress']>('allow', 'registry-only'),
  opaquePorts: fc.constantFrom([], [{ start: 9000, end: 9000 }], [{ start: 1, end: 65_535 }]),
  appPort: fc.constantFrom(null, 9000, 9001),
  labels: fc.constantFrom<Record<string, string>>({}, { app: 'payments' }),
  namespace: fc.constantFrom('shop', 'office'),
  identity: fc.constantFrom(null, identity),
});

function refusals(node: Partial<ProxyNode>, mode: string | null): string[] {
  const { resources: policies } = parseFile(
    'peer.yaml',
    mode === null
      ? ''
      : peer(mode)
          .map((each) => JSON.stringify(each))
          .join('\n---\n'),
  );
  // A workload's own policy would go before.
  const others = mode === null ? more : more.filter(({ kind }) => kind !== 'PeerAuthentication');
  const model = new ModelBuilder().build({
    resources: [...sampleResources(), ...others, ...policies],
    instances: sampleInstances.map((each) => ({ ...each, identity: identity.text })),
  });
  const translated = translate(model, proxy('outrigger', node));
  return (Object.keys(decoders) as Array<keyof ProxyResources>).flatMap((type) =>
    [...translated[type].values()].flatMap(({ name, bytes }) => {
      const decoded = decoders[type].decode(bytes);
      return decoded.ok ? [] : decoded.faults.map((fault) => `${type} ${name}: ${fault}`);
    }),
  );
}

describe.skipIf(!takesTcp)('our sidecar with TCP proxying', () => {
  test('takes every listener, route and cluster of REDIRECT and TPROXY', () => {
    fc.assert(
      fc.property(nodes, fc.constantFrom(null, 'STRICT', 'PERMISSIVE', 'DISABLE'), (node, mode) => {
        expect(refusals(node, mode)).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});

test.skipIf(!takesDns)(`our sidecar takes the listener ${dnsListenerName}`, () => {
  expect(
    refusals({ interception: 'REDIRECT', dnsListen: { host: '127.0.0.1', port: 15_053 }, identity }, null),
  ).toEqual([]);
});

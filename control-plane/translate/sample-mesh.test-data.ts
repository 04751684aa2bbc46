/** The sample mesh of golden/mesh.yaml as a model, and proxies to translate it for. Test data only. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Resource } from '../config-kind/resource.ts';
import type { RegisteredInstance } from '../model/registered-instance.ts';
import { parseFile } from '../source/parse-file.ts';
import type { ClientKind, ProxyNode } from './proxy-node.ts';

export function sampleResources(): readonly Resource[] {
  const { resources, faults } = parseFile(
    'mesh.yaml',
    readFileSync(join(import.meta.dirname, 'golden/mesh.yaml'), 'utf8'),
  );
  if (faults.length > 0) throw new Error(JSON.stringify(faults));
  return resources;
}

export function instance(service: string, address: string, more: Partial<RegisteredInstance> = {}): RegisteredInstance {
  return {
    namespace: 'shop',
    service,
    instanceId: `${service}-${address}`,
    address,
    port: 15_006,
    portName: '',
    labels: {},
    identity: '',
    zone: '',
    weight: 1,
    healthy: true,
    ...more,
  };
}

export const sampleInstances: readonly RegisteredInstance[] = [
  instance('storefront', '10.0.0.1'),
  instance('payments', '10.0.0.2', { labels: { app: 'payments', version: 'v1' }, zone: 'b' }),
  instance('payments', '10.0.0.3', { labels: { app: 'payments', version: 'v2' }, zone: 'a', weight: 2 }),
  instance('payments', '10.0.0.4', { labels: { app: 'payments', version: 'v1' }, zone: 'a', healthy: false }),
];

export function proxy(kind: ClientKind, more: Partial<ProxyNode> = {}): ProxyNode {
  return {
    id: `${kind}-1`,
    cluster: 'shop/payments',
    namespace: 'shop',
    service: 'payments',
    kind,
    appPort: 9000,
    appPorts: [],
    outboundListen: { host: '127.0.0.1', port: 15_001 },
    inboundListen: { host: '0.0.0.0', port: 15_006 },
    upstreams: [],
    controlPlaneCluster: kind === 'outrigger' ? 'outrigger-control-plane' : '',
    zone: '',
    labels: {},
    interception: 'NONE',
    ipFamilies: ['IPv4'],
    egress: 'allow',
    opaquePorts: [],
    dnsListen: null,
    identity: null,
    ...more,
  };
}

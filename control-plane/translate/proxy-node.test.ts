import { create, type JsonObject, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { serviceAccountId } from '../../certs/spiffe/spiffe-id.ts';
import { NodeSchema } from '../../proto/generated/envoy/config/core/v3/base_pb.js';
import { type Egress, type ProxyNode, proxyKey, readProxyNode } from './proxy-node.ts';

function read(init: MessageInitShape<typeof NodeSchema>): ProxyNode {
  const result = readProxyNode(create(NodeSchema, { id: 'p1', cluster: 'shop/orders', ...init }));
  if ('faults' in result) throw new Error(result.faults.join('\n'));
  return result.proxy;
}

function faults(init: MessageInitShape<typeof NodeSchema>): readonly string[] {
  const result = readProxyNode(create(NodeSchema, { id: 'p1', cluster: 'shop/orders', ...init }));
  return 'faults' in result ? result.faults : [];
}

test('several ports of an application come as a list or as text, each once, and no more than 100', () => {
  expect(read({ metadata: { interception: 'REDIRECT', app_ports: [9001, '9000', 9000] } })).toMatchObject({
    appPort: null,
    appPorts: [9000, 9001],
  });
  expect(read({ metadata: { app_ports: '9001, 9000' } }).appPorts).toEqual([9000, 9001]);
  expect(proxyKey(read({ metadata: { interception: 'REDIRECT', app_ports: [1] } }))).not.toBe(
    proxyKey(read({ metadata: { interception: 'REDIRECT' } })),
  );
  expect(faults({ metadata: { app_ports: [80, 0, 'x'] } })).toEqual([
    'node.metadata.app_ports: 0 is not a port number from 1 to 65535',
    'node.metadata.app_ports: "x" is not a port number from 1 to 65535',
  ]);
  expect(faults({ metadata: { app_ports: Array.from({ length: 101 }, (_, at) => at + 1) } })).toEqual([
    'node.metadata.app_ports: is more than 100 ports',
  ]);
});

describe('kinds of clients (xds.md C3)', () => {
  test('are told by user_agent_name', () => {
    expect(read({ userAgentName: 'outrigger' }).kind).toBe('outrigger');
    expect(read({ userAgentName: 'envoy' }).kind).toBe('envoy');
    expect(read({ userAgentName: 'gRPC Node Pure JS' }).kind).toBe('grpc');
    expect(read({ userAgentName: 'grpc-java' }).kind).toBe('grpc');
    expect(read({ userAgentName: 'something else that names itself so' }).kind).toBe('envoy');
  });
});

test('defaults are those of interfaces.md', () => {
  expect(read({})).toMatchObject({
    namespace: 'shop',
    service: 'orders',
    appPort: null,
    appPorts: [],
    outboundListen: { host: '127.0.0.1', port: 15_001 },
    inboundListen: { host: '0.0.0.0', port: 15_006 },
    zone: '',
  });
});

test('metadata is taken as numbers or digits, addresses of both families', () => {
  const proxy = read({
    metadata: {
      app_port: '9000',
      outbound_listen: '[::1]:0',
      inbound_listen: '10.0.0.1:8080',
      zone: 'a',
      labels: { v: '1' },
      interception: 'NONE',
      other: {},
    },
  });
  expect(proxy).toMatchObject({
    appPort: 9000,
    outboundListen: { host: '::1', port: 0 },
    inboundListen: { host: '10.0.0.1', port: 8080 },
    zone: 'a',
  });
  expect(proxy.labels).toEqual(Object.assign(Object.create(null), { v: '1' }));
  expect(read({ metadata: { app_port: 80 }, locality: { zone: 'b' } })).toMatchObject({ appPort: 80, zone: 'b' });
});

test('every fault is named by field path', () => {
  expect(
    faults({
      id: '',
      cluster: 'shop',
      metadata: { interception: 'REDIRECTED', app_port: 0, outbound_listen: 'localhost:1', labels: { a: 1 }, zone: 1 },
    }),
  ).toEqual([
    'node.id: is missing; each process needs one of its own',
    'node.cluster: "shop" is not accepted; write it as namespace/service',
    'node.metadata.app_port: 0 is not a port number from 1 to 65535',
    'node.metadata.outbound_listen: "localhost:1" is not an address; write it as 127.0.0.1:15001 or [::1]:15001',
    'node.metadata.zone: 1 is not text',
    'node.metadata.labels["a"]: is not text',
    'node.metadata.interception: "REDIRECTED" is not accepted; accepted: NONE, REDIRECT, TPROXY',
  ]);
});

describe('interception', () => {
  test('is off, with the families, the egress policy and the ports that hold by default', () => {
    expect(read({})).toMatchObject({
      interception: 'NONE',
      ipFamilies: ['IPv4'],
      egress: 'allow',
      opaquePorts: [],
      dnsListen: null,
    });
  });

  test('has what the node says', () => {
    const metadata = {
      interception: 'TPROXY',
      ip_families: ['IPv6', 'IPv4'],
      egress: 'registry-only',
      opaque_ports: [9010, '9000-9005, 9006', '25'],
      dns_listen: '127.0.0.1:15053',
    };
    expect(read({ metadata })).toMatchObject({
      interception: 'TPROXY',
      ipFamilies: ['IPv4', 'IPv6'],
      egress: 'registry-only',
      opaquePorts: [
        { start: 25, end: 25 },
        { start: 9000, end: 9006 },
        { start: 9010, end: 9010 },
      ],
      dnsListen: { host: '127.0.0.1', port: 15_053 },
    });
    expect(read({ metadata: { opaque_ports: '25,3306' } }).opaquePorts).toHaveLength(2);
  });

  test("a proxy's egress policy may be tighter than the control plane's, and never wider", () => {
    const of = (said: string | undefined, egress: Egress): Egress => {
      const metadata = said === undefined ? {} : { egress: said };
      const result = readProxyNode(create(NodeSchema, { id: 'p1', cluster: 'shop/orders', metadata }), { egress });
      return 'proxy' in result ? result.proxy.egress : 'allow';
    };
    expect(of(undefined, 'registry-only')).toBe('registry-only');
    expect(of('allow', 'registry-only')).toBe('registry-only');
    expect(of('registry-only', 'allow')).toBe('registry-only');
    expect(of('allow', 'allow')).toBe('allow');
  });

  test('names what is wrong', () => {
    const metadata = { ip_families: ['IPv5'], egress: 'none', opaque_ports: ['0'], dns_listen: 'localhost:53' };
    expect(faults({ metadata })).toEqual([
      'node.metadata.ip_families: ["IPv5"] is not a list of IPv4, IPv6',
      'node.metadata.egress: "none" is not accepted; accepted: allow, registry-only',
      'node.metadata.opaque_ports: "0" is neither a port from 1 to 65535 nor a range like 9000-9010',
      'node.metadata.dns_listen: "localhost:53" is not an address; write it as 127.0.0.1:15001 or [::1]:15001',
    ]);
  });

  test('makes another key, but for proxies without it', () => {
    const key = (metadata: JsonObject): string => proxyKey(read({ metadata }));
    expect(key({ interception: 'NONE', egress: 'registry-only', opaque_ports: [1] })).toBe(key({}));
    const said = [{}, { egress: 'registry-only' }, { opaque_ports: [1] }, { ip_families: ['IPv6'] }];
    const keys = said.map((each) => key({ interception: 'REDIRECT', ...each }));
    expect(new Set([...keys, key({ interception: 'TPROXY' }), key({})]).size).toBe(6);
  });
});

describe('upstreams', () => {
  test('are taken with an address, or with a free port', () => {
    const { upstreams } = read({
      metadata: {
        upstreams: [
          { service: 'shop/orders', port: 80, listen: '127.0.0.1:9000' },
          { service: 'shop/payments', port: '81' },
        ],
      },
    });
    expect(upstreams).toEqual([
      { namespace: 'shop', service: 'orders', port: 80, listen: { host: '127.0.0.1', port: 9000 } },
      { namespace: 'shop', service: 'payments', port: 81, listen: { host: '127.0.0.1', port: 0 } },
    ]);
  });

  test('are named by field path when they are wrong, or given twice', () => {
    const wrong = (upstreams: unknown): readonly string[] => faults({ metadata: { upstreams } as never });
    expect(wrong('shop/orders')).toEqual(['node.metadata.upstreams: is not a list of at most 256']);
    expect(wrong(Array.from({ length: 257 }, (_, i) => ({ service: 'a/b', port: i + 1 })))).toEqual([
      'node.metadata.upstreams: is not a list of at most 256',
    ]);
    expect(wrong([7, { service: 'orders', port: 0, listen: 'x' }])).toEqual([
      'node.metadata.upstreams[0].service: is missing; write it as namespace/service',
      'node.metadata.upstreams[0].port: is missing',
      'node.metadata.upstreams[1].service: "orders" is not accepted; write it as namespace/service',
      'node.metadata.upstreams[1].port: 0 is not a port number from 1 to 65535',
      'node.metadata.upstreams[1].listen: "x" is not an address; write it as 127.0.0.1:15001 or [::1]:15001',
    ]);
    expect(
      wrong([
        { service: 'a/b', port: 1, listen: '127.0.0.1:9' },
        { service: 'a/b', port: 1 },
        { service: 'a/c', port: 1, listen: '127.0.0.1:9' },
      ]),
    ).toEqual([
      'node.metadata.upstreams[1]: has the same service a/b:1 as upstreams[0]',
      'node.metadata.upstreams[2]: has the same address 127.0.0.1:9 as upstreams[0]',
    ]);
  });

  test('make another key, as they are other resources', () => {
    const key = (listen: string): string =>
      proxyKey(read({ metadata: { upstreams: [{ service: 'a/b', port: 1, listen }] } }));
    expect(new Set([key('127.0.0.1:0'), key('127.0.0.1:1'), proxyKey(read({}))]).size).toBe(3);
  });
});

test('names of a prototype in metadata mean nothing (hardening.md)', () => {
  expect(read({ metadata: { constructor: { app_port: 1 } } }).appPort).toBeNull();
});

test('a gRPC application may leave its cluster out', () => {
  expect(read({ userAgentName: 'gRPC Go', cluster: '' })).toMatchObject({ namespace: 'default', service: '' });
});

test('proxies that differ only in who they are share a key', () => {
  expect(proxyKey(read({ id: 'a' }))).toBe(proxyKey(read({ id: 'b' })));
  expect(proxyKey(read({ metadata: { app_port: 1 } }))).not.toBe(proxyKey(read({})));
});

test('who a proxy is, is what its stream proves; it and the labels that policies choose by make another key', () => {
  const node = create(NodeSchema, { id: 'p1', cluster: 'shop/orders', metadata: { labels: { v: '1', other: 'x' } } });
  const id = serviceAccountId('cluster.local', 'shop', 'orders');
  const known = readProxyNode(node, { identity: id });
  const plain = readProxyNode(node);
  if ('faults' in known || 'faults' in plain) throw new Error('a proxy was expected');
  expect(known.proxy.identity).toBe(id);
  expect(plain.proxy.identity).toBeNull();
  expect(proxyKey(known.proxy)).not.toBe(proxyKey(plain.proxy));
  const two = { ...plain.proxy, labels: { v: '2', other: 'y' } };
  expect(proxyKey(two)).toBe(proxyKey(plain.proxy));
  expect(proxyKey(two, ['v'])).not.toBe(proxyKey(plain.proxy, ['v']));
  expect(proxyKey({ ...two, kind: 'grpc', identity: id })).toBe(proxyKey({ ...two, kind: 'grpc' }));
});

test('a proxy may say which cluster of its bootstrap leads to the control plane; proxies that say otherwise are not alike', () => {
  const said = (cluster: string | number) => ({ metadata: { control_plane_cluster: cluster } });
  expect(read(said('xds')).controlPlaneCluster).toBe('xds');
  expect(read({}).controlPlaneCluster).toBe('');
  expect(proxyKey(read(said('xds')))).not.toBe(proxyKey(read({})));
  expect(faults(said(1))).toEqual(['node.metadata.control_plane_cluster: 1 is not text']);
});

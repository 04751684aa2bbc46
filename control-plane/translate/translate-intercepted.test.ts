/** What proxies are sent that traffic is redirected to (node.metadata.interception REDIRECT and TPROXY). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { describe, expect, test } from 'vitest';
import { serviceAccountId } from '../../certs/spiffe/spiffe-id.ts';
import type { Cluster } from '../../proto/generated/envoy/config/cluster/v3/cluster_pb.js';
import type { FilterChain } from '../../proto/generated/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '../../proto/generated/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfiguration } from '../../proto/generated/envoy/config/route/v3/route_pb.js';
import { RBACSchema } from '../../proto/generated/envoy/extensions/filters/network/rbac/v3/rbac_pb.js';
import { TcpProxySchema } from '../../proto/generated/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { DnsFilterConfigSchema } from '../../proto/generated/envoy/extensions/filters/udp/dns_filter/v3/dns_filter_pb.js';
import type { Resource } from '../config-kind/resource.ts';
import type { Model } from '../model/model.ts';
import { ModelBuilder } from '../model/model-builder.ts';
import { parseFile } from '../source/parse-file.ts';
import { checkResources } from './check-resources.ts';
import { dnsTable, encodeDnsListener, maxDnsServices } from './encode-dns-listener.ts';
import type { EncodedResource } from './encoded-resource.ts';
import type { ClientKind, ProxyNode } from './proxy-node.ts';
import { egressRefusedRoute } from './resource-names.ts';
import { asYaml } from './resources-as-yaml.test-data.ts';
import { proxy, sampleInstances, sampleResources } from './sample-mesh.test-data.ts';
import { type ProxyResources, translate } from './translate.ts';

const identity = serviceAccountId('cluster.local', 'shop', 'payments');
const labels = { app: 'payments' };
const redirected = (more: Partial<ProxyNode> = {}, kind: ClientKind = 'outrigger'): ProxyNode =>
  proxy(kind, { interception: 'REDIRECT', identity, labels, ...more });

function parsed(yaml: string): readonly Resource[] {
  const { resources, faults } = parseFile('test.yaml', yaml);
  expect(faults).toEqual([]);
  return resources;
}

const sample: readonly Resource[] = [
  ...sampleResources(),
  ...parsed(readFileSync(join(import.meta.dirname, 'golden/intercepted.yaml'), 'utf8')),
];

function modelOf(resources: readonly Resource[]): Model {
  return new ModelBuilder().build({ resources, instances: sampleInstances });
}

const listener = (resources: ProxyResources, name: string): Listener =>
  resources.listeners.get(name)!.message as Listener;
const cluster = (resources: ProxyResources, name: string): Cluster => resources.clusters.get(name)!.message as Cluster;
const chainsOf = ({ filterChains, defaultFilterChain }: Listener): Map<string, FilterChain> =>
  new Map([...filterChains, defaultFilterChain!].map((each) => [each.name, each]));
const leadsTo = ({ filters }: FilterChain): string => {
  const { configType } = filters.at(-1)!;
  const found = configType.case === 'typedConfig' ? anyUnpack(configType.value, TcpProxySchema) : undefined;
  return found?.clusterSpecifier.case === 'cluster' ? found.clusterSpecifier.value : 'http';
};

test('each port of an application that listens on several has inbound chains and a cluster of its own, also where no Service says it', () => {
  const resources = translate(modelOf([]), redirected({ appPort: null, appPorts: [9000, 9001] }));
  expect(checkResources(resources)).toEqual([]);
  const chains = chainsOf(listener(resources, 'inbound'));
  for (const port of [9000, 9001]) {
    const mine = [...chains.values()].filter(({ filterChainMatch }) => filterChainMatch?.destinationPort === port);
    expect(mine.length, String(port)).toBeGreaterThan(0);
    expect(resources.clusters.has(`inbound|${port}||`)).toBe(true);
  }
});

describe('golden files', () => {
  const nodes: Readonly<Record<string, ProxyNode>> = {
    'redirect-outrigger': redirected({ ipFamilies: ['IPv4', 'IPv6'] }),
    'redirect-envoy': redirected({ egress: 'registry-only', opaquePorts: [{ start: 9100, end: 9110 }] }, 'envoy'),
    tproxy: redirected({
      interception: 'TPROXY',
      dnsListen: { host: '127.0.0.1', port: 15_053 },
      namespace: 'office',
      cluster: 'office/desk',
      service: 'desk',
      labels: {},
    }),
  };
  for (const [name, node] of Object.entries(nodes)) {
    test(`${name}.yaml says what is sent beside what a proxy without interception has`, async () => {
      const model = modelOf(sample);
      const resources = translate(model, node);
      expect(checkResources(resources)).toEqual([]);
      const rest = translate(model, { ...node, interception: 'NONE', dnsListen: null });
      const added = (type: keyof ProxyResources): Map<string, EncodedResource> =>
        new Map([...resources[type]].filter(([key, { version }]) => rest[type].get(key)?.version !== version));
      const shown = {
        listeners: added('listeners'),
        routes: added('routes'),
        clusters: added('clusters'),
        endpoints: added('endpoints'),
      };
      await expect(asYaml(shown)).toMatchFileSnapshot(join(import.meta.dirname, `golden/${name}.yaml`));
    });
  }
});

describe('outbound', () => {
  const tcp = (name: string, port: number, more = ''): string =>
    `{apiVersion: outrigger.dev/v1, kind: Service, metadata: {name: ${name}, namespace: shop}, spec: {ports: [{port: ${port}, appProtocol: tcp}]${more}}}\n---\n`;

  test('a TCP service is found by its address, of the families that the host has, and by the server name of TLS', () => {
    const model = modelOf(parsed(tcp('db', 5432, ', clusterIPs: [10.96.0.7, "fd00:96::7"]')));
    const matches = (ipFamilies: ProxyNode['ipFamilies']) => {
      const chains = chainsOf(listener(translate(model, redirected({ ipFamilies })), 'outbound'));
      return [chains.get('outbound|5432||db.shop')!, chains.get('outbound|5432||db.shop tls')!].map(
        ({ filterChainMatch }) => [
          filterChainMatch!.destinationPort,
          filterChainMatch!.prefixRanges.map(({ addressPrefix, prefixLen }) => `${addressPrefix}/${prefixLen}`),
          filterChainMatch!.serverNames,
        ],
      );
    };
    const names = [5432, [], ['db', 'db.shop', 'db.shop.svc.cluster.local']];
    expect(matches(['IPv4'])).toEqual([[5432, ['10.96.0.7/32'], []], names]);
    expect(matches(['IPv4', 'IPv6'])).toEqual([[5432, ['10.96.0.7/32', 'fd00:96::7/128'], []], names]);
  });

  test('HTTP is still found on a port that a TCP service has, at another address (Envoy never goes back to chains without a port)', () => {
    const chains = chainsOf(listener(translate(modelOf(parsed(tcp('db', 5432))), redirected()), 'outbound'));
    expect([...chains.keys()]).toEqual([
      'loop',
      'http',
      'http-5432',
      'outbound|5432||db.shop',
      'outbound|5432||db.shop tls',
      'default',
    ]);
    for (const name of ['http', 'http-5432'])
      expect(chains.get(name)!.filterChainMatch).toMatchObject({
        transportProtocol: 'raw_buffer',
        applicationProtocols: ['http/1.0', 'http/1.1', 'h2c'],
      });
  });

  test('what connects to the listener itself goes nowhere', () => {
    const chain = chainsOf(listener(translate(modelOf([]), redirected()), 'outbound')).get('loop')!;
    expect([chain.filterChainMatch!.destinationPort, leadsTo(chain)]).toEqual([15_001, 'outbound|refused||']);
  });

  const answer = (model: Model, node: ProxyNode) =>
    (translate(model, node).routes.get('outbound')!.message as RouteConfiguration).virtualHosts.find(({ domains }) =>
      domains.includes('*'),
    )!.routes[0]!;

  test('the rest goes on to where it was going, or is refused and told why, as the egress policy says', () => {
    const model = modelOf(sample);
    const allowed = redirected();
    const refused = redirected({ egress: 'registry-only' });
    expect(leadsTo(listener(translate(model, allowed), 'outbound').defaultFilterChain!)).toBe('outbound|passthrough||');
    expect(leadsTo(listener(translate(model, refused), 'outbound').defaultFilterChain!)).toBe('outbound|refused||');
    expect(answer(model, allowed).action).toMatchObject({
      case: 'route',
      value: { clusterSpecifier: { value: 'outbound|passthrough||' } },
    });
    const { name, action } = answer(model, refused);
    expect(name).toBe(egressRefusedRoute);
    expect(action).toMatchObject({ case: 'directResponse', value: { status: 502 } });
    expect(JSON.stringify(action.value)).toContain('egress registry-only');
  });

  test('a service answers to its addresses as hosts', () => {
    const model = modelOf(
      parsed(
        '{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {clusterIPs: [10.96.0.1, "fd00::1"], ports: [{port: 80}]}}',
      ),
    );
    const table = translate(model, redirected({ ipFamilies: ['IPv4', 'IPv6'] })).routes.get('outbound')!;
    expect((table.message as RouteConfiguration).virtualHosts[0]!.domains).toEqual(
      expect.arrayContaining(['10.96.0.1', '10.96.0.1:80', '[fd00::1]', '[fd00::1]:80']),
    );
  });

  test('a caller whose host has IPv6 only listens there, and no other family is in what it is sent', () => {
    const resources = translate(modelOf(sample), redirected({ ipFamilies: ['IPv6'] }));
    const addresses = ['outbound', 'inbound'].map((name) => {
      const { address, additionalAddresses } = listener(resources, name);
      return [address!.address.value as { address: string }, ...additionalAddresses].length === 1
        ? (address!.address.value as { address: string }).address
        : 'several';
    });
    expect(addresses).toEqual(['::1', '::']);
    expect(JSON.stringify(resources.clusters.get('inbound|passthrough||')!.message, replacer)).not.toContain(
      '127.0.0.6',
    );
  });

  test('Services that come and go leave the listener as it is where none of them speaks tcp', () => {
    const builder = new ModelBuilder();
    const node = redirected();
    const before = translate(builder.build({ resources: sample, instances: [] }), node);
    const more = parsed(
      '{apiVersion: outrigger.dev/v1, kind: Service, metadata: {name: new, namespace: shop}, spec: {ports: [{port: 80}]}}',
    );
    const after = translate(builder.build({ resources: [...sample, ...more], instances: [] }), node);
    for (const name of ['outbound', 'inbound']) expect(after.listeners.get(name)).toBe(before.listeners.get(name));
    expect(after.routes.get('outbound')).not.toBe(before.routes.get('outbound'));
  });
});

const replacer = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);

describe('inbound', () => {
  const names = (model: Model, node: ProxyNode): string[] => [
    ...chainsOf(listener(translate(model, node), 'inbound')).keys(),
  ];
  const peer = (mode: string): readonly Resource[] =>
    parsed(
      `{apiVersion: outrigger.dev/v1, kind: PeerAuthentication, metadata: {name: p, namespace: shop}, spec: {mtls: {mode: ${mode}}}}`,
    );
  const ports = (yaml: string): readonly Resource[] =>
    parsed(
      `{apiVersion: outrigger.dev/v1, kind: Service, metadata: {name: payments, namespace: shop}, spec: {ports: ${yaml}}}`,
    );
  const chains = (mode: string, protocol: string): string[] =>
    names(
      modelOf([...peer(mode), ...ports(`[{port: 9000, appProtocol: ${protocol}}]`)]),
      redirected({ appPort: null }),
    ).map((name) => name.replace('inbound|9000||', '9000 '));

  test('HTTP: STRICT and PERMISSIVE have a chain each for mTLS and plaintext, DISABLE one for all', () => {
    expect(chains('STRICT', 'http')).toEqual(['loop', '9000 mtls', '9000 plaintext', 'mtls-tcp', 'default']);
    expect(chains('PERMISSIVE', 'http')).toEqual(['loop', '9000 mtls', '9000 plaintext', 'mtls-tcp', 'tls', 'default']);
    expect(chains('DISABLE', 'http')).toEqual(['loop', '9000 plaintext', 'default']);
  });

  test('TCP: PERMISSIVE tells our mTLS from TLS of the application by ALPN', () => {
    expect(chains('STRICT', 'tcp')).toEqual(['loop', '9000 mtls-tcp', '9000 plaintext', 'mtls-tcp', 'default']);
    expect(chains('PERMISSIVE', 'tcp')).toEqual([
      'loop',
      '9000 mtls-tcp',
      '9000 tls',
      '9000 plaintext',
      'mtls-tcp',
      'tls',
      'default',
    ]);
    expect(chains('DISABLE', 'tcp')).toEqual(['loop', '9000 plaintext', 'default']);
  });

  test('plaintext at a STRICT TCP port is connected to nowhere: a server that speaks first would answer before a policy is asked', () => {
    const inbound = chainsOf(
      listener(
        translate(modelOf([...peer('STRICT'), ...ports('[{port: 9000, appProtocol: tcp}]')]), redirected()),
        'inbound',
      ),
    );
    for (const name of ['inbound|9000||plaintext', 'default'])
      expect(leadsTo(inbound.get(name)!)).toBe('inbound|refused||');
    expect(leadsTo(inbound.get('inbound|9000||mtls-tcp')!)).toBe('inbound|9000||');
    expect(leadsTo(inbound.get('mtls-tcp')!)).toBe('inbound|passthrough||');
  });

  test('a port of which nobody said what it speaks is looked at', () => {
    const named = (mode: string): string[] =>
      names(modelOf(peer(mode)), redirected({ appPort: 9000 })).filter((name) => name !== 'loop');
    expect(named('PERMISSIVE')).toEqual([
      'inbound|9000||mtls-tcp',
      'inbound|9000||mtls',
      'inbound|9000||plaintext-http',
      'inbound|9000||plaintext',
      'mtls-tcp',
      'tls',
      'default',
    ]);
    expect(named('DISABLE')).toEqual([
      'inbound|9000||plaintext-http',
      'inbound|9000||plaintext',
      'inbound|9000||tls',
      'default',
    ]);
  });

  test('has the ports of every Service that picks the workload, and what its metadata calls opaque is tcp', () => {
    const model = modelOf(sample);
    const routes = (node: ProxyNode): string[] =>
      [...translate(model, node).routes.keys()].filter((name) => name.startsWith('inbound'));
    expect(names(model, redirected())).toEqual(
      expect.arrayContaining(['inbound|80||mtls', 'inbound|6380||mtls-tcp', 'inbound|9000||mtls']),
    );
    expect(routes(redirected())).toEqual(['inbound|80||', 'inbound|9000||']);
    expect(routes(redirected({ opaquePorts: [{ start: 9000, end: 9000 }] }))).toEqual(['inbound|80||']);
    expect(names(model, redirected({ labels: {} }))).not.toContain('inbound|6380||mtls-tcp');
  });

  test.each([9000, null])(
    'who connects to the listener itself is taken for a loop, whatever the application port is (%s)',
    (appPort) => {
      const model = modelOf([...peer('STRICT'), ...ports('[{port: 9000, appProtocol: tcp}]')]);
      const direct = [...chainsOf(listener(translate(model, redirected({ appPort })), 'inbound'))]
        .filter(([, { filterChainMatch }]) => filterChainMatch?.destinationPort === 15_006)
        .map(([name, chain]) => [name, leadsTo(chain)]);
      expect(direct).toEqual([['loop', 'inbound|refused||']]);
    },
  );

  test('without an application port it is there all the same, as everything is led to it', () => {
    const resources = translate(modelOf([]), redirected({ appPort: null }));
    expect(checkResources(resources)).toEqual([]);
    expect([...resources.listeners.keys()]).toEqual(['outbound', 'inbound']);
  });

  describe('policies of connections', () => {
    const rules = (spec: string): string => {
      const policy = parsed(
        `{apiVersion: outrigger.dev/v1, kind: AuthorizationPolicy, metadata: {name: p, namespace: shop}, spec: ${spec}}`,
      );
      const model = modelOf([...policy, ...ports('[{port: 9000, appProtocol: tcp}]')]);
      const chain = chainsOf(listener(translate(model, redirected()), 'inbound')).get('inbound|9000||mtls-tcp')!;
      return chain.filters
        .slice(0, -1)
        .map(({ name, configType }) => {
          const filter = configType.case === 'typedConfig' ? anyUnpack(configType.value, RBACSchema)! : null;
          const texts = [filter!.rules, filter!.shadowRules].map((each) =>
            each === undefined
              ? '-'
              : Object.entries(each.policies)
                  .map(
                    ([key, { permissions, principals }]) =>
                      `${key} ${permissions[0]!.rule.case} ${principals[0]!.identifier.case}`,
                  )
                  .join() || 'nothing',
          );
          return `${name}: ${texts.join(' | ')}`;
        })
        .join('; ');
    };

    test('who calls, and to which port, decides as of requests', () => {
      expect(rules('{action: ALLOW, rules: [{from: [{source: {namespaces: [shop]}}]}]}')).toBe(
        'outrigger.rbac.allow: shop/p#rule-0 any authenticated | -',
      );
      expect(rules('{action: DENY, rules: [{to: [{operation: {ports: [1]}}]}]}')).toBe(
        'outrigger.rbac.deny: nothing | -',
      );
    });

    test('an ALLOW by what only requests have allows no connection, and keeps the numbers of other rules', () => {
      expect(
        rules(
          '{action: ALLOW, rules: [{to: [{operation: {paths: ["/a"]}}]}, {from: [{source: {requestPrincipals: ["*"]}}]}, {from: [{source: {namespaces: [shop]}}]}]}',
        ),
      ).toBe('outrigger.rbac.allow: shop/p#rule-2 any authenticated | -');
    });

    test('a DENY by what only requests have denies whatever else it fits', () => {
      expect(
        rules(
          '{action: DENY, rules: [{from: [{source: {namespaces: [office]}}], to: [{operation: {methods: [POST]}}]}]}',
        ),
      ).toBe('outrigger.rbac.deny: shop/p#rule-0 any authenticated | -');
    });

    test('a dry run is a shadow rule', () => {
      expect(rules('{action: DENY, dryRun: true, rules: [{}]}')).toBe('outrigger.rbac.deny: - | shop/p#rule-0 any any');
    });

    test('an outside service cannot agree to a connection, unless its absence is no matter', () => {
      const external = (failOpen: boolean): string =>
        `{action: EXTERNAL, external: {service: {name: payments, port: 9000}, protocol: grpc, failOpen: ${failOpen}}}`;
      expect(rules(external(false))).toMatch(/^outrigger\.rbac\.deny: shop\/p: it asks about requests.* any any \| -$/);
      expect(rules(external(true))).toBe('');
    });
  });

  test('TPROXY: the listener is transparent, and the application is called with the address of its caller', () => {
    const resources = translate(modelOf(sample), redirected({ interception: 'TPROXY' }));
    const { transparent, listenerFilters } = listener(resources, 'inbound');
    expect(transparent).toBe(true);
    expect(listenerFilters.map(({ name }) => name)).toEqual([
      'envoy.filters.listener.original_dst',
      'envoy.filters.listener.original_src',
      'envoy.filters.listener.tls_inspector',
      'envoy.filters.listener.http_inspector',
    ]);
    expect(listener(resources, 'outbound').transparent).toBeUndefined();
    expect(cluster(resources, 'inbound|passthrough||').upstreamBindConfig).toBeUndefined();
  });
});

describe('DNS', () => {
  const dnsListen = { host: '127.0.0.1', port: 15_053 };
  const names = (resources: ProxyResources): Map<string, readonly string[]> => {
    const { configType } = listener(resources, 'dns').listenerFilters[0]!;
    const source =
      configType.case === 'typedConfig'
        ? anyUnpack(configType.value, DnsFilterConfigSchema)!.serverConfig!.configSource
        : undefined;
    if (source?.case !== 'inlineDnsTable') throw new Error('an inline table was expected');
    return new Map(
      source.value.virtualDomains.map(({ name, endpoint }) => [
        name,
        endpoint!.endpointConfig.case === 'addressList' ? endpoint!.endpointConfig.value.address : [],
      ]),
    );
  };

  test('every name of the mesh has the addresses of its Service, the short one in its own namespace only', () => {
    const model = modelOf(sample);
    const own = names(translate(model, redirected({ dnsListen })));
    expect(own.get('db.shop')).toEqual(['10.96.0.7']);
    expect(own.get('orders.shop.svc.cluster.local')).toEqual(own.get('orders'));
    expect(own.get('orders')![0]).toMatch(/^240\.240\./);
    const other = names(translate(model, redirected({ dnsListen, namespace: 'office', ipFamilies: ['IPv4', 'IPv6'] })));
    expect([other.has('orders'), other.get('db.shop')]).toEqual([false, ['10.96.0.7', 'fd00:96::7']]);
  });

  test('proxies alike share one table, and one outbound listener', () => {
    const model = modelOf(sample);
    const [a, b] = ['a', 'b'].map((id) => translate(model, redirected({ id, dnsListen })));
    for (const name of ['dns', 'outbound']) expect(b!.listeners.get(name)).toBe(a!.listeners.get(name));
  });

  test('the table of 10,000 Services has less than 2 MB, and no more are in it: those of its own namespace first', () => {
    const addresses = new Map(
      Array.from({ length: maxDnsServices + 100 }, (_, at) => [
        `team-${at % 100}/service-${at}`,
        { addresses: ['240.240.0.1', '2001:2::f0f0:1'], assigned: true },
      ]),
    );
    const table = dnsTable(addresses, 'team-99', ['IPv4']);
    const found = new Set(table.virtualDomains.map(({ name }) => name));
    expect(found.size).toBe(maxDnsServices * 2 + 101);
    expect(found.has(`service-${maxDnsServices + 99}`)).toBe(true);
    expect(found.has(`service-${maxDnsServices + 98}.team-98`)).toBe(false);
    expect(encodeDnsListener(dnsListen, table).bytes.length).toBeLessThan(2_000_000);
  });
});

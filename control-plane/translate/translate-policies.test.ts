/** mTLS and policies in what proxies are sent. That Envoy enforces it so is test/interop/policies-in-envoy.test.ts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseSpiffeId, type SpiffeId } from '../../certs/spiffe/spiffe-id.ts';
import type { Resource } from '../config-kind/resource.ts';
import type { Model } from '../model/model.ts';
import { ModelBuilder } from '../model/model-builder.ts';
import { parseFile } from '../source/parse-file.ts';
import { checkResources } from './check-resources.ts';
import { encodePolicyFilters } from './encode-policy-filters.ts';
import type { EncodedResource } from './encoded-resource.ts';
import type { ClientKind, ProxyNode } from './proxy-node.ts';
import { proxyPolicies } from './proxy-policies.ts';
import { asJson, asYaml } from './resources-as-yaml.test-data.ts';
import { instance, proxy, sampleInstances, sampleResources } from './sample-mesh.test-data.ts';
import { type ProxyResources, translate } from './translate.ts';

const account = (name: string): SpiffeId => parseSpiffeId(`spiffe://cluster.local/ns/shop/sa/${name}`);
const instances = sampleInstances.map((each) =>
  each.service === 'payments' && each.zone === 'a' ? { ...each, identity: account('payments').text } : each,
);

function resourcesOf(yaml: string): readonly Resource[] {
  const { resources, faults } = parseFile('policies.yaml', yaml);
  expect(faults).toEqual([]);
  return [...sampleResources(), ...resources];
}

function modelOf(yaml: string): Model {
  return new ModelBuilder().build({ resources: resourcesOf(yaml), instances });
}

const allKinds = readFileSync(join(import.meta.dirname, 'golden/policies.yaml'), 'utf8');
const policy = (kind: string, name: string, spec: string, namespace = 'shop'): string =>
  `{apiVersion: outrigger.dev/v1, kind: ${kind}, metadata: {name: ${name}, namespace: ${namespace}}, spec: ${spec}}`;
const payments = (kind: ClientKind, more: Partial<ProxyNode> = {}): ProxyNode =>
  proxy(kind, { identity: account('payments'), ...more });

interface Chain {
  readonly name: string;
  readonly filterChainMatch?: { readonly transportProtocol?: string };
  readonly transportSocket?: unknown;
  readonly filters: ReadonlyArray<{
    readonly typedConfig: {
      readonly httpFilters: ReadonlyArray<{ readonly name: string; readonly typedConfig: Record<string, unknown> }>;
      readonly forwardClientCertDetails?: string;
      readonly normalizePath?: boolean;
    };
  }>;
}

function inbound(resources: ProxyResources): {
  readonly filterChains: readonly Chain[];
  readonly listenerFilters?: unknown[];
} {
  return asJson('listeners', resources.listeners.get('inbound')!) as never;
}

function filters(resources: ProxyResources, chain = 0): Chain['filters'][number]['typedConfig']['httpFilters'] {
  return inbound(resources).filterChains[chain]!.filters[0]!.typedConfig.httpFilters;
}

const filterNames = (resources: ProxyResources, chain = 0): string[] =>
  filters(resources, chain).map(({ name }) => name);

function rules(resources: ProxyResources, filter: string, field = 'rules'): Record<string, unknown> {
  const found = filters(resources).find(({ name }) => name === filter)!.typedConfig[field];
  return (found as { readonly policies?: Record<string, unknown> }).policies ?? {};
}

describe('golden files', () => {
  for (const kind of ['envoy', 'outrigger'] as const) {
    test(`${kind} is sent what golden/policies-${kind}.yaml says for golden/policies.yaml`, async () => {
      const resources = translate(modelOf(allKinds), payments(kind, { labels: { version: 'v1' } }));
      expect(checkResources(resources)).toEqual([]);
      const only = (map: ReadonlyMap<string, EncodedResource>, name: string): ReadonlyMap<string, EncodedResource> =>
        new Map([[name, map.get(name)!]]);
      const shown = {
        listeners: only(resources.listeners, 'inbound'),
        routes: new Map(),
        clusters: only(resources.clusters, 'outbound|80||payments.shop'),
        endpoints: only(resources.endpoints, 'outbound|80||payments.shop'),
      };
      await expect(asYaml(shown)).toMatchFileSnapshot(join(import.meta.dirname, `golden/policies-${kind}.yaml`));
    });
  }
});

describe('mTLS towards other services', () => {
  test('callers with an identity check the accounts that the service may have, and its port in SNI', () => {
    const model = modelOf(
      '{apiVersion: outrigger.dev/v1, kind: Service, metadata: {name: two, namespace: shop}, spec: {ports: [{port: 8080}], serviceAccounts: [one, other]}}',
    );
    const text = (name: string): string =>
      JSON.stringify(asJson('clusters', translate(model, payments('envoy')).clusters.get(name)!));
    for (const found of [
      '"sni":"outbound_.8080_._.two.shop.svc.cluster.local"',
      '"exact":"spiffe://cluster.local/ns/shop/sa/one"',
      '"exact":"spiffe://cluster.local/ns/shop/sa/other"',
      '"alpnProtocols":["http/1.1"]',
    ])
      expect(text('outbound|8080||two.shop')).toContain(found);
    expect(text('outbound|80||payments.shop')).toContain('"alpnProtocols":["h2"]');
    expect(text('outbound|80||payments.shop')).toContain('"exact":"spiffe://cluster.local/ns/shop/sa/payments"');
  });

  test('is not marked on endpoints for whose workload and port a policy says DISABLE: they take plaintext', () => {
    const marked = (yaml: string): boolean =>
      JSON.stringify(
        asJson('endpoints', translate(modelOf(yaml), payments('envoy')).endpoints.get('outbound|80||payments.shop')!),
      ).includes('"mtls"');
    const peer = (spec: string): string => policy('PeerAuthentication', 'p', spec);
    const target = 'targetRefs: [{kind: Service, name: payments}]';
    expect(marked('')).toBe(true);
    expect(marked(peer('{mtls: {mode: PERMISSIVE}}'))).toBe(true);
    expect(marked(peer('{mtls: {mode: DISABLE}}'))).toBe(false);
    expect(marked(peer(`{${target}, mtls: {mode: DISABLE}}`))).toBe(false);
    expect(marked(peer(`{${target}, portLevelMtls: {80: {mode: DISABLE}}}`))).toBe(false);
    expect(marked(peer(`{${target}, portLevelMtls: {81: {mode: DISABLE}}}`))).toBe(true);
  });

  describe('instances that registered without identity', () => {
    const unproven = instance('payments', '10.9.9.9', { instanceId: 'a' });
    const service = (name: string): string =>
      `{apiVersion: outrigger.dev/v1, kind: Service, metadata: {name: ${name}, namespace: shop}, spec: {ports: [{port: 80}], endpoints: [{address: 10.8.8.8}]}}`;
    const sentTo = (model: Model, node: ProxyNode, name = 'payments'): string =>
      JSON.stringify(asJson('endpoints', translate(model, node).endpoints.get(`outbound|80||${name}.shop`)!));

    test('are left out for callers with an identity where the service has one with an identity, and a warning says so', () => {
      const model = new ModelBuilder().build({ resources: resourcesOf(''), instances: [...instances, unproven] });
      expect(sentTo(model, payments('envoy'))).not.toContain('10.9.9.9');
      expect(sentTo(model, payments('envoy'))).toContain('10.0.0.3');
      for (const node of [proxy('envoy'), payments('grpc')]) expect(sentTo(model, node)).toContain('10.9.9.9');
      expect(model.warnings.map(({ resource, message }) => `${resource}: ${message}`)).toContain(
        'instances of shop/payments: 2 registered without identity, where others have one or a PeerAuthentication says STRICT: callers with an identity are not sent there',
      );
    });

    test('are left out where a policy says STRICT, and not by the default; endpoints of the file stay', () => {
      const builder = new ModelBuilder();
      const build = (yaml: string): Model =>
        builder.build({
          resources: resourcesOf([service('legacy'), yaml].join('\n---\n')),
          instances: [instance('legacy', '10.9.9.9')],
        });
      expect(sentTo(build(''), payments('envoy'), 'legacy')).toContain('10.9.9.9');
      const strict = sentTo(
        build(policy('PeerAuthentication', 'mesh', '{mtls: {mode: STRICT}}', 'outrigger')),
        payments('envoy'),
        'legacy',
      );
      expect(strict).not.toContain('10.9.9.9');
      expect(strict).toContain('10.8.8.8');
    });
  });

  test('callers without an identity, and proxyless gRPC, speak plaintext as before', () => {
    const model = modelOf('');
    for (const node of [proxy('envoy'), proxy('outrigger'), payments('grpc')])
      for (const cluster of translate(model, node).clusters.values())
        expect(JSON.stringify(asJson('clusters', cluster))).not.toContain('transportSocket');
  });

  test('clusters are the same objects for all proxies of a kind and trust domain', () => {
    const model = modelOf('');
    const a = translate(model, payments('envoy'));
    const b = translate(model, proxy('outrigger', { identity: account('orders'), service: 'orders' }));
    expect(b.clusters.get('outbound|80||payments.shop')).toBe(a.clusters.get('outbound|80||payments.shop'));
  });
});

describe('PeerAuthentication', () => {
  const chains = (yaml: string, more: Partial<ProxyNode> = {}): string[] =>
    inbound(translate(modelOf(yaml), payments('envoy', more))).filterChains.map(
      ({ name, filters }) =>
        `${name}: ${filters[0]!.typedConfig.httpFilters.map(({ typedConfig }) => Object.keys((typedConfig['rules'] as { policies?: object } | undefined)?.policies ?? {}).join()).join('')}`,
    );
  const peer = (name: string, spec: string, namespace = 'shop'): string =>
    policy('PeerAuthentication', name, spec, namespace);

  test('is STRICT by default: plaintext callers meet a chain that denies everything, with the reason', () => {
    expect(chains('')).toEqual(['mtls: ', 'plaintext: mTLS STRICT (the default)']);
    const { filterChains, listenerFilters } = inbound(translate(modelOf(''), payments('envoy')));
    expect(listenerFilters).toHaveLength(1);
    expect(filterChains.map(({ filterChainMatch }) => filterChainMatch?.transportProtocol)).toEqual([
      'tls',
      'raw_buffer',
    ]);
    expect(filterChains[0]!.filters[0]!.typedConfig.forwardClientCertDetails).toBe('SANITIZE_SET');
    expect(filterChains[1]!.filters[0]!.typedConfig.forwardClientCertDetails).toBeUndefined();
  });

  test('PERMISSIVE lets both through, with the same filters; DISABLE is as for a proxy without an identity', () => {
    expect(chains(peer('a', '{mtls: {mode: PERMISSIVE}}'))).toEqual(['mtls: ', 'plaintext: ']);
    const disabled = translate(modelOf(peer('a', '{mtls: {mode: DISABLE}}')), payments('envoy'));
    const without = translate(modelOf(''), proxy('envoy'));
    expect(disabled.listeners.get('inbound')!.version).toBe(without.listeners.get('inbound')!.version);
  });

  test('a proxy without an identity answers everybody 403 where a policy says STRICT, and takes plaintext where none says anything', () => {
    for (const yaml of [
      peer('mesh', '{mtls: {mode: STRICT}}', 'outrigger'),
      peer('namespace', '{mtls: {mode: STRICT}}'),
      peer('workload', '{targetRefs: [{kind: Service, name: payments}], mtls: {mode: STRICT}}'),
      peer('port', '{selector: {matchLabels: {v: "1"}}, portLevelMtls: {9000: {mode: STRICT}}}'),
    ]) {
      expect(chains(yaml, { identity: null, labels: { v: '1' } })).toEqual([
        expect.stringMatching(/^plaintext: PeerAuthentication [a-z/]+: mTLS STRICT, and this proxy has no identity$/),
      ]);
      const listener = inbound(translate(modelOf(yaml), proxy('envoy', { labels: { v: '1' } })));
      expect(listener.listenerFilters).toBeUndefined();
      expect(JSON.stringify(listener)).not.toContain('ransportSocket');
    }
    for (const yaml of ['', peer('a', '{mtls: {mode: PERMISSIVE}}')])
      expect(chains(yaml, { identity: null })).toEqual(['inbound: ']);
  });

  test('the most specific one counts: port, workload, namespace, mesh', () => {
    const levels = [
      peer('mesh', '{mtls: {mode: DISABLE}}', 'outrigger'),
      peer('namespace', '{mtls: {mode: PERMISSIVE}}'),
      peer('workload', '{targetRefs: [{kind: Service, name: payments}], mtls: {mode: STRICT}}'),
    ];
    const result = (count: number): string => chains(levels.slice(0, count).join('\n---\n')).join(' | ');
    expect(result(1)).toBe('inbound: ');
    expect(result(2)).toBe('mtls:  | plaintext: ');
    expect(result(3)).toBe('mtls:  | plaintext: PeerAuthentication shop/workload: mTLS STRICT');
    const port = (number: number): string =>
      peer('ports', `{selector: {matchLabels: {v: "1"}}, portLevelMtls: {${number}: {mode: DISABLE}}}`);
    const labels = { labels: { v: '1' } };
    expect(chains(port(9000), labels)).toEqual(['inbound: ']);
    expect(chains(port(9001), labels)[1]).toBe('plaintext: mTLS STRICT (the default)');
    expect(chains(port(9000))[1]).toBe('plaintext: mTLS STRICT (the default)');
  });

  test('of two for the same workload the older one counts', () => {
    const aged = (name: string, mode: string, year: number): string =>
      peer(name, `{mtls: {mode: ${mode}}}`).replace(
        'namespace: shop',
        `namespace: shop, creationTimestamp: "${year}-01-01T00:00:00Z"`,
      );
    expect(chains([aged('a', 'STRICT', 2026), aged('b', 'DISABLE', 2025)].join('\n---\n'))).toEqual(['inbound: ']);
  });

  test('a Service with a selector means what registers under its name too, whatever labels it says', () => {
    const yaml = peer('v1', '{targetRefs: [{kind: Service, name: payments-v1}], mtls: {mode: DISABLE}}');
    expect(chains(yaml, { service: 'payments-v1' })).toEqual(['inbound: ']);
    expect(chains(yaml, { service: 'payments-v1', labels: { app: 'other' } })).toEqual(['inbound: ']);
  });

  test('a Service with a selector means the instances that it picks', () => {
    const yaml = peer('v1', '{targetRefs: [{kind: Service, name: payments-v1}], mtls: {mode: DISABLE}}');
    expect(chains(yaml, { labels: { app: 'payments', version: 'v1' } })).toEqual(['inbound: ']);
    expect(chains(yaml, { labels: { app: 'payments', version: 'v2' } })).toHaveLength(2);
  });
});

describe('AuthorizationPolicy', () => {
  const authorization = (name: string, spec: string, namespace = 'shop'): string =>
    policy('AuthorizationPolicy', name, spec, namespace);
  const of = (...yaml: string[]): ProxyResources => translate(modelOf(yaml.join('\n---\n')), payments('envoy'));
  const rule = (text: string): unknown =>
    rules(of(authorization('p', `{rules: [${text}]}`)), 'outrigger.rbac.allow')['shop/p#rule-0'];

  test('without one there is no filter; DENY stands before the outside service, that before ALLOW', () => {
    expect(filterNames(of(''))).toEqual(['envoy.filters.http.router']);
    expect(
      filterNames(
        of(
          authorization('c', '{rules: [{}]}'),
          authorization('b', '{action: EXTERNAL, external: {service: {name: orders, port: 8080}, protocol: http}}'),
          authorization('a', '{action: DENY, rules: [{}]}', 'outrigger'),
          policy('RequestAuthentication', 'users', '{jwtRules: [{issuer: i, jwksUri: "https://i.example/keys"}]}'),
        ),
      ),
    ).toEqual([
      'envoy.filters.http.jwt_authn',
      'outrigger.rbac.deny',
      'shop/b',
      'outrigger.rbac.allow',
      'envoy.filters.http.router',
    ]);
  });

  test('an ALLOW policy without rules allows nothing, an empty rule everything', () => {
    expect(rules(of(authorization('none', '{}')), 'outrigger.rbac.allow')).toEqual({});
    expect(rule('{}')).toEqual({ permissions: [{ any: true }], principals: [{ any: true }] });
  });

  test('policies of the mesh, the namespace and the workload hold together; others do not', () => {
    const resources = of(
      authorization('mesh', '{rules: [{}]}', 'outrigger'),
      authorization('namespace', '{rules: [{}]}'),
      authorization('workload', '{targetRefs: [{kind: Service, name: payments}], rules: [{}, {}]}'),
      authorization('another', '{targetRefs: [{kind: Service, name: orders}], rules: [{}]}'),
      authorization('elsewhere', '{rules: [{}]}', 'office'),
    );
    expect(Object.keys(rules(resources, 'outrigger.rbac.allow'))).toEqual([
      'outrigger/mesh#rule-0',
      'shop/namespace#rule-0',
      'shop/workload#rule-0',
      'shop/workload#rule-1',
    ]);
  });

  test('a dry run is a shadow rule; of ALLOW beside those that hold', () => {
    const resources = of(
      authorization('a', '{rules: [{}]}'),
      authorization('b', '{dryRun: true, rules: [{}]}'),
      authorization('d', '{action: DENY, dryRun: true, rules: [{}]}'),
    );
    expect(Object.keys(rules(resources, 'outrigger.rbac.allow'))).toEqual(['shop/a#rule-0']);
    expect(Object.keys(rules(resources, 'outrigger.rbac.allow', 'shadowRules'))).toEqual([
      'shop/a#rule-0',
      'shop/b#rule-0',
    ]);
    const deny = filters(resources).find(({ name }) => name === 'outrigger.rbac.deny')!.typedConfig;
    expect(deny['rules']).toBeUndefined();
    expect(deny['shadowRulesStatPrefix']).toBe('dry_run_');
    expect(Object.keys(rules(resources, 'outrigger.rbac.deny', 'shadowRules'))).toEqual(['shop/d#rule-0']);
  });

  test('ports are those of the application, known when the rule is encoded', () => {
    expect(rule('{to: [{operation: {ports: [9000]}}]}')).toEqual(rule('{}'));
    expect(rule('{to: [{operation: {ports: [9001]}}]}')).toBeUndefined();
    expect(rule('{to: [{operation: {notPorts: [9000]}}, {operation: {methods: [GET]}}]}')).toMatchObject({
      permissions: [{ header: { name: ':method' } }],
    });
  });

  test('identities are compared as URIs, with or without their scheme', () => {
    const principal = (text: string): unknown =>
      (rule(`{from: [{source: ${text}}]}`) as { principals: unknown[] }).principals;
    const name = (match: object): unknown => [{ authenticated: { principalName: match } }];
    const full = 'spiffe://cluster.local/ns/shop/sa/orders';
    expect(principal('{principals: [cluster.local/ns/shop/sa/orders]}')).toEqual(name({ exact: full }));
    expect(principal(`{principals: ["${full}"]}`)).toEqual(name({ exact: full }));
    expect(principal('{principals: ["cluster.local/ns/shop/*"]}')).toEqual(
      name({ prefix: 'spiffe://cluster.local/ns/shop/' }),
    );
    expect(principal('{principals: ["*/sa/orders"]}')).toEqual(name({ suffix: '/sa/orders' }));
    expect(principal('{principals: ["*"]}')).toEqual(name({ prefix: 'spiffe://' }));
    expect(principal('{namespaces: [shop]}')).toEqual(name({ prefix: 'spiffe://cluster.local/ns/shop/sa/' }));
    expect(principal('{serviceAccounts: [orders]}')).toEqual(name({ exact: full }));
  });

  test('behind policies and mTLS no upgrade passes but to websocket, and without both our sidecar lets all pass', () => {
    const upgrades = (yaml: string, node: ProxyNode): unknown =>
      inbound(translate(modelOf(yaml), node)).filterChains.map(
        ({ filters }) => (filters[0]!.typedConfig as { readonly upgradeConfigs?: unknown }).upgradeConfigs,
      );
    const websocket = [{ upgradeType: 'websocket' }];
    expect(upgrades('', payments('outrigger'))).toEqual([websocket, websocket]);
    expect(upgrades(authorization('p', '{rules: [{}]}'), proxy('outrigger'))).toEqual([websocket]);
    expect(upgrades('', proxy('outrigger'))).toEqual([undefined]);
    expect(upgrades('', payments('envoy'))).toEqual([websocket, websocket]);
  });

  test('a service that cannot be asked denies by name, or is left out when it may fail', () => {
    const external = (more: string): string =>
      authorization('ask', `{action: EXTERNAL, external: {service: {name: gone, port: 1}, protocol: grpc${more}}}`);
    expect(Object.keys(rules(of(external('')), 'outrigger.rbac.deny'))).toEqual([
      'shop/ask: there is no Service shop/gone',
    ]);
    expect(filterNames(of(external(', failOpen: true')))).toEqual(['envoy.filters.http.router']);
  });

  test('where a rule looks at paths, one form of them decides and is sent on', () => {
    const manager = (spec: string): Chain['filters'][number]['typedConfig'] =>
      inbound(of(authorization('p', spec))).filterChains[0]!.filters[0]!.typedConfig;
    expect(manager('{rules: [{to: [{operation: {paths: [/a]}}]}]}').normalizePath).toBe(true);
    expect(manager('{rules: [{to: [{operation: {methods: [GET]}}]}]}').normalizePath).toBeUndefined();
  });

  test('where an outside service decides, it is told the path in that form too', () => {
    const external = '{action: EXTERNAL, external: {service: {name: orders, port: 8080}, protocol: http}}';
    expect(inbound(of(authorization('p', external))).filterChains[0]!.filters[0]!.typedConfig).toMatchObject({
      normalizePath: true,
      mergeSlashes: true,
      pathWithEscapedSlashesAction: 'REJECT_REQUEST',
    });
  });
});

describe('what does not change', () => {
  const many = (changed = 'none'): string =>
    policy(
      'AuthorizationPolicy',
      'many',
      `{rules: [${Array.from({ length: 1_000 }, (_, at) => `{from: [{source: {serviceAccounts: [a${at}]}}], to: [{operation: {paths: [/${at === 7 ? changed : at}]}}]}`).join(', ')}]}`,
      'outrigger',
    );

  test('1,000 rules are one filter, encoded once for all services, and kept while other things change', () => {
    const builder = new ModelBuilder();
    const build = (yaml: string, list = instances): Model =>
      builder.build({ resources: resourcesOf(yaml), instances: list });
    const nodes = [
      payments('envoy'),
      proxy('envoy', { identity: account('orders'), service: 'orders', appPort: 9080 }),
    ];
    const listener = (model: Model, node: ProxyNode): EncodedResource =>
      translate(model, node).listeners.get('inbound')!;
    const first = build(many());
    const [a, b] = nodes.map((node) => listener(first, node));
    expect(Object.keys(rules(translate(first, nodes[0]!), 'outrigger.rbac.allow'))).toHaveLength(1_000);
    const encoded = nodes.map(
      (node) => encodePolicyFilters(proxyPolicies(first.policies, node), node, node.appPort!).filters[0],
    );
    expect(encoded[1]).toBe(encoded[0]);
    // Another file, the same policy; then other instances: the same listeners.
    const second = build(`${many()}\n---\n${policy('PeerAuthentication', 'x', '{mtls: {mode: DISABLE}}', 'office')}`);
    expect(listener(second, nodes[0]!)).toBe(a);
    expect(listener(build(many(), instances.slice(1)), nodes[1]!)).toBe(b);
    expect(listener(build(many('other')), nodes[0]!)).not.toBe(a);
  });
});

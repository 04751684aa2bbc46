/** What TrafficPolicies say of workloads themselves, in the inbound listener that their proxies are sent. */
import { describe, expect, test } from 'vitest';
import { parseSpiffeId } from '../../certs/spiffe/spiffe-id.ts';
import type { Model } from '../model/model.ts';
import { ModelBuilder } from '../model/model-builder.ts';
import { listPolicies } from '../model/policy-list.ts';
import { faultText } from '../source/fault.ts';
import { parseFile } from '../source/parse-file.ts';
import { checkResources } from './check-resources.ts';
import type { ClientKind, ProxyNode } from './proxy-node.ts';
import { asJson } from './resources-as-yaml.test-data.ts';
import { proxy } from './sample-mesh.test-data.ts';
import { translate } from './translate.ts';

const service = (ports: string, more = '', name = 'payments'): string =>
  `{apiVersion: outrigger.dev/v1, kind: Service, metadata: {name: ${name}, namespace: shop}, spec: {ports: [${ports}]${more}}}`;
const policy = (spec: string, target = '{kind: Service, name: payments}', name = 'p'): string =>
  `{apiVersion: outrigger.dev/v1, kind: TrafficPolicy, metadata: {name: ${name}, namespace: shop}, spec: {targetRefs: [${target}], ${spec}}}`;

function modelOf(...documents: string[]): Model {
  const { resources, faults } = parseFile('t.yaml', documents.join('\n---\n'));
  expect(faults.map(faultText)).toEqual([]);
  return new ModelBuilder().build({ resources, instances: [] });
}

interface Filter {
  readonly name: string;
  readonly typedConfig: Readonly<Record<string, unknown>>;
}

/** The HTTP filters of the application's chain, without the router, and whether paths are brought into one form. */
function inbound(model: Model, kind: ClientKind, more: Partial<ProxyNode> = {}) {
  const resources = translate(model, proxy(kind, { appPort: 8080, ...more }));
  expect(checkResources(resources)).toEqual([]);
  const json = asJson('listeners', resources.listeners.get('inbound')!) as unknown as {
    filterChains: Array<{ filters: Array<{ typedConfig: { httpFilters: Filter[]; mergeSlashes?: boolean } }> }>;
  };
  const { httpFilters, mergeSlashes = false } = json.filterChains[0]!.filters[0]!.typedConfig;
  return { filters: httpFilters.slice(0, -1), mergeSlashes };
}

const everything = policy(`
  inboundLimits: {
    maxRequests: 200,
    perCaller: {maxRequests: 50, exceptions: [{callers: [shop/batch, office/*], maxRequests: 5}]},
    perRoute: [{name: reports, match: {paths: [/reports/*], methods: [GET]}, maxRequests: 10}],
    queue: {maxRequests: 100, maxWait: 1s, overload: {target: 50ms, interval: 200ms}},
  },
  adaptiveConcurrency: {maxConcurrency: 300, latencyPercentile: 90},
  priorities: [{match: {paths: [/pay], headers: [{name: x-job, value: night}]}, priority: critical}, {match: {callers: [shop/batch]}, priority: sheddable}]`);

const adaptive = {
  name: 'envoy.filters.http.adaptive_concurrency',
  typedConfig: {
    '@type': 'type.googleapis.com/envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency',
    gradientControllerConfig: {
      sampleAggregatePercentile: { value: 90 },
      concurrencyLimitParams: { maxConcurrencyLimit: 300, concurrencyUpdateInterval: '0.100s' },
      minRttCalcParams: {
        ...{ interval: '60s', requestCount: 50, jitter: { value: 15 } },
        ...{ minConcurrency: 3, buffer: { value: 25 } },
      },
    },
  },
};

describe('a policy that says everything', () => {
  const model = modelOf(service('{port: 80}'), everything);

  test('is our own filter and, behind it, Envoy’s for our sidecars; paths are brought into one form', () => {
    const identity = parseSpiffeId('spiffe://mesh.example/ns/shop/sa/payments');
    const exact = (account: string) => ({ exact: `spiffe://mesh.example/ns/shop/sa/${account}` });
    expect(inbound(model, 'outrigger', { identity })).toEqual({
      filters: [
        {
          name: 'outrigger.filters.http.inbound_limits',
          typedConfig: {
            '@type': 'type.googleapis.com/outrigger.resilience.v1.InboundLimits',
            rule: 'TrafficPolicy shop/p',
            maxRequests: 200,
            callers: {
              maxRequests: 50,
              exceptions: [
                { callers: [exact('batch'), { prefix: 'spiffe://mesh.example/ns/office/sa/' }], maxRequests: 5 },
              ],
            },
            routes: [
              { name: 'reports', match: { paths: [{ prefix: '/reports/' }], methods: ['GET'] }, maxRequests: 10 },
            ],
            queue: {
              ...{ maxRequests: 100, maxRequestsPerCaller: 50, maxWait: '1s' },
              ...{ overloadTarget: '0.050s', overloadInterval: '0.200s' },
            },
            priorities: [
              {
                match: { paths: [{ exact: '/pay' }], headers: [{ name: 'x-job', stringMatch: { exact: 'night' } }] },
                priority: 'CRITICAL',
              },
              { match: { callers: [exact('batch')] }, priority: 'SHEDDABLE' },
            ],
          },
        },
        adaptive,
      ],
      mergeSlashes: true,
    });
  });

  test('is Envoy’s filter alone for Envoy, which would refuse the other', () => {
    expect(inbound(model, 'envoy')).toEqual({ filters: [adaptive], mergeSlashes: false });
  });

  test('is said in short', () => {
    expect(listPolicies(model)[0]!.says).toEqual([
      "inbound limits (Outrigger's sidecars only): 200 at a time, 50 of each caller, 5 of each of shop/batch|office/*, 10 of reports where GET /reports/*, 100 wait 1s at most",
      'adaptive concurrency: 3 to 300 at a time',
      "critical (Outrigger's sidecars only) where /pay x-job=night",
      "sheddable (Outrigger's sidecars only) where from shop/batch",
    ]);
  });
});

const named = (model: Model, more: Partial<ProxyNode> = {}): string[] =>
  inbound(model, 'outrigger', more).filters.map(({ name, typedConfig }) =>
    `${name.split('.').at(-1)} ${(typedConfig['rule'] ?? '') as string}`.trim(),
  );

describe('which policy holds for a workload', () => {
  const limits = 'inboundLimits: {maxRequests: 1}';

  test('that of the port that leads to its application, before that of the Service, field by field', () => {
    const model = modelOf(
      service('{port: 80, name: a, targetPort: 8080}, {port: 81, name: b, targetPort: 9090}'),
      policy(`${limits}, adaptiveConcurrency: {}`),
      policy(limits, '{kind: Service, name: payments, port: 80}', 'of-80'),
      policy('adaptiveConcurrency: {enabled: false}', '{kind: Service, name: payments, port: 81}', 'of-81'),
    );
    expect(named(model)).toEqual(['inbound_limits TrafficPolicy shop/of-80', 'adaptive_concurrency']);
    expect(named(model, { appPort: 9090 })).toEqual(['inbound_limits TrafficPolicy shop/p']);
    // By which port its callers come is not known: what both say holds, and they say different things.
    expect(named(model, { appPort: 7070 })).toEqual([]);
    expect(named(model, { service: 'web', cluster: 'shop/web' })).toEqual([]);
  });

  test('also that of a Service whose selector picks it', () => {
    const model = modelOf(service('{port: 80}', ', selector: {app: pay}'), policy(limits));
    expect(named(model, { service: 'web', labels: { app: 'pay' } })).toEqual(['inbound_limits TrafficPolicy shop/p']);
    expect(named(model, { service: 'web', labels: { app: 'x' } })).toEqual([]);
    expect(model.policies.labelKeys).toEqual(['app']);
  });

  test('priorities alone are sent where adaptive concurrency needs them', () => {
    const priorities = 'priorities: [{match: {methods: [GET]}, priority: sheddable}]';
    expect(named(modelOf(service('{port: 80}'), policy(priorities)))).toEqual([]);
    expect(named(modelOf(service('{port: 80}'), policy(`${priorities}, adaptiveConcurrency: {}`)))).toEqual([
      ...['inbound_limits', 'adaptive_concurrency'],
    ]);
  });

  test('a change of another policy leaves the listener as it is', () => {
    const builder = new ModelBuilder();
    const node = proxy('outrigger', { appPort: 8080 });
    const listener = (...documents: string[]) => {
      const { resources } = parseFile('t.yaml', documents.join('\n---\n'));
      return translate(builder.build({ resources, instances: [] }), node).listeners.get('inbound');
    };
    const base = [service('{port: 80}'), policy(limits), service('{port: 80}', '', 'web')];
    const before = listener(...base);
    expect(listener(...base, policy('inboundLimits: {maxRequests: 2}', '{kind: Service, name: web}', 'q'))).toBe(
      before,
    );
    expect(listener(...base.with(1, policy('inboundLimits: {maxRequests: 2}')))).not.toBe(before);
  });
});

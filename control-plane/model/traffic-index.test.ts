/** What holds where several TrafficPolicies speak: the most specific, the oldest; and what is told of the others. */
import { describe, expect, test } from 'vitest';
import type { Model, PortModel } from './model.ts';
import { ModelBuilder } from './model-builder.ts';
import { checkPolicyRows, trafficResources } from './traffic-index.test-data.ts';
import { trafficTexts } from './traffic-text.ts';

const orders = '{ports: [{name: http, port: 80}, {name: admin, port: 81}]}';
const policy = (name: string, spec: string, created = ''): string =>
  `{apiVersion: outrigger.dev/v1, kind: TrafficPolicy, metadata: {name: ${name}, namespace: shop${created === '' ? '' : `, creationTimestamp: "${created}"`}}, spec: ${spec}}`;
const service = (name: string, spec: string): string =>
  `{apiVersion: outrigger.dev/v1, kind: Service, metadata: {name: ${name}, namespace: shop}, spec: ${spec}}`;
const route = (rules: string): string =>
  `{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r, namespace: shop}, spec: {parentRefs: [{group: "", kind: Service, name: orders}], rules: [${rules}]}}`;

function modelOf(...documents: string[]): Model {
  return new ModelBuilder().build({
    resources: trafficResources(service('orders', orders), ...documents),
    instances: [],
  });
}
const port = (model: Model, at = 0): PortModel => model.services.get('shop/orders')!.ports[at]!;
const warnings = (model: Model): string[] => model.warnings.map(({ resource, message }) => `${resource}: ${message}`);

describe('a TrafficPolicy', () => {
  test('for a port goes before one for its Service, field by field', () => {
    const model = modelOf(
      policy(
        'all',
        '{targetRefs: [{kind: Service, name: orders}], timeouts: {connect: 2s, request: 3s}, limits: {maxRequests: 1}}',
      ),
      policy('admin', '{targetRefs: [{kind: Service, name: orders, sectionName: admin}], timeouts: {request: 9s}}'),
    );
    expect(warnings(model)).toEqual([]);
    expect(port(model).routing.traffic.requestTimeout).toEqual({ ms: 3_000, rule: 'TrafficPolicy shop/all' });
    expect(port(model, 1).routing.traffic.requestTimeout).toEqual({ ms: 9_000, rule: 'TrafficPolicy shop/admin' });
    expect(port(model, 1).definition.traffic).toMatchObject({ connectTimeoutMs: 2_000, limits: { maxRequests: 1 } });
  });

  test('with a circuit breaker for a Service is at its cluster, and at a route only when it is for that', () => {
    const breaker = (failurePercent: number): string => `circuitBreaker: {failurePercent: ${failurePercent}}`;
    const model = modelOf(
      route('{name: reads, backendRefs: [{name: orders, port: 80}]}, {backendRefs: [{name: orders, port: 80}]}'),
      policy('all', `{targetRefs: [{kind: Service, name: orders}], ${breaker(30)}}`),
      policy('admin', '{targetRefs: [{kind: Service, name: orders, port: 81}], circuitBreaker: {enabled: false}}'),
      policy('reads', `{targetRefs: [{kind: HTTPRoute, name: r, sectionName: reads}], ${breaker(40)}}`),
    );
    expect(warnings(model)).toEqual([]);
    expect(port(model).definition.traffic.circuitBreaker).toMatchObject({
      rule: 'TrafficPolicy shop/all',
      failurePercent: 30,
    });
    expect(port(model, 1).definition.traffic.circuitBreaker).toBe('off');
    expect(port(model).routing.traffic.circuitBreaker).toBeNull();
    const ofRules = port(model).routing.producer[0]!.rules.map(({ traffic }) => traffic.circuitBreaker);
    expect(ofRules).toMatchObject([{ rule: 'TrafficPolicy shop/reads', failurePercent: 40 }, null]);
    const { policies } = model;
    expect(policies.traffic.map(({ route, cluster }) => trafficTexts(route, cluster))).toEqual([
      ['circuit breaker: off'],
      ["circuit breaker: 30 % failures in 10s, open 5s (Outrigger's sidecars only)"],
      ["circuit breaker: 40 % failures in 10s, open 5s (Outrigger's sidecars only)"],
    ]);
  });

  test('for a rule goes before one for its route, and what the rule says itself before both', () => {
    const model = modelOf(
      route('{name: reads, timeouts: {request: 1s}}, {name: writes}, {}'),
      policy('route', '{targetRefs: [{kind: HTTPRoute, name: r}], timeouts: {request: 5s, streamIdle: 7s}}'),
      policy('writes', '{targetRefs: [{kind: HTTPRoute, name: r, sectionName: writes}], timeouts: {request: 6s}}'),
    );
    const traffic = port(model).routing.producer[0]!.rules.map((rule) => rule.traffic);
    expect(traffic.map(({ requestTimeout }) => requestTimeout)).toEqual([
      { ms: 1_000, rule: 'HTTPRoute shop/r' },
      { ms: 6_000, rule: 'TrafficPolicy shop/writes' },
      { ms: 5_000, rule: 'TrafficPolicy shop/route' },
    ]);
    expect(traffic.map(({ streamIdleTimeout }) => streamIdleTimeout?.ms)).toEqual([7_000, 7_000, 7_000]);
  });

  test('that is older counts where two are for the same, however the port is named, and the other is told (Gateway API, conflict resolution)', () => {
    const model = modelOf(
      policy(
        'a',
        '{targetRefs: [{kind: Service, name: orders, port: 80}], timeouts: {request: 1s}}',
        '2026-02-01T00:00:00Z',
      ),
      policy(
        'b',
        '{targetRefs: [{kind: Service, name: orders, sectionName: http}], timeouts: {request: 2s}}',
        '2026-01-31T23:00:00-02:00',
      ),
      policy(
        'c',
        '{targetRefs: [{kind: Service, name: orders, port: 80}], timeouts: {request: 3s}}',
        '2026-01-01T00:00:00Z',
      ),
    );
    expect(port(model).routing.traffic.requestTimeout?.ms).toBe(3_000);
    expect(warnings(model)).toEqual([
      'TrafficPolicy shop/a: spec.targetRefs[0]: TrafficPolicy shop/c is for the same; the older one counts, or the first by name',
      'TrafficPolicy shop/b: spec.targetRefs[0]: TrafficPolicy shop/c is for the same; the older one counts, or the first by name',
    ]);
    expect(checkPolicyRows(model)).toEqual([
      ['c', 1, ['Service shop/orders:80']],
      ['a', 0, ['Service shop/orders:80 (not in force)']],
      ['b', 0, ['Service shop/orders:http (not in force)']],
    ]);
  });

  test('for what is not there is a warning', () => {
    expect(
      warnings(
        modelOf(
          route('{name: reads}'),
          policy(
            'a',
            '{targetRefs: [{kind: Service, name: order}, {kind: Service, name: orders, sectionName: grpc}, {kind: GRPCRoute, name: r}, {kind: HTTPRoute, name: r, sectionName: read}], timeouts: {request: 1s}}',
          ),
        ),
      ).filter((line) => line.startsWith('TrafficPolicy')),
    ).toEqual([
      'TrafficPolicy shop/a: spec.targetRefs[0]: there is no Service shop/order; nothing comes of the policy there',
      'TrafficPolicy shop/a: spec.targetRefs[1]: Service shop/orders has no port grpc; it has 80 (http), 81 (admin); nothing comes of the policy there',
      'TrafficPolicy shop/a: spec.targetRefs[2]: there is no GRPCRoute shop/r; nothing comes of the policy there',
      'TrafficPolicy shop/a: spec.targetRefs[3]: HTTPRoute shop/r has no rule named read; it has reads; nothing comes of the policy there',
    ]);
  });

  test('with a fallback to what is not there, or to itself, is told, and proxies are not sent there', () => {
    const fallback = (service: string): string =>
      policy(
        'a',
        `{targetRefs: [{kind: Service, name: orders}], fallback: {service: ${service}, answer: {status: 200}}}`,
      );
    const missing = modelOf(fallback('{name: archive, port: 80}'));
    expect(warnings(missing)).toEqual([
      'TrafficPolicy shop/a: spec.fallback.service: there is no Service shop/archive; there is no fallback to it',
    ]);
    expect(port(missing).routing.traffic.fallback).toMatchObject({ service: null, answer: { status: 200 } });
    const wrong = modelOf(fallback('{name: archive, port: 81}'), service('archive', '{ports: [{port: 80}]}'));
    expect(warnings(wrong)).toEqual([
      'TrafficPolicy shop/a: spec.fallback.service: Service shop/archive has no port 81; it has 80; there is no fallback to it',
    ]);
    const itself = modelOf(fallback('{name: orders, port: 81}'));
    expect(warnings(itself)).toEqual([
      'TrafficPolicy shop/a: spec.fallback.service: shop/orders:81 is what the policy is for: a failed request is sent there once more',
    ]);
    const alone = modelOf(
      policy('a', '{targetRefs: [{kind: Service, name: orders}], fallback: {service: {name: archive, port: 80}}}'),
    );
    expect(port(alone).routing.traffic.fallback).toBeNull();
  });

  test('for a rule may switch off what one for the Service says', () => {
    const model = modelOf(
      route('{name: reads}, {name: writes}'),
      policy(
        'a',
        '{targetRefs: [{kind: Service, name: orders}], hedging: {delay: 50ms}, fallback: {answer: {status: 200}}}',
      ),
      policy(
        'b',
        '{targetRefs: [{kind: HTTPRoute, name: r, sectionName: writes}], hedging: {enabled: false}, fallback: {enabled: false}}',
      ),
    );
    const [reads, writes] = port(model).routing.producer[0]!.rules.map(({ traffic }) => traffic);
    expect([reads!.hedging, reads!.fallback]).toEqual([null, null]);
    expect([writes!.hedging, writes!.fallback]).toEqual([{ kind: 'off' }, 'off']);
    expect(port(model).routing.traffic.hedging).toMatchObject({ kind: 'delay', delayMs: 50 });
  });

  test('with a health check by gRPC is told where it cannot be made', () => {
    expect(
      warnings(modelOf(policy('a', '{targetRefs: [{kind: Service, name: orders}], healthChecks: [{grpc: {}}]}'))),
    ).toEqual([
      'TrafficPolicy shop/a: spec.targetRefs[0]: a health check by gRPC needs a port with appProtocol grpc or http2; 80, 81 is not checked',
    ]);
  });

  test('that comes and goes leaves every part that it is not for the same object', () => {
    const builder = new ModelBuilder();
    const build = (...more: string[]): Model =>
      builder.build({
        resources: trafficResources(service('orders', orders), service('other', orders), ...more),
        instances: [],
      });
    const before = build();
    const during = build(
      policy('a', '{targetRefs: [{kind: Service, name: orders, port: 80}], limits: {maxRequests: 1}}'),
    );
    expect(during.services.get('shop/other')).toBe(before.services.get('shop/other'));
    expect(port(during, 1)).toBe(port(before, 1));
    expect(port(during).definition).not.toBe(port(before).definition);
    expect(build().policies.traffic).toEqual([]);
  });
});

import { describe, expect, test } from 'vitest';
import type { GrpcMatch, HttpMatch } from '../config-kind/resource.ts';
import { noRouteTraffic } from '../config-kind/traffic-resource.ts';
import type { AttachedRoute } from '../model/model.ts';
import { orderedMatches } from './route-order.ts';

const plain = { backends: [], requestHeaders: null, responseHeaders: null, traffic: noRouteTraffic };

const wholeHttp = (match: Partial<HttpMatch>): HttpMatch => ({
  path: { type: 'PathPrefix', value: '/' },
  headers: [],
  queryParams: [],
  method: '',
  ...match,
});
const wholeGrpc = (match: Partial<GrpcMatch>): GrpcMatch => ({
  type: 'Exact',
  service: '',
  method: '',
  headers: [],
  ...match,
});

function http(name: string, matches: ReadonlyArray<Partial<HttpMatch>>, createdAt = ''): AttachedRoute {
  return {
    kind: 'HTTPRoute',
    namespace: 'n',
    name,
    createdAt,
    rules: matches.map((match) => ({
      ...plain,
      matches: [wholeHttp(match)],
      redirect: null,
      rewrite: null,
      backendTimeout: null,
    })),
  };
}

function grpc(name: string, matches: ReadonlyArray<Partial<GrpcMatch>>): AttachedRoute {
  return {
    kind: 'GRPCRoute',
    namespace: 'n',
    name,
    createdAt: '',
    rules: matches.map((match) => ({ ...plain, matches: [wholeGrpc(match)] })),
  };
}

const order = (...routes: AttachedRoute[]): string[] => orderedMatches(routes).map(({ routeName }) => routeName);
const condition = (name: string): { type: 'Exact'; name: string; value: string } => ({
  type: 'Exact',
  name,
  value: '1',
});

describe('HTTPRoute precedence (Gateway API, HTTPRouteRule.matches)', () => {
  test('exact path, expression, longest prefix, method, headers, query parameters', () => {
    const routes = http('r', [
      {},
      { queryParams: [condition('q')] },
      { headers: [condition('h')], queryParams: [] },
      { method: 'GET' },
      { path: { type: 'PathPrefix', value: '/long' } },
      { path: { type: 'RegularExpression', value: '/.*' } },
      { path: { type: 'Exact', value: '/x' } },
    ]);
    expect(order(routes)).toEqual([6, 5, 4, 3, 2, 1, 0].map((at) => `n/r#rule-${at}`));
  });

  test('ties go to the oldest route, then by name, then in the order of the rules', () => {
    expect(order(http('b', [{}, {}]), http('a', [{}]))).toEqual(['n/a#rule-0', 'n/b#rule-0', 'n/b#rule-1']);
    expect(order(http('a', [{}], '2026-02-01T00:00:00Z'), http('b', [{}], '2026-01-01T01:00:00+02:00'))).toEqual([
      'n/b#rule-0',
      'n/a#rule-0',
    ]);
  });
});

test('GRPCRoute precedence (Gateway API, GRPCRouteRule.matches): longest service, longest method, headers', () => {
  const routes = grpc('r', [
    {},
    { headers: [condition('h')] },
    { method: 'Pay' },
    { service: 'a.B' },
    { service: 'a.B', method: 'Pay' },
    { service: 'a.Longer' },
    { type: 'RegularExpression', service: 'a.*' },
  ]);
  expect(order(routes)).toEqual([5, 4, 3, 2, 6, 1, 0].map((at) => `n/r#rule-${at}`));
});

import { describe, expect, it } from 'vitest';
import type { RbacPolicyConfig, RbacRuleConfig } from '../../config/rbac-config.ts';
import { compilePolicy } from './compiled-rule.ts';
import { PolicySet } from './policy-set.ts';
import { ConnectionFacts, RequestView } from './request-view.ts';
import { RuleIndex } from './rule-index.ts';
import { any, callerIs, headerIs, headerMatch, pathBegins, pathIs, policy, rules } from './test/policies.ts';
import { connection, gateRequest, peer, requestView, trustsNobody } from './test/requests.ts';

const thousand = Array.from({ length: 1000 }, (_, i) => i);
const not = (rule: RbacRuleConfig): RbacRuleConfig => ({ kind: 'not', rule });
const allOf = (...parts: readonly RbacRuleConfig[]): RbacRuleConfig => ({ kind: 'all-of', rules: parts });
const anyOf = (...parts: readonly RbacRuleConfig[]): RbacRuleConfig => ({ kind: 'any-of', rules: parts });

function indexOf(of: 'connection' | 'request', policies: readonly RbacPolicyConfig[]): RuleIndex {
  return new RuleIndex(
    policies.map((each, number) => ({ number, rule: compilePolicy(each, true) })),
    of,
  );
}

const claim = (value: string): RbacRuleConfig => ({
  kind: 'metadata',
  metadata: {
    filter: 'jwt',
    path: ['corp', 'groups'],
    value: { kind: 'list', oneOf: { kind: 'string', match: { kind: 'exact', value, ignoreCase: false } } },
    invert: false,
  },
});

const view = requestView(
  {
    path: '/api/7/items',
    headers: [['x-tenant', 't7']],
    metadata: new Map([['jwt', { corp: { groups: ['g7', 'g9'] } }]]),
  },
  { peer: peer('spiffe://m/ns/n7/sa/a') },
);

describe('of a thousand policies', () => {
  it.each<[string, 'connection' | 'request', (i: number) => RbacPolicyConfig, readonly number[]]>([
    ['paths', 'request', (i) => policy('p', pathIs(`/api/${i}/items`)), [7]],
    ['beginnings of paths', 'request', (i) => policy('p', pathBegins(`/api/${i}/`)), [7]],
    ['one of two paths', 'request', (i) => policy('p', anyOf(pathIs(`/a/${i}`), pathBegins(`/api/${i}/`))), [7]],
    [
      'a header under one path',
      'request',
      (i) => policy('p', allOf(pathBegins('/api'), headerIs('x-tenant', `t${i}`))),
      [7],
    ],
    [
      'a path by one method',
      'request',
      (i) => policy('p', allOf(headerIs(':method', 'GET'), pathBegins(`/api/${i}/`))),
      [7],
    ],
    [
      'a path but one',
      'request',
      (i) => policy('p', allOf(pathBegins(`/api/${i}/`), not(pathIs('/api/7/items')))),
      [7],
    ],
    ['claims', 'request', (i) => policy('p', any, claim(`g${i}`)), [7, 9]],
    ['hosts', 'request', (i) => policy('p', headerIs(':authority', i === 7 ? 'orders.shop' : `h${i}`)), [7]],
    ['callers', 'connection', (i) => policy('p', any, callerIs(`spiffe://m/ns/n${i}/sa/a`)), [7]],
    [
      'namespaces',
      'connection',
      (i) =>
        policy('p', any, {
          kind: 'authenticated',
          match: { kind: 'prefix', value: `spiffe://m/ns/n${i}/`, ignoreCase: false },
        }),
      [7],
    ],
  ])('by %s only those that the request can fulfil are tried', (_what, of, make, expected) => {
    const found = indexOf(of, thousand.map(make)).candidates(view);
    expect(found.map(({ number }) => number)).toEqual(expected);
  });

  it.each<[string, RbacRuleConfig]>([
    ['a negation', not(pathIs('/api/7/items'))],
    ['a suffix', { kind: 'path', match: { kind: 'suffix', value: '/items', ignoreCase: false } }],
    ['any case', { kind: 'path', match: { kind: 'exact', value: '/API', ignoreCase: true } }],
    ['an inverted header', { kind: 'header', header: headerMatch('x-tenant', 't7', { invert: true }) }],
    [
      'a header that may be missing',
      { kind: 'header', header: headerMatch('x-other', '', { treatMissingAsEmpty: true }) },
    ],
    ['one of two things of which one cannot be looked up', anyOf(pathIs('/a'), not(pathIs('/b')))],
  ])('those with %s are tried always', (_what, rule) => {
    expect(
      indexOf(
        'request',
        thousand.map(() => policy('p', rule)),
      ).candidates(view).length,
    ).toBe(1000);
  });
});

describe('a set of policies', () => {
  it('keeps no more of kinds of connections than its bound, and judges those that come again alike', () => {
    // Each connection is of a kind of its own, with a thousand policies left: far more than are kept.
    const from = (address: string): RbacRuleConfig => ({
      kind: 'address',
      of: 'peer',
      range: { address, prefixBits: 32 },
    });
    const set = new PolicySet(
      rules('deny', ...thousand.map((i) => policy(`p${i}`, pathIs(`/${i}`), not(from(`10.0.${i >> 8}.${i & 255}`))))),
      1,
    );
    const seen = new RequestView(trustsNobody);
    for (const round of [1, 2]) {
      for (let i = 0; i < 100; i++) {
        const info = connection({ remoteAddress: `10.0.0.${i}:${round}` });
        const facts = new ConnectionFacts(info);
        for (const [path, expected] of [
          [`/${i}`, -1],
          [`/${i + 1}`, i + 1],
        ] as const) {
          seen.set(facts, gateRequest({ path }, info));
          expect(set.match(seen)).toBe(expected);
        }
      }
    }
  });
});

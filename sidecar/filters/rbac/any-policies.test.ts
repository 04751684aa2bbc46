/** Compiled policies, with all their looking up, against the same policies asked one after the other: any policies, any connections, any requests, in any order. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RbacPolicyConfig, RbacRuleConfig, RbacRulesConfig, ValueMatchConfig } from '../../config/rbac-config.ts';
import type { HeaderMatchConfig, StringMatchConfig } from '../../config/route-config.ts';
import type { DownstreamConnectionInfo } from '../../connection-manager/http-context.ts';
import { PolicySet } from './policy-set.ts';
import { ConnectionFacts, RequestView } from './request-view.ts';
import { naiveMatch } from './test/naive-rules.ts';
import { connection, gateRequest, peer, type RequestInit, trustsNobody } from './test/requests.ts';

// Few words, so that rules and requests meet.
const paths = ['/', '/a', '/a/b', '/a/b/c', '/A', '/b', '/ab'] as const;
const names = ['spiffe://m/ns/a/sa/x', 'spiffe://m/ns/a/sa/y', 'spiffe://m/ns/b/sa/x', 'spiffe://m/ns/a'] as const;
const values = ['1', '2', '12', '', 'ab', 'AB', 'a,b'] as const;
const addresses = ['10.0.0.1', '10.1.2.3', '192.168.0.9'] as const;

const path = fc.constantFrom(...paths);
const name = fc.constantFrom(...names);
const value = fc.constantFrom(...values);
const address = fc.constantFrom(...addresses);
const headerName = fc.constantFrom('x-a', 'x-b', '__proto__');

function stringMatch(text: fc.Arbitrary<string>): fc.Arbitrary<StringMatchConfig> {
  return fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('exact' as const), value: text, ignoreCase: fc.constant(false) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constantFrom('exact' as const, 'prefix' as const, 'suffix' as const, 'contains' as const),
        value: text,
        ignoreCase: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'regex' as const, value: '.*[ab1].*' }) },
  );
}

const header: fc.Arbitrary<HeaderMatchConfig> = fc.oneof(
  fc.record({
    name: headerName,
    test: fc.oneof(
      fc.record({ kind: fc.constant('string' as const), match: stringMatch(value) }),
      fc.record({ kind: fc.constant('present' as const), present: fc.boolean() }),
      fc.constant({ kind: 'range' as const, start: 1, end: 3 }),
    ),
    invert: fc.boolean(),
    treatMissingAsEmpty: fc.constant(false),
  }),
  fc.record({
    name: fc.constantFrom(':method', ':path', ':authority', 'host', 'x-a'),
    test: fc.record({
      kind: fc.constant('string' as const),
      match: stringMatch(fc.constantFrom('GET', 'POST', '/a', 'h1', '')),
    }),
    invert: fc.boolean(),
    treatMissingAsEmpty: fc.boolean(),
  }),
);

const valueMatch: fc.Arbitrary<ValueMatchConfig> = fc.oneof(
  fc.record({ kind: fc.constant('string' as const), match: stringMatch(value) }),
  fc.record({
    kind: fc.constant('list' as const),
    oneOf: fc.record({ kind: fc.constant('string' as const), match: stringMatch(value) }),
  }),
  fc.record({ kind: fc.constant('present' as const), present: fc.boolean() }),
);

const leaf: fc.Arbitrary<RbacRuleConfig> = fc.oneof(
  fc.constant({ kind: 'any' as const }),
  fc.record({ kind: fc.constant('header' as const), header }),
  fc.record({ kind: fc.constant('path' as const), match: stringMatch(path) }),
  fc.record({
    kind: fc.constant('address' as const),
    of: fc.constantFrom('destination' as const, 'peer' as const, 'client' as const),
    range: fc.record({ address, prefixBits: fc.constantFrom(0, 8, 16, 32) }),
  }),
  fc.constantFrom({ kind: 'port' as const, start: 8080, end: 8081 }, { kind: 'port' as const, start: 1, end: 9000 }),
  fc.record({ kind: fc.constant('server-name' as const), match: stringMatch(fc.constantFrom('h1', 'h2', '')) }),
  fc.record({ kind: fc.constant('authenticated' as const), match: fc.option(stringMatch(name)) }),
  fc.record({
    kind: fc.constant('metadata' as const),
    metadata: fc.record({
      filter: fc.constant('jwt'),
      path: fc.constantFrom(['p', 'sub'], ['p', 'roles'], ['p'], ['q']),
      value: valueMatch,
      invert: fc.boolean(),
    }),
  }),
);

const { rule } = fc.letrec<{ rule: RbacRuleConfig }>((tie) => ({
  rule: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    { weight: 5, arbitrary: leaf },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constantFrom('all-of' as const, 'any-of' as const),
        rules: fc.array(tie('rule'), { minLength: 1, maxLength: 3 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('not' as const), rule: tie('rule') }) },
  ),
}));

const policies: fc.Arbitrary<readonly RbacPolicyConfig[]> = fc
  .array(
    fc.record({
      permissions: fc.array(rule, { minLength: 1, maxLength: 2 }),
      principals: fc.array(rule, { minLength: 1, maxLength: 2 }),
    }),
    { maxLength: 12 },
  )
  .map((list) => list.map((each, i) => ({ ...each, name: `p${String(i).padStart(2, '0')}`, condition: null })));

const rules: fc.Arbitrary<RbacRulesConfig> = fc.record({
  action: fc.constantFrom('allow' as const, 'deny' as const, 'log' as const),
  policies,
});

const connections: fc.Arbitrary<readonly DownstreamConnectionInfo[]> = fc.array(
  fc
    .record({
      uris: fc.option(fc.array(name, { maxLength: 2 })),
      remote: address,
      local: fc.constantFrom('10.0.0.1:8080', '10.0.0.1:9090'),
      serverName: fc.constantFrom('', 'h1', 'h2'),
    })
    .map(({ uris, remote, local, serverName }) =>
      connection({
        peer: uris === null ? null : peer(...uris),
        remoteAddress: `${remote}:1234`,
        localAddress: local,
        serverName,
      }),
    ),
  { minLength: 1, maxLength: 3 },
);

const request: fc.Arbitrary<RequestInit> = fc.record({
  method: fc.constantFrom('GET', 'POST'),
  path: fc.oneof(
    path,
    path.map((each) => `${each}?a=b`),
    fc.constant(''),
  ),
  authority: fc.constantFrom('h1', 'h2'),
  headers: fc.array(fc.oneof(fc.tuple(headerName, value), fc.tuple(fc.constant('x-forwarded-for'), address)), {
    maxLength: 4,
  }),
  metadata: fc.oneof(
    fc.constant(null),
    fc
      .record({ sub: value, roles: fc.array(value, { maxLength: 2 }) })
      .map((p): ReadonlyMap<string, unknown> => new Map([['jwt', { p }]])),
  ),
});

test('the same policy matches first as when all are asked in their order', () => {
  fc.assert(
    fc.property(
      rules,
      connections,
      fc.array(fc.tuple(request, fc.nat()), { minLength: 1, maxLength: 8 }),
      fc.constantFrom(0, 2, 100),
      (config, infos, requests, settleFrom) => {
        const set = new PolicySet(config, settleFrom);
        const facts = infos.map((info) => new ConnectionFacts(info));
        const view = new RequestView(trustsNobody);
        for (const [init, at] of requests) {
          const one = gateRequest(init, infos[at % infos.length]);
          view.set(facts[at % infos.length]!, one);
          const matched = set.match(view);
          expect(matched < 0 ? null : set.names[matched]).toBe(naiveMatch(config, one));
        }
      },
    ),
    { numRuns: 4000 },
  );
});

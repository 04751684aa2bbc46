import { expect, test } from 'vitest';
import type { WorkloadRow } from '../../control-plane/admin/workload-list.ts';
import type { AdminFacts } from './admin-facts.ts';
import { policyFindings } from './policy-checks.ts';

type Facts = Parameters<typeof policyFindings>[0];

function workload(more: Partial<WorkloadRow> = {}): WorkloadRow {
  return {
    ...{ service: 'shop/orders', instanceId: 'a', address: '10.0.0.1:80', source: 'registry', identity: '' },
    ...{ mode: 'STRICT', reason: 'PeerAuthentication shop/strict: mTLS STRICT', byDefault: false, sidecar: null },
    ...more,
  };
}

function found(more: Partial<Facts>): string[] {
  const facts: Facts = {
    workloads: [],
    proxies: [],
    policies: [],
    keySets: [],
    authority: {} as AdminFacts['authority'],
    ...more,
  };
  return policyFindings(facts).map(({ level, text, next }) => `${level}: ${text}${next && ` → ${next}`}`);
}

test('STRICT where callers speak plaintext: refused by its sidecar, asked for in vain, or by default', () => {
  const sidecar = { nodeId: 'n', identity: 'spiffe://a' };
  const byDefault = { reason: 'mTLS STRICT (the default)', byDefault: true };
  const one = (more: Partial<WorkloadRow>): string => found({ workloads: [workload(more)] })[0]!;
  expect(one({ sidecar })).toMatch(
    /^problem: shop\/orders: callers speak plaintext to 10\.0\.0\.1:80, and are refused there \(403, PeerAuthentication shop\/strict: mTLS STRICT\).* → start it again with its proof/,
  );
  expect(one({ sidecar, source: 'file', ...byDefault })).toMatch(
    /^problem: .* → take the address out of spec\.endpoints of shop\/orders/,
  );
  expect(one({})).toMatch(
    /^problem: shop\/orders: 10\.0\.0\.1:80 can't do the mTLS that PeerAuthentication shop\/strict/,
  );
  expect(one({ sidecar: { nodeId: 'n', identity: '' } })).toMatch(/^problem/);
  expect(one(byDefault)).toMatch(
    /^warning: shop\/orders: callers speak plaintext to .* → .*PeerAuthentication DISABLE for shop\/orders$/,
  );
  // Told of among identities.
  expect(one({ ...byDefault, sidecar: { nodeId: 'n', identity: '' } })).toMatch(/^ok/);
  expect(one({ identity: 'spiffe://a' })).toMatch(/^ok/);
  expect(one({ mode: 'PERMISSIVE' })).toMatch(/^ok/);
  expect(found({ workloads: [workload()], authority: null })[0]).toMatch(/^ok/);
});

test('keys that were never had are a problem, old ones a warning', () => {
  const problem = { source: 'https://i/keys', problem: 'status 503', effect: 'old keys stay' };
  expect(
    found({
      keySets: [
        { ...problem, hasKeys: true },
        { ...problem, hasKeys: false },
      ],
    }),
  ).toEqual([
    expect.stringMatching(/^warning: keys of https:\/\/i\/keys: status 503; old keys stay → /),
    expect.stringMatching(/^problem: /),
  ]);
});

test('faults on purpose, as long as they are there and when they are over', () => {
  const row = {
    namespace: 'shop',
    kind: 'FaultPolicy',
    holdsFor: ['shop/orders'],
    rules: 1,
    says: [],
    workloads: 2,
    refusedBy: [],
    warnings: [],
  };
  expect(
    found({
      policies: [
        { ...row, name: 'now', action: 'until 2026-01-31T12:00:00.000Z' },
        { ...row, name: 'then', action: 'over since 2026-01-31T12:00:00.000Z' },
      ],
    }),
  ).toEqual([
    'warning: FaultPolicy shop/now makes faults on purpose for 2 workloads (until 2026-01-31T12:00:00.000Z) → take it out of the configuration when nobody needs it any more',
    'warning: FaultPolicy shop/then is over since 2026-01-31T12:00:00.000Z → take it out of the configuration',
  ]);
});

test('circuit breakers do not hold in proxies that are none of ours', () => {
  const policy = { namespace: 'shop', kind: 'TrafficPolicy', holdsFor: ['Service shop/orders'], action: '', rules: 1 };
  const rest = { ...policy, workloads: 1, refusedBy: [], warnings: [] };
  const policies = [
    { ...rest, name: 'p', says: ["circuit breaker: 50 % failures in 10s, open 5s (Outrigger's sidecars only)"] },
    { ...rest, name: 'q', says: ['circuit breaker: off'] },
  ];
  const proxy = (nodeId: string, kind: string) =>
    ({
      nodeId,
      kind,
      cluster: 'shop/orders',
      inbound: null,
      refusedPolicies: '',
    }) as unknown as Facts['proxies'][number];
  expect(found({ policies, proxies: [proxy('a', 'outrigger')] })[0]).toMatch(/^ok/);
  expect(found({ policies, proxies: [proxy('a', 'outrigger'), proxy('b', 'envoy')] })).toEqual([
    'warning: b is no sidecar of Outrigger: circuitBreaker of TrafficPolicy shop/p does not hold there → outlier detection and limits do hold; give the caller a sidecar of Outrigger where a circuit breaker is needed',
  ]);
});

test('limits in front of an application do not hold where its proxy is none of ours', () => {
  const policy = {
    namespace: 'shop',
    kind: 'TrafficPolicy',
    action: '',
    rules: 1,
    workloads: 1,
    refusedBy: [],
    warnings: [],
  };
  const policies = [
    {
      ...policy,
      name: 'p',
      holdsFor: ['Service shop/orders:80'],
      says: ["inbound limits (Outrigger's sidecars only): 5 at a time"],
    },
    {
      ...policy,
      name: 'q',
      holdsFor: ['Service shop/orders'],
      says: ['inbound limits: off', 'adaptive concurrency: 3 to 9 at a time'],
    },
    { ...policy, name: 'r', holdsFor: ['Service shop/web'], says: ["sheddable (Outrigger's sidecars only) where /x"] },
  ];
  const proxies = [{ nodeId: 'e', kind: 'envoy', cluster: 'shop/orders', inbound: null, refusedPolicies: '' }];
  expect(found({ policies, proxies: proxies as unknown as Facts['proxies'] })).toEqual([
    'warning: e is no sidecar of Outrigger: inboundLimits and priorities of TrafficPolicy shop/p do not hold in front of its application → adaptiveConcurrency and rate limits do hold; give the workload a sidecar of Outrigger where its limits are needed',
  ]);
});

test('policies that a proxy refused are named: what is new in them is not in force there', () => {
  const policy = { namespace: 'shop', kind: 'AuthorizationPolicy', name: 'no-secret', holdsFor: ['shop/orders'] };
  const policies = [
    { ...policy, action: 'DENY', rules: 1, says: [], workloads: 1, refusedBy: ['orders-1'], warnings: [] },
  ];
  const proxy = { nodeId: 'orders-1', cluster: 'shop/orders', inbound: null, refusedPolicies: 'no such field' };
  expect(found({ policies, proxies: [proxy as unknown as Facts['proxies'][number]] })).toEqual([
    'problem: orders-1 refused what policies say now, and goes on by those that it had before: what is new or changed since in AuthorizationPolicy shop/no-secret is not in force there → it says no such field; mend what it names',
  ]);
});

test('what the control plane warns of in a policy is told, with what ports are', () => {
  const policy = { namespace: 'shop', kind: 'AuthorizationPolicy', name: 'no-admin', holdsFor: ['shop/orders'] };
  const warnings = ['spec.rules[0]: no application that it holds for listens on port 80: they listen on 9000'];
  const policies = [{ ...policy, action: 'DENY', rules: 1, says: [], workloads: 1, refusedBy: [], warnings }];
  expect(found({ policies })).toEqual([
    expect.stringMatching(
      /^warning: AuthorizationPolicy shop\/no-admin: spec\.rules\[0\]: no application .* listen on 9000 → ports in policies/,
    ),
  ]);
});

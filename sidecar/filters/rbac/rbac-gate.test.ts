import { describe, expect, it } from 'vitest';
import { HeaderFields } from '../../codec/header-fields.ts';
import type { RbacConfig, RbacRouteConfig } from '../../config/rbac-config.ts';
import { anyPath, forward, route } from '../../connection-manager/test/configs.ts';
import { ManualTime } from '../../connection-manager/test/manual-time.ts';
import { answer, get, grpcCall, StreamRig } from '../../connection-manager/test/stream-rig.ts';
import { Log } from '../../runtime/log.ts';
import { StatStore } from '../../stats/stat-store.ts';
import { RbacGate } from './rbac-gate.ts';
import { callerIs, headerIs, pathBegins, pathIs, policy, rbacConfig, rules } from './test/policies.ts';
import { connection, gateRequest, peer, type RequestInit, trustsNobody } from './test/requests.ts';

const denyAdmin = rules('deny', policy('shop/admin#rule-0', pathBegins('/admin')));

function rig(config: Partial<RbacConfig>, routeGate: RbacRouteConfig | null = null): StreamRig {
  const gates = routeGate === null ? null : new Map([['envoy.filters.http.rbac', routeGate]]);
  return new StreamRig({
    config: { gates: [rbacConfig(config)] },
    routes: [route('shop/orders#rule-0', anyPath, forward('outbound|80||orders.shop'), { gates })],
  });
}

describe('a request that a policy denies', () => {
  it('is answered with 403, the flag, and the policy as the rule; nothing goes upstream', () => {
    const denied = rig({ rules: denyAdmin }).request(get('/admin/users'));
    expect(denied.downstream.head!.status).toBe(403);
    expect(JSON.parse(denied.downstream.body.toString())).toMatchObject({
      error: 'A policy denies this request.',
      flag: 'RBAC',
      details: 'rbac_access_denied_matched_policy[shop/admin#rule-0]',
      rule: 'shop/admin#rule-0',
    });
    expect(denied.logged).toMatchObject({
      status: 403,
      flags: 'RBAC',
      details: 'rbac_access_denied_matched_policy[shop/admin#rule-0]',
    });
    expect(denied.cluster.streams.length).toBe(0);
    expect(denied.counter('http.test.rbac.denied')).toBe(1);
  });

  it('gets PERMISSION_DENIED as a gRPC call', () => {
    const denied = rig({ rules: rules('deny', policy('no gRPC', pathIs('/shop.Orders/Get'))) });
    denied.request(grpcCall());
    const { fields, status } = denied.downstream.head!;
    expect([status, fields.get('grpc-status')]).toEqual([200, '7']);
    expect(fields.get('grpc-message')).toContain('rule no gRPC');
    // Blanks do not break a log that is split at them.
    expect(denied.logged).toMatchObject({ details: 'rbac_access_denied_matched_policy[no_gRPC]' });
  });

  it('is told that none allows it, where only what is allowed may pass', () => {
    const denied = rig({ rules: rules('allow', policy('a', pathIs('/a'))) }).request(get('/b'));
    expect(JSON.parse(denied.downstream.body.toString())).toMatchObject({
      error: 'No policy allows this request.',
      details: 'rbac_access_denied_matched_policy[none]',
      rule: 'none',
    });
  });

  it('is judged on the path that would be forwarded, without its query', () => {
    const normalized = { normalizePath: true, mergeSlashes: true } as const;
    for (const path of ['/x/../admin', '//admin', '/%61dmin', '/admin?x=/orders', '/./admin/']) {
      const one = new StreamRig({ config: { gates: [rbacConfig({ rules: denyAdmin })], ...normalized } });
      expect([path, one.request(get(path)).downstream.head?.status]).toEqual([path, 403]);
    }
    const query = new StreamRig({ config: { gates: [rbacConfig({ rules: denyAdmin })], ...normalized } });
    expect(query.request(get('/orders?p=/admin')).downstream.head).toBeNull();
  });

  it('by two values of a header of which one is denied, in either order', () => {
    const config = { rules: rules('deny', policy('no admins', headerIs('x-role', 'admin'))) };
    for (const values of [
      ['admin', 'user'],
      ['user', 'admin'],
      ['admin', 'admin'],
    ]) {
      const fields = HeaderFields.of(...values.map((value) => ['X-Role', value] as const));
      expect(rig(config).request(get('/', fields)).downstream.head!.status).toBe(403);
    }
  });
});

describe('a request that may pass', () => {
  it('goes on as if nothing had been there', () => {
    const passed = rig({ rules: denyAdmin }).request(get('/orders'));
    expect(passed.cluster.last.log).toEqual(['head end']);
    passed.cluster.last.receiver.onHead(answer(200), true);
    expect(passed.logged).toMatchObject({ status: 200, flags: null, details: 'via_upstream' });
  });

  it('passes whatever matches when rules only log', () => {
    const passed = rig({ rules: rules('log', policy('all')) }).request(get('/'));
    expect(passed.cluster.last.log).toEqual(['head end']);
  });

  it('passes where there are no rules', () => {
    expect(rig({}).request(get('/')).cluster.last.log).toEqual(['head end']);
  });
});

describe('a route', () => {
  const own = (rulesOfRoute: RbacRouteConfig['rules']): RbacRouteConfig => ({
    kind: 'rbac',
    rules: rulesOfRoute,
    shadowRules: null,
    shadowStatPrefix: '',
  });

  it('has rules instead of those of the filter', () => {
    const judged = rig({ rules: rules('deny', policy('everything')) }, own(denyAdmin));
    expect(judged.request(get('/orders')).cluster.last.log).toEqual(['head end']);
    const denied = rig({ rules: rules('allow', policy('everything')) }, own(denyAdmin));
    expect(denied.request(get('/admin')).downstream.head!.status).toBe(403);
  });

  it('can have none', () => {
    const judged = rig({ rules: rules('deny', policy('everything')) }, own(null));
    expect(judged.request(get('/orders')).cluster.last.log).toEqual(['head end']);
  });
});

describe('the access log says which policy', () => {
  const allowOrders = rules('allow', policy('shop/orders#rule-0', pathBegins('/orders')));
  const logged = (gates: ReadonlyArray<Partial<RbacConfig>>, path: string): Record<string, unknown> => {
    const judged = new StreamRig({ config: { gates: gates.map((each) => rbacConfig(each)) } }).request(get(path));
    if (judged.downstream.head === null) judged.cluster.last.receiver.onHead(answer(200), true);
    return judged.logged;
  };

  it('allowed it: that of the rules that allow, not of those that did not deny, in either order', () => {
    for (const gates of [
      [{ rules: denyAdmin }, { rules: allowOrders }],
      [{ rules: allowOrders }, { rules: denyAdmin }],
    ])
      expect(logged(gates, '/orders')).toMatchObject({
        status: 200,
        policy: 'shop/orders#rule-0',
        dry_run_denied_by: null,
      });
  });

  it('denied it, or that none did anything', () => {
    const both = [{ rules: denyAdmin }, { rules: allowOrders }];
    expect(logged(both, '/admin')).toMatchObject({ status: 403, policy: 'shop/admin#rule-0' });
    expect(logged(both, '/other')).toMatchObject({ status: 403, policy: 'none' });
    expect(logged([{ rules: denyAdmin }], '/other')).toMatchObject({ status: 200, policy: 'none' });
    expect(logged([{ rules: rules('log', policy('all')) }], '/')).toMatchObject({ status: 200, policy: null });
    expect(logged([{}], '/')).toMatchObject({ policy: null, dry_run_denied_by: null });
  });

  it('would have denied it, the first of those that are only tried', () => {
    const gates = [{ shadowRules: denyAdmin, rules: allowOrders }, { shadowRules: allowOrders }];
    expect(logged([{ shadowRules: denyAdmin }, { shadowRules: allowOrders }], '/admin')).toMatchObject({
      status: 200,
      policy: null,
      dry_run_denied_by: 'shop/admin#rule-0',
    });
    expect(logged(gates, '/orders')).toMatchObject({ policy: 'shop/orders#rule-0', dry_run_denied_by: null });
    expect(logged([{ shadowRules: allowOrders }], '/x')).toMatchObject({ status: 200, dry_run_denied_by: 'none' });
  });
});

/** A gate alone, with what it writes. */
class GateRig {
  readonly time = new ManualTime();
  readonly stats = new StatStore();
  readonly lines: string[] = [];
  readonly gate: RbacGate;

  constructor(config: Partial<RbacConfig>) {
    const log = new Log(this.time, 'info', false, (line) => this.lines.push(line));
    this.gate = new RbacGate(rbacConfig(config), 'in', trustsNobody, { stats: this.stats, clock: this.time, log });
  }

  ask(init: RequestInit, info = connection()): { denied: string | null; metadata: unknown } {
    const request = gateRequest(init, info);
    const verdict = this.gate.check(request);
    return { denied: verdict?.rule ?? null, metadata: request.metadata?.get('envoy.filters.http.rbac') };
  }

  counter(name: string): number {
    return this.stats.counters.get(name)?.value ?? 0;
  }

  authorizations(): Record<string, number> {
    const found = [...this.stats.counters.values()].filter(({ family }) => family === 'outrigger_authorization_total');
    return Object.fromEntries(found.map(({ labels, value }) => [`${labels['result']} ${labels['policy']}`, value]));
  }
}

describe('rules that are only tried', () => {
  const config = { shadowRules: denyAdmin, shadowStatPrefix: 'dry_run_' };

  it('deny nothing, and are counted and told', () => {
    const tried = new GateRig(config);
    expect(tried.ask({ path: '/admin', method: 'DELETE' })).toEqual({
      denied: null,
      metadata: {
        dry_run_shadow_effective_policy_id: 'shop/admin#rule-0',
        dry_run_shadow_engine_result: 'denied',
      },
    });
    expect(tried.ask({ path: '/orders' }).metadata).toEqual({ dry_run_shadow_engine_result: 'allowed' });
    expect(tried.counter('http.in.rbac.dry_run_.shadow_denied')).toBe(1);
    expect(tried.counter('http.in.rbac.dry_run_.shadow_allowed')).toBe(1);
    expect(tried.authorizations()).toEqual({ 'dry_run_denied shop/admin#rule-0': 1, 'dry_run_allowed none': 1 });
    expect(tried.lines).toHaveLength(1);
    expect(tried.lines[0]).toContain(
      'dry run: DELETE orders.shop/admin from 10.1.2.3:4567 would be denied: the policy shop/admin#rule-0; it was let pass (request id-1)',
    );
  });

  it('are told once in a while for each policy, with how many there were', () => {
    const tried = new GateRig(config);
    for (let i = 0; i < 42; i++) tried.ask({ path: '/admin' });
    expect(tried.lines).toHaveLength(1);
    tried.time.advance(10_001);
    tried.ask({ path: '/admin' });
    expect(tried.lines).toHaveLength(2);
    expect(tried.lines[1]).toContain('so were 41 more since');
  });

  it('write nothing of a caller into the log as it is', () => {
    const tried = new GateRig(config);
    tried.ask({ path: '/admin\u001b[2J\n', authority: 'a\u0007' });
    expect(tried.lines[0]).toContain('a\\u0007/admin\\u001b[2J\\u000a');
    expect(tried.lines[0]!.slice(0, -1)).not.toContain('\n');
  });

  it('stand beside rules that are in force', () => {
    const both = new GateRig({ ...config, rules: rules('allow', policy('orders', pathBegins('/orders'))) });
    expect(both.ask({ path: '/admin' })).toMatchObject({
      denied: 'none',
      metadata: { dry_run_shadow_engine_result: 'denied' },
    });
    expect(both.ask({ path: '/orders' }).denied).toBeNull();
    expect(both.counter('http.in.rbac.denied')).toBe(1);
    expect(both.counter('http.in.rbac.allowed')).toBe(1);
    expect(both.authorizations()).toEqual({
      'dry_run_denied shop/admin#rule-0': 1,
      'dry_run_allowed none': 1,
      'denied none': 1,
      'allowed orders': 1,
    });
  });
});

describe('policies by who calls', () => {
  const shop = rules(
    'allow',
    policy('admins', pathBegins('/'), callerIs('spiffe://m/ns/ops/sa/admin')),
    policy('shop', pathBegins('/orders'), callerIs('spiffe://m/ns/shop/sa/front')),
  );

  it('let each do what it may', () => {
    const gate = new GateRig({ rules: shop });
    const front = connection({ peer: peer('spiffe://m/ns/shop/sa/front') });
    const admin = connection({ peer: peer('spiffe://m/ns/ops/sa/admin') });
    expect(gate.ask({ path: '/orders' }, front).denied).toBeNull();
    expect(gate.ask({ path: '/admin' }, front).denied).toBe('none');
    expect(gate.ask({ path: '/admin' }, admin).denied).toBeNull();
    expect(gate.ask({ path: '/orders' }).denied).toBe('none');
    // The same connection again, after others.
    expect(gate.ask({ path: '/orders' }, front).denied).toBeNull();
  });

  it.each(['spiffe://m/ns/shop/sa/Front', 'spiffe://m/ns/shop/sa/front ', 'spiffe://m/ns/shop/sa/front\0', 'CN=front'])(
    'take %j for somebody else',
    (name) => {
      const gate = new GateRig({ rules: shop });
      expect(gate.ask({ path: '/orders' }, connection({ peer: peer(name) })).denied).toBe('none');
    },
  );

  it('go by URI names; of who has none by DNS names and the subject', () => {
    const caller = { uris: [] as string[], dnsNames: ['b.test', 'spiffe://a'], subject: 'CN=c', sha256: '' };
    const denied = (name: string, uris: string[]): string | null =>
      new GateRig({ rules: rules('allow', policy('p', undefined, callerIs(name))) }).ask(
        {},
        connection({ peer: { ...caller, uris } }),
      ).denied;
    for (const name of ['b.test', 'CN=c']) expect(denied(name, [])).toBeNull();
    expect(denied('spiffe://other/x', ['spiffe://other/x'])).toBeNull();
    // Another trust domain may sign any DNS name and subject.
    for (const name of ['spiffe://a', 'b.test', 'CN=c']) expect(denied(name, ['spiffe://other/x'])).toBe('none');
  });

  it('take nobody without a certificate for authenticated, TLS or not', () => {
    const gate = new GateRig({ rules: rules('allow', policy('p', undefined, { kind: 'authenticated', match: null })) });
    expect(gate.ask({}, connection({ secure: true })).denied).toBe('none');
    expect(gate.ask({}, connection({ peer: peer('spiffe://x') })).denied).toBeNull();
  });
});

it('counts anew what was dropped from the store', () => {
  const gate = new GateRig({ rules: denyAdmin });
  gate.ask({ path: '/' });
  gate.stats.remove(({ family }) => family === 'outrigger_authorization_total');
  gate.ask({ path: '/' });
  expect(gate.authorizations()).toEqual({ 'allowed none': 1 });
});

import { describe, expect, it } from 'vitest';
import type { Configuration } from '../config/configuration.ts';
import type { RouteTableConfig } from '../config/route-config.ts';
import { PolicyCounters } from '../filters/rbac/decision-counters.ts';
import { policy, rbacConfig, rules } from '../filters/rbac/test/policies.ts';
import { TimerWheel } from '../runtime/timer-wheel.ts';
import { StatStore } from '../stats/stat-store.ts';
import { prometheusText } from '../stats/test/prometheus-text.ts';
import { RequestMetrics } from './request-metrics.ts';
import { StaleRequestMetrics } from './stale-request-metrics.ts';
import { anyPath, forward, route, routeTable } from './test/configs.ts';

/** A configuration with one table, which routes by name to a cluster each. */
function configuration(routes: Readonly<Record<string, string>>): Configuration {
  const table: RouteTableConfig = routeTable(
    Object.entries(routes).map(([name, cluster]) => route(name, anyPath, forward(cluster))),
  );
  const configured = { value: table, version: '', origin: 'dynamic', updatedWallMs: 0, raw: new Uint8Array() } as const;
  return {
    listeners: new Map(),
    clusters: new Map(),
    routeTables: new Map([['main', configured]]),
    assignments: new Map(),
  };
}

class Fixture {
  readonly stats = new StatStore();
  nowMs = 0;
  readonly #wheel = new TimerWheel({ nowMs: () => this.nowMs, wallMs: () => this.nowMs }, () => () => {});
  readonly stale = new StaleRequestMetrics({ stats: this.stats, wheel: this.#wheel, localService: 'shop/web' });

  metrics(routeName: string, destination: string): RequestMetrics {
    return new RequestMetrics(this.stats, {
      direction: 'outbound',
      source: 'shop/web',
      destination,
      route: routeName,
    });
  }

  /** Time for `looks` looks. */
  pass(looks: number): void {
    for (let i = 0; i < looks; i++) {
      this.nowMs += 121_000;
      this.#wheel.advance();
    }
  }

  get timers(): number {
    return this.#wheel.armedCount;
  }

  /** `route destination count` of every set. */
  get sets(): string[] {
    return [...this.stats.counters.values()]
      .filter(({ family }) => family === 'outrigger_requests_total')
      .map(({ labels, value }) => `${labels['route']} ${labels['destination']} ${value}`)
      .sort();
  }
}

function count(metrics: RequestMetrics, status = 200): void {
  metrics.set('http1', status, '', '').requests.value++;
}

describe('request metrics of routes that are gone', () => {
  it('are dropped once nothing was counted in them from one look to the next', () => {
    const fixture = new Fixture();
    fixture.stale.apply(configuration({ a: 'orders', b: 'outbound|80||payments.shop' }));
    count(fixture.metrics('a', 'orders'));
    const gone = fixture.metrics('b', 'payments.shop');
    count(gone);
    gone.countRetry('policy');
    fixture.stale.apply(configuration({ a: 'orders' }));
    expect(fixture.sets).toHaveLength(2);
    fixture.pass(1);
    expect(fixture.sets).toEqual(['a orders 1', 'b payments.shop 1']);
    count(gone);
    fixture.pass(1);
    expect(fixture.sets).toEqual(['a orders 1', 'b payments.shop 2']);
    fixture.pass(1);
    expect(fixture.sets).toEqual(['a orders 1']);
    expect(prometheusText(fixture.stats)).not.toContain('payments');
    expect(fixture.timers).toBe(0);
  });

  it('begin anew when a request that took the route before ends later: nothing is counted where nobody looks', () => {
    const fixture = new Fixture();
    fixture.stale.apply(configuration({ a: 'orders', b: 'payments' }));
    const gone = fixture.metrics('b', 'payments');
    const live = fixture.metrics('a', 'orders');
    count(live);
    count(gone);
    fixture.stale.apply(configuration({ a: 'orders' }));
    fixture.pass(2);
    count(gone);
    count(live);
    expect(fixture.sets).toEqual(['a orders 2', 'b payments 1']);
  });

  it('stay when the route comes back in time, with all that was counted', () => {
    const fixture = new Fixture();
    const both = configuration({ a: 'orders', b: 'payments' });
    fixture.stale.apply(both);
    count(fixture.metrics('b', 'payments'));
    fixture.stale.apply(configuration({ a: 'orders' }));
    fixture.pass(1);
    fixture.stale.apply(both);
    fixture.pass(3);
    expect(fixture.sets).toEqual(['b payments 1']);
  });

  it('stay bounded while routes and clusters come and go', () => {
    const fixture = new Fixture();
    fixture.stale.apply(configuration({}));
    for (let i = 0; i < 50; i++) {
      fixture.stale.apply(configuration({ [`r${i}`]: `c${i}` }));
      for (const status of [200, 503]) count(fixture.metrics(`r${i}`, `c${i}`), status);
      fixture.pass(1);
    }
    fixture.pass(3);
    expect(fixture.sets).toEqual(['r49 c49 1', 'r49 c49 1']);
    expect(fixture.stats.histograms.size).toBe(2);
  });

  it('go with the cluster when the route leads elsewhere now', () => {
    const fixture = new Fixture();
    fixture.stale.apply(configuration({ a: 'v1' }));
    count(fixture.metrics('a', 'v1'));
    fixture.stale.apply(configuration({ a: 'v2' }));
    count(fixture.metrics('a', 'v2'));
    fixture.pass(2);
    expect(fixture.sets).toEqual(['a v2 1']);
  });

  it('are not those of requests that no route took, nor of requests that came in, nor other statistics', () => {
    const fixture = new Fixture();
    fixture.stale.apply(configuration({ a: 'orders' }));
    count(fixture.metrics('', 'unknown'), 404);
    count(fixture.metrics('', 'shop/web'), 404);
    fixture.stats.counter('cluster.x.upstream_rq_total').increment();
    fixture.stale.apply(configuration({}));
    fixture.pass(3);
    expect(fixture.sets).toEqual([' shop/web 1', ' unknown 1']);
    expect(fixture.stats.counters.has('cluster.x.upstream_rq_total')).toBe(true);
  });

  it('cost nothing while only endpoints change', () => {
    const fixture = new Fixture();
    const first = configuration({ a: 'orders' });
    fixture.stale.apply(first);
    fixture.stale.apply({ ...first, assignments: new Map() });
    expect(fixture.timers).toBe(0);
  });
});

describe('counts of policies', () => {
  /** A listener-less configuration with one route, which has its own policies. */
  function withPolicies(...names: readonly string[]): Configuration {
    const gate = rbacConfig({ rules: rules('deny', ...names.map((name) => policy(name))) });
    const table = routeTable([route('r', anyPath, forward('c'), { gates: new Map([['rbac', gate]]) })]);
    const configured = {
      value: table,
      version: '',
      origin: 'dynamic',
      updatedWallMs: 0,
      raw: new Uint8Array(),
    } as const;
    return {
      listeners: new Map(),
      clusters: new Map(),
      routeTables: new Map([['main', configured]]),
      assignments: new Map(),
    };
  }

  it('go when their policies have, and not before', () => {
    const fixture = new Fixture();
    const counters = new PolicyCounters(fixture.stats, 'denied');
    for (const name of ['a', 'b', 'none']) counters.count(name, 'inbound');
    const left = (): unknown[] => [...fixture.stats.counters.values()].map(({ labels }) => labels['policy']);
    fixture.stale.apply(withPolicies('a', 'b'));
    fixture.stale.apply(withPolicies('a'));
    expect(left()).toEqual(['a', 'b', 'none']);
    fixture.pass(2);
    expect(left()).toEqual(['a', 'none']);
  });
});

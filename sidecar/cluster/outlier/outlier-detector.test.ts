import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EjectionKind, OutlierDetectionConfig } from '../../config/outlier-config.ts';
import { StatStore } from '../../stats/stat-store.ts';
import type { HostRecord } from './host-record.ts';
import { OutlierDetector } from './outlier-detector.ts';
import { OutlierStats } from './outlier-stats.ts';
import { outlierConfig } from './test/outlier-config.ts';

class Bench {
  nowMs = 0;
  random = 0;
  readonly stats = new StatStore();
  readonly events: string[] = [];
  /** Ejected and all at the moment of each ejection. */
  readonly shares: Array<readonly [ejected: number, hosts: number]> = [];
  readonly detector: OutlierDetector;
  readonly hosts: HostRecord[] = [];

  constructor(more: Partial<OutlierDetectionConfig>, hosts: number) {
    this.detector = new OutlierDetector(outlierConfig(more), {
      clock: { nowMs: () => this.nowMs, wallMs: () => 0 },
      random: () => this.random,
      stats: new OutlierStats(this.stats, 'a'),
      owner: {
        onEjected: (record, kind: EjectionKind, forMs) => {
          this.events.push(`${record.address} ejected ${kind} ${forMs}`);
          this.shares.push([this.detector.ejectedCount, this.detector.hostCount]);
        },
        onReturned: (record) => this.events.push(`${record.address} returned`),
      },
    });
    for (let i = 0; i < hosts; i++) this.hosts.push(this.detector.add(`h${i}`));
  }

  stat(name: string): number {
    const full = `cluster.a.outlier_detection.${name}`;
    return this.stats.counters.get(full)?.value ?? this.stats.gauges.get(full)?.value ?? NaN;
  }

  answer(host: number, status: number, times = 1): void {
    for (let i = 0; i < times; i++) this.detector.onStatus(this.hosts[host]!, status);
  }

  sweepAfter(ms: number): void {
    this.nowMs += ms;
    this.detector.sweep();
  }
}

describe('OutlierDetector, failures in a row', () => {
  it('ejects at the configured number of 5xx, not before, and counts as Envoy does', () => {
    const bench = new Bench({ maxEjectionPercent: 50 }, 4);
    bench.answer(0, 500, 4);
    expect(bench.events).toEqual([]);
    bench.answer(0, 500);
    expect(bench.events).toEqual(['h0 ejected consecutive_5xx 30000']);
    expect(bench.stat('ejections_detected_consecutive_5xx')).toBe(1);
    expect(bench.stat('ejections_enforced_consecutive_5xx')).toBe(1);
    expect(bench.stat('ejections_enforced_total')).toBe(1);
    expect(bench.stat('ejections_consecutive_5xx')).toBe(1);
    expect(bench.stat('ejections_total')).toBe(1);
    expect(bench.stat('ejections_active')).toBe(1);
  });

  it('a good answer in between begins the count anew; a 500 begins that of gateway failures anew', () => {
    const bench = new Bench({ maxEjectionPercent: 50 }, 4);
    bench.answer(0, 503, 4);
    bench.answer(0, 200);
    bench.answer(0, 503, 4);
    expect(bench.hosts[0]).toMatchObject({ consecutive5xx: 4, consecutiveGatewayFailures: 4 });
    bench.answer(1, 502, 4);
    bench.answer(1, 500);
    expect(bench.stat('ejections_detected_consecutive_gateway_failure')).toBe(0);
    expect(bench.events).toEqual(['h1 ejected consecutive_5xx 30000']);
  });

  it('gateway failures are detected and not acted upon by default (enforcing 0), 5xx are', () => {
    const bench = new Bench({ maxEjectionPercent: 50 }, 4);
    bench.answer(0, 503, 5);
    expect(bench.stat('ejections_detected_consecutive_gateway_failure')).toBe(1);
    expect(bench.stat('ejections_enforced_consecutive_gateway_failure')).toBe(0);
    expect(bench.stat('ejections_enforced_consecutive_5xx')).toBe(1);
  });

  it('local failures stand for 503 and 504 unless they are counted apart', () => {
    const together = new Bench({ maxEjectionPercent: 50 }, 4);
    for (let i = 0; i < 5; i++) together.detector.onLocalFailure(together.hosts[0]!, i % 2 === 0 ? 503 : 504);
    expect(together.events).toEqual(['h0 ejected consecutive_5xx 30000']);
    const apart = new Bench({ maxEjectionPercent: 50, splitLocalOrigin: true }, 4);
    for (let i = 0; i < 5; i++) apart.detector.onLocalFailure(apart.hosts[0]!, 503);
    expect(apart.events).toEqual(['h0 ejected consecutive_local_origin_failure 30000']);
    expect(apart.hosts[0]!.consecutive5xx).toBe(0);
    for (let i = 0; i < 4; i++) apart.detector.onLocalFailure(apart.hosts[1]!, 503);
    apart.detector.onConnected(apart.hosts[1]!);
    apart.detector.onLocalFailure(apart.hosts[1]!, 503);
    expect(apart.events).toHaveLength(1);
  });

  it('a host that is gone without a word is ejected at once, by the kind that counts such and is enforced', () => {
    const kinds = [
      { splitLocalOrigin: true, kind: 'consecutive_local_origin_failure' },
      { splitLocalOrigin: true, consecutiveLocalOriginFailure: 0, kind: '' },
      { kind: 'consecutive_5xx' },
      { consecutive5xx: 0, kind: '' },
      {
        enforcingPercent: { ...outlierConfig().enforcingPercent, consecutive_gateway_failure: 100 },
        kind: 'consecutive_gateway_failure',
      },
    ];
    for (const { kind, ...more } of kinds) {
      const bench = new Bench({ maxEjectionPercent: 50, ...more }, 4);
      bench.detector.onGone(bench.hosts[0]!, 'it is gone');
      bench.detector.onGone(bench.hosts[0]!, 'it is gone');
      expect(bench.events).toEqual(kind === '' ? [] : [`h0 ejected ${kind} 30000`]);
      expect(bench.hosts[0]!.reason).toBe(kind === '' ? '' : 'it is gone');
    }
  });

  it('an ejected host is not detected again, and returns with counts of zero', () => {
    const bench = new Bench({ maxEjectionPercent: 50, baseEjectionTimeMs: 10_000 }, 4);
    bench.answer(0, 500, 9);
    expect(bench.stat('ejections_detected_consecutive_5xx')).toBe(1);
    bench.sweepAfter(10_000);
    expect(bench.events.at(-1)).toBe('h0 returned');
    expect(bench.hosts[0]!.consecutive5xx).toBe(0);
    expect(bench.stat('ejections_active')).toBe(0);
  });
});

describe('OutlierDetector, time and room', () => {
  it('each ejection in a row is a base time longer, up to the most; quiet intervals shorten the next', () => {
    const bench = new Bench({ maxEjectionPercent: 50, baseEjectionTimeMs: 10_000, maxEjectionTimeMs: 25_000 }, 2);
    for (const expected of [10_000, 20_000, 25_000, 25_000]) {
      bench.answer(0, 500, 5);
      expect(bench.events.at(-1)).toBe(`h0 ejected consecutive_5xx ${expected}`);
      bench.sweepAfter(expected - 1);
      expect(bench.hosts[0]!.ejected).toBe(true);
      bench.sweepAfter(1);
      expect(bench.hosts[0]!.ejected).toBe(false);
    }
    for (let i = 0; i < 10; i++) bench.sweepAfter(10_000);
    bench.answer(0, 500, 5);
    expect(bench.events.at(-1)).toBe('h0 ejected consecutive_5xx 10000');
  });

  it('jitter is added', () => {
    const bench = new Bench({ maxEjectionPercent: 50, baseEjectionTimeMs: 1_000, maxEjectionTimeJitterMs: 500 }, 2);
    bench.random = 0.5;
    bench.answer(0, 500, 5);
    expect(bench.events).toEqual(['h0 ejected consecutive_5xx 1250']);
  });

  it('without room nothing is ejected, and it is counted as overflow', () => {
    const bench = new Bench({ maxEjectionPercent: 10 }, 5);
    bench.answer(0, 500, 10);
    expect(bench.events).toEqual([]);
    expect(bench.stat('ejections_overflow')).toBe(2);
    expect(bench.stat('ejections_detected_consecutive_5xx')).toBe(2);
  });

  it('the last host stays even at 100 %, unless always_eject_one_host is set', () => {
    const bench = new Bench({ maxEjectionPercent: 100 }, 2);
    bench.answer(0, 500, 5);
    bench.answer(1, 500, 5);
    expect(bench.events).toHaveLength(1);
    const one = new Bench({ maxEjectionPercent: 0, alwaysEjectOneHost: true }, 1);
    one.answer(0, 500, 5);
    expect(one.events).toHaveLength(1);
  });

  it('an ejected host that is removed makes room', () => {
    const bench = new Bench({ maxEjectionPercent: 50 }, 3);
    bench.answer(0, 500, 5);
    bench.answer(1, 500, 5);
    expect(bench.stat('ejections_overflow')).toBe(1);
    bench.detector.remove(bench.hosts[0]!);
    expect(bench.stat('ejections_active')).toBe(0);
    bench.answer(1, 500, 5);
    expect(bench.events.at(-1)).toMatch(/^h1 ejected/);
    bench.detector.close();
    expect(bench.stat('ejections_active')).toBe(0);
  });

  it('a health check that passes ends an ejection, where the configuration lets it', () => {
    for (const healthCheckEndsEjection of [true, false]) {
      const bench = new Bench({ maxEjectionPercent: 50, healthCheckEndsEjection }, 2);
      bench.answer(0, 500, 5);
      bench.detector.onHealthCheckPassed(bench.hosts[0]!);
      expect(bench.hosts[0]!.ejected).toBe(!healthCheckEndsEjection);
    }
  });
});

describe('OutlierDetector, rates', () => {
  it('ejects a host whose success rate lies more than the factor of standard deviations below the mean', () => {
    const bench = new Bench({ maxEjectionPercent: 50, consecutive5xx: 0 }, 6);
    for (let host = 0; host < 6; host++) {
      for (let i = 0; i < 100; i++) bench.answer(host, host === 3 && i % 2 === 0 ? 500 : 200);
    }
    bench.sweepAfter(10_000);
    expect(bench.events).toEqual(['h3 ejected success_rate 30000']);
    expect(bench.hosts[3]!.external.successRate).toBe(50);
    expect(bench.hosts[3]!.reason).toContain('50 % of its requests succeeded, below ');
    expect(bench.stat('ejections_success_rate')).toBe(1);
  });

  it('judges nothing with too few hosts, or too few requests', () => {
    const few = new Bench({ maxEjectionPercent: 50, consecutive5xx: 0 }, 4);
    for (let host = 0; host < 4; host++) few.answer(host, host === 0 ? 500 : 200, 200);
    few.sweepAfter(10_000);
    const quiet = new Bench({ maxEjectionPercent: 50, consecutive5xx: 0 }, 6);
    for (let host = 0; host < 6; host++) quiet.answer(host, host === 0 ? 500 : 200, 49);
    quiet.sweepAfter(10_000);
    expect([...few.events, ...quiet.events]).toEqual([]);
    expect(quiet.hosts[0]!.external.successRate).toBe(-1);
  });

  it('ejects by failure percentage where that is enforced, and judges one interval at a time', () => {
    const enforcingPercent = { ...outlierConfig().enforcingPercent, failure_percentage: 100, success_rate: 0 };
    const bench = new Bench({ maxEjectionPercent: 50, consecutive5xx: 0, enforcingPercent }, 5);
    for (let host = 0; host < 5; host++) bench.answer(host, host === 2 ? 500 : 200, 50);
    bench.sweepAfter(10_000);
    expect(bench.events).toEqual(['h2 ejected failure_percentage 30000']);
    bench.sweepAfter(10_000);
    expect(bench.hosts[0]!.external.successRate).toBe(-1);
  });

  it('judges local origin by itself when it is counted apart', () => {
    const bench = new Bench({ maxEjectionPercent: 50, splitLocalOrigin: true, consecutiveLocalOriginFailure: 0 }, 6);
    for (let host = 0; host < 6; host++) {
      for (let i = 0; i < 100; i++) {
        if (host === 1) bench.detector.onLocalFailure(bench.hosts[1]!, 503);
        else bench.detector.onConnected(bench.hosts[host]!);
      }
    }
    bench.sweepAfter(10_000);
    expect(bench.events).toEqual(['h1 ejected local_origin_success_rate 30000']);
    expect(bench.stat('ejections_detected_local_origin_failure_percentage')).toBe(1);
    expect(bench.stat('ejections_enforced_total')).toBe(1);
  });
});

describe('OutlierDetector under any outcomes', () => {
  const outcome = fc.oneof(
    {
      weight: 10,
      arbitrary: fc.record({
        kind: fc.constant('status' as const),
        host: fc.nat(11),
        status: fc.constantFrom(200, 404, 500, 503),
        times: fc.integer({ min: 1, max: 60 }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('local' as const),
        host: fc.nat(11),
        times: fc.integer({ min: 1, max: 8 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('sweep' as const), ms: fc.integer({ min: 1, max: 60_000 }) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('checked' as const), host: fc.nat(11) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), host: fc.nat(11) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('add' as const) }) },
  );

  it('no ejection goes beyond max_ejection_percent but for the one host that always_eject_one_host allows; never the last host; counts agree', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 100 }),
        fc.boolean(),
        fc.boolean(),
        fc.integer({ min: 1, max: 12 }),
        fc.array(outcome, { maxLength: 120 }),
        (maxEjectionPercent, alwaysEjectOneHost, splitLocalOrigin, hosts, outcomes) => {
          const bench = new Bench(
            {
              maxEjectionPercent,
              alwaysEjectOneHost,
              splitLocalOrigin,
              successRateMinimumHosts: 2,
              failurePercentageMinimumHosts: 2,
              enforcingPercent: { ...outlierConfig().enforcingPercent, failure_percentage: 100 },
            },
            hosts,
          );
          let added = hosts;
          for (const each of outcomes) {
            if (each.kind === 'sweep') bench.sweepAfter(each.ms);
            else if (each.kind === 'add') bench.hosts.push(bench.detector.add(`h${added++}`));
            else {
              const record = bench.hosts[each.host % Math.max(1, bench.hosts.length)];
              if (record === undefined) continue;
              if (each.kind === 'remove') {
                bench.detector.remove(record);
                bench.hosts.splice(bench.hosts.indexOf(record), 1);
              } else if (each.kind === 'checked') bench.detector.onHealthCheckPassed(record);
              else if (each.kind === 'local')
                for (let i = 0; i < each.times; i++) bench.detector.onLocalFailure(record, 503);
              else for (let i = 0; i < each.times; i++) bench.detector.onStatus(record, each.status);
            }
            const ejected = bench.hosts.filter((record) => record.ejected).length;
            expect(bench.detector.ejectedCount).toBe(ejected);
            expect(bench.stat('ejections_active')).toBe(ejected);
          }
          for (const [ejected, all] of bench.shares) {
            if (alwaysEjectOneHost && ejected === 1) continue;
            expect((100 * ejected) / all).toBeLessThanOrEqual(maxEjectionPercent);
            if (!alwaysEjectOneHost) expect(ejected).toBeLessThan(all);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

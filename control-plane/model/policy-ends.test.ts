import { expect, test } from 'vitest';
import { ModelBuilder } from './model-builder.ts';
import { PolicyEnds } from './policy-ends.ts';
import { trafficResources } from './traffic-index.test-data.ts';

const policy = (name: string, spec: string, created = ''): string =>
  `{apiVersion: outrigger.dev/v1, kind: FaultPolicy, metadata: {name: ${name}, namespace: shop${created === '' ? '' : `, creationTimestamp: "${created}"`}}, spec: {${spec}, faults: [{abort: {httpStatus: 503}}]}}`;

class Time {
  nowMs = Date.parse('2026-01-01T00:00:00Z');
  waiting: { atMs: number; callback: () => void } | null = null;
  changes = 0;
  readonly ends = new PolicyEnds({
    wallMs: () => this.nowMs,
    after: (delayMs, callback) => {
      const mine = { atMs: this.nowMs + delayMs, callback };
      this.waiting = mine;
      return () => {
        if (this.waiting === mine) this.waiting = null;
      };
    },
    onChange: () => this.changes++,
  });

  /** To when the timer is set, and runs it. */
  next(): void {
    const { atMs, callback } = this.waiting!;
    this.nowMs = atMs;
    this.waiting = null;
    callback();
  }
}

test('a policy is over when its time is, and whoever builds the model is told once for each', () => {
  const time = new Time();
  const resources = trafficResources(
    policy('until', 'until: "2026-01-01T00:01:00Z"'),
    policy('for', 'for: 30s'),
    policy('created', 'for: 1h', '2025-12-31T23:59:00Z'),
    policy('gone', 'until: "2025-01-01T00:00:00Z"'),
    policy('endless', 'maxActive: 1'),
  );
  time.ends.use(resources);
  const over = (): string[] => [...time.ends.endings].filter(([, end]) => end.over).map(([name]) => name);
  expect([...time.ends.endings.keys()]).toEqual(['shop/until', 'shop/for', 'shop/created', 'shop/gone']);
  expect(over()).toEqual(['shop/gone']);
  time.next();
  expect(time.nowMs).toBe(Date.parse('2026-01-01T00:00:30Z'));
  expect(over()).toEqual(['shop/for', 'shop/gone']);
  time.next();
  time.next();
  expect(time.nowMs).toBe(Date.parse('2026-01-01T00:59:00Z'));
  expect(over()).toEqual(['shop/until', 'shop/for', 'shop/created', 'shop/gone']);
  expect([time.waiting, time.changes]).toEqual([null, 3]);
});

test('the time of a policy without a time of creation begins when it is first seen, and anew when what it says changes', () => {
  const time = new Time();
  const endOf = (...documents: string[]): number => {
    time.ends.use(trafficResources(...documents));
    return time.ends.endings.get('shop/p')!.atMs - time.nowMs;
  };
  expect(endOf(policy('p', 'for: 1m'))).toBe(60_000);
  time.nowMs += 10_000;
  const before = time.ends.endings;
  expect(endOf(policy('p', 'for: 1m'))).toBe(50_000);
  expect(time.ends.endings).toBe(before);
  expect(endOf(policy('p', 'for: 1m, maxActive: 2'))).toBe(60_000);
});

test('a far end is waited for in steps, as no timer can wait so long', () => {
  const time = new Time();
  time.ends.use(trafficResources(policy('p', 'until: "2027-01-01T00:00:00Z"')));
  time.next();
  expect(time.changes).toBe(0);
  expect(time.waiting).not.toBeNull();
  time.ends.close();
  expect(time.waiting).toBeNull();
});

test('a policy that is over is another part of the model, and stands in the rows of policies', () => {
  const builder = new ModelBuilder();
  const resources = trafficResources(policy('p', 'until: "2026-01-01T00:00:00Z"'));
  const build = (over: boolean) =>
    builder.build({
      resources,
      instances: [],
      endings: new Map([['shop/p', { atMs: Date.parse('2026-01-01T00:00:00Z'), over }]]),
    });
  const before = build(false);
  expect(build(false)).toBe(before);
  const after = build(true);
  expect(after.policies.faults[0]).toMatchObject({ over: true });
  expect(after.services).toBe(before.services);
});

import { expect, test } from 'vitest';
import { CounterRates } from './counter-rates.ts';
import type { StatRow } from './stat-rows.ts';

const counter = (value: number): StatRow => ({ name: 'rq', kind: 'counter', value });
const gauge = (value: number): StatRow => ({ name: 'cx', kind: 'gauge', value });

test('a counter has its growth per second of the time that passed, a gauge and a histogram none', () => {
  const rates = new CounterRates();
  rates.look([counter(10), gauge(3)], 1_000, false);
  expect(rates.look([counter(15), gauge(2), { name: 'h', kind: 'histogram', quantiles: {} }], 3_500, false)).toEqual([
    { ...counter(15), per_second: 2 },
    { ...gauge(2), per_second: null },
  ]);
});

test('at the first look and when it was set back there is no rate; what is new began at 0', () => {
  const rates = new CounterRates();
  expect(rates.look([counter(10)], 0, false)).toEqual([{ ...counter(10), per_second: null }]);
  expect(rates.look([counter(4)], 1_000, false)).toEqual([{ ...counter(4), per_second: null }]);
  expect(rates.look([counter(6), { ...counter(3), name: 'new' }], 2_000, false)).toEqual([
    { ...counter(6), per_second: 2 },
    { ...counter(3), name: 'new', per_second: 3 },
  ]);
});

test('of those that moved, the others are left out', () => {
  const rates = new CounterRates();
  rates.look([counter(1), gauge(1)], 0, true);
  expect(rates.look([counter(1), gauge(2)], 1_000, true)).toEqual([{ ...gauge(2), per_second: null }]);
});

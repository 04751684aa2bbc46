import { expect, it } from 'vitest';
import { applyingPolicies } from './applying-policies.ts';
import type { PolicyRow, RouteRow } from './mesh-data.ts';

const policy = (...holdsFor: string[]): PolicyRow => ({
  ...{ namespace: 'shop', kind: 'X', name: holdsFor.join(), holdsFor, action: '', says: [] },
  ...{ workloads: 1, refusedBy: [], warnings: [] },
});
const route: RouteRow = {
  ...{ namespace: 'shop', kind: 'HTTPRoute', name: 'pay', service: 'shop/payments:80', rule: 'shop/pay#rule-0' },
  ...{ callers: '', matches: [], backends: [] },
};

it.each([
  ['the mesh', true],
  ['namespace shop', true],
  ['namespace other', false],
  ['shop/payments', true],
  ['shop/payments-v1', false],
  ['version=v1 in shop', true],
  ['version=v1 in other', false],
  ['version=v1', true],
  ['Service shop/payments', true],
  ['Service shop/payments:80', true],
  ['Service shop/payments-v1:80', false],
  ['HTTPRoute shop/pay', true],
  ['HTTPRoute shop/pay#rule-0', true],
  ['HTTPRoute shop/pay (not in force)', true],
  ['HTTPRoute shop/other', false],
])('a policy of %s', (text, holds) => {
  expect(applyingPolicies([policy(text)], 'shop/payments', [route])).toHaveLength(holds ? 1 : 0);
});

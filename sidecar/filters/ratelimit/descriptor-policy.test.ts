import { expect, test } from 'vitest';
import { policiesOfDescriptors, policyOfDescriptor } from './descriptor-policy.ts';

test.each([
  [['rule', 'shop/payments#local-0'], 'RateLimitPolicy shop/payments'],
  [['rule', 'shop/a.b#global-12'], 'RateLimitPolicy shop/a.b'],
  [['rule', 'gold'], ''],
  [['rule', 'shop/payments#local-0 and more'], ''],
  [['plan', 'shop/payments#local-0'], ''],
] as const)('a description that begins with %j is of %j', (entry, policy) => {
  expect(policyOfDescriptor([entry, ['caller', 'spiffe://a']])).toBe(policy);
});

test('several name each policy once', () => {
  const of = (value: string) => [['rule', value]] as const;
  expect(policiesOfDescriptors([of('a/b#global-0'), of('a/b#global-1'), of('x'), undefined, of('a/c#global-0')])).toBe(
    'RateLimitPolicy a/b, RateLimitPolicy a/c',
  );
});

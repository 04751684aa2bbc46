import { expect, test } from 'vitest';
import { foreignDomainOf, SourceLabels } from './source-labels.ts';

test('callers have a label of their own, until there are too many of them', () => {
  const labels = new SourceLabels();
  for (let i = 0; i < 200; i++) expect(labels.of(`shop/${i}`)).toBe(`shop/${i}`);
  expect(labels.of('shop/201')).toBe('overflow');
  expect(labels.of('shop/7')).toBe('shop/7');
  expect(labels.of('')).toBe('');
});

test('callers of another trust domain carry its name, and take no label of ours or of a third one', () => {
  const labels = new SourceLabels();
  for (let i = 0; i < 50; i++) expect(labels.of(`shop/${i}`, 'other')).toBe(`other:shop/${i}`);
  expect(labels.of('shop/50', 'other')).toBe('overflow');
  expect(labels.of('shop/7', 'other')).toBe('other:shop/7');
  expect(labels.of('shop/50', 'third')).toBe('third:shop/50');
  for (let i = 0; i < 200; i++) expect(labels.of(`shop/${i}`)).toBe(`shop/${i}`);
  for (let i = 0; i < 20; i++) labels.of('shop/1', `domain-${i}`);
  expect(labels.of('shop/1', 'domain-19')).toBe('overflow');
});

test('a trust domain is foreign when it is not that of our own certificate', () => {
  const own = 'spiffe://td/ns/shop/sa/orders';
  expect(foreignDomainOf('spiffe://other/ns/shop/sa/orders', own)).toBe('other');
  expect(foreignDomainOf('spiffe://td/ns/x/sa/y', own)).toBe('');
  expect(foreignDomainOf('spiffe://other/ns/shop/sa/orders', '')).toBe('');
});

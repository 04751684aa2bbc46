import { expect, test } from 'vitest';
import { SourceLabels } from './source-labels.ts';

test('callers have a label of their own, until there are too many of them', () => {
  const labels = new SourceLabels();
  for (let i = 0; i < 200; i++) expect(labels.of(`shop/${i}`)).toBe(`shop/${i}`);
  expect(labels.of('shop/201')).toBe('other');
  expect(labels.of('shop/7')).toBe('shop/7');
  expect(labels.of('')).toBe('');
});

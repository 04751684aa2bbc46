import { expect, test } from 'vitest';
import { faultLines } from './live-table.ts';

test('what is wrong with the configuration stands below the table, whole, as long as the control plane says it', () => {
  const text = `${process.cwd()}/demo/config/payments.yaml:33:42: spec.rules[0].wait: is not a field here; did you mean weight?`;
  const meanwhile = 'the last good content, of 2026-01-01, stays in force';
  expect(faultLines(JSON.stringify([{ text, meanwhile }]), 60)).toEqual([
    '',
    '  refused:',
    '    demo/config/payments.yaml:33:42: spec.rules[0].wait: is',
    '      not a field here; did you mean weight?; the last good',
    '      content, of 2026-01-01, stays in force',
  ]);
  expect(faultLines('[]', 60)).toEqual([]);
  expect(faultLines('', 60)).toEqual([]);
  const many = faultLines(JSON.stringify(Array.from({ length: 9 }, () => ({ text: 'x', meanwhile: '' }))), 60);
  expect(many.slice(-2)).toEqual(['    x', '    … and 4 more: outrigger validate']);
});

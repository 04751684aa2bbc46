import { expect, test } from 'vitest';
import { faultLines } from './live-table.ts';

test('what is wrong with the configuration stands below the table, whole, as long as the control plane says it', () => {
  const text = `${process.cwd()}/demo/config/payments.yaml:33:42: spec.rules[0].wait: is not a field here; did you mean weight?`;
  expect(faultLines(JSON.stringify([{ text }]), 60)).toEqual([
    '',
    '  refused, the last good content of the file stays in force:',
    '    demo/config/payments.yaml:33:42: spec.rules[0].wait: is',
    '      not a field here; did you mean weight?',
  ]);
  expect(faultLines('[]', 60)).toEqual([]);
  expect(faultLines('', 60)).toEqual([]);
  const many = faultLines(JSON.stringify(Array.from({ length: 9 }, () => ({ text: 'x' }))), 60);
  expect(many.slice(-2)).toEqual(['    x', '    … and 4 more: outrigger validate']);
});

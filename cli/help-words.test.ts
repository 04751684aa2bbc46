import { expect, test } from 'vitest';
import { helpWords } from './help-words.ts';

test.each([
  ['help', '--help'],
  ['help check', 'check --help'],
  ['help identity token create', 'identity token create --help'],
  ['help sidecar', 'help sidecar'],
  ['help --help', 'help --help'],
  ['check help', 'check help'],
])('outrigger %s is outrigger %s', (words, same) => {
  expect(helpWords(words.split(' ')).join(' ')).toBe(same);
});

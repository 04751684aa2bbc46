import { RE2JS } from 're2js';
import { describe, expect, test } from 'vitest';
import { regexSize, regexSizeFault } from './regex-size.ts';

describe('the size of a regular expression', () => {
  test.each([
    'a',
    '^/orders/[0-9]+$',
    '(?i)abc|d.*e',
    '[0-9a-f]{8}-[0-9a-f]{4}',
    '(?:a{10}b{3,}){20}',
    '((a{10}){10}){10}',
    '\\Qa.b{3}\\E{7}',
    '\\pL{50}[[:alpha:]\\]]{50}',
    '[]a]{30}[^]a]{30}',
    '\\x{41}{9}\\{3}(?P<n>x{4})',
  ])('%s: no less than what RE2 makes of it, and not ten times as much', (pattern) => {
    const made = RE2JS.compile(pattern).programSize();
    expect(regexSize(pattern)).toBeGreaterThanOrEqual(made - 6);
    expect(regexSize(pattern)).toBeLessThan(made * 10);
  });

  test('what would be written out to a million instructions is refused before it is compiled, as is what is long', () => {
    expect(regexSizeFault('[a-z]{1000}'.repeat(20))).toMatch(/^comes to \d+ instructions, above 10000/);
    expect(regexSizeFault(`(${'a'.repeat(1_000)}){1000}`)).toMatch(/^comes to \d+ instructions/);
    expect(regexSizeFault('('.repeat(2_000) + 'a' + '){10}'.repeat(2_000))).toMatch(/^comes to/);
    expect(regexSizeFault('a'.repeat(20_000))).toBe('is longer than 16384 characters');
    expect(regexSizeFault('^/orders/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$')).toBeNull();
  });
});

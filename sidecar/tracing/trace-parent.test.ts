import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatTraceParent,
  joinTraceState,
  newTraceParent,
  parentIdIn,
  parseTraceParent,
  traceIdIn,
} from './trace-parent.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentId = '00f067aa0ba902b7';

const hex = (digits: number): fc.Arbitrary<string> =>
  fc
    .array(fc.constantFrom(...'0123456789abcdef'), { minLength: digits, maxLength: digits })
    .map((each) => each.join(''));
const id = (digits: number): fc.Arbitrary<string> => hex(digits).filter((text) => !/^0+$/.test(text));

describe('traceparent (W3C Trace Context 3.2)', () => {
  test('what is written is read again', () => {
    fc.assert(
      fc.property(id(32), id(16), fc.boolean(), fc.boolean(), (trace, parent, sampled, random) => {
        const context = { traceId: trace, parentId: parent, sampled, random };
        expect(parseTraceParent(formatTraceParent(context))).toEqual(context);
      }),
    );
  });

  test('a new one is valid, its own, and recorded by nobody', () => {
    const texts = Array.from({ length: 100 }, newTraceParent);
    for (const text of texts)
      expect(parseTraceParent(text)).toEqual({
        traceId: traceIdIn(text),
        parentId: parentIdIn(text),
        sampled: false,
        random: false,
      });
    expect(new Set(texts.map(traceIdIn)).size).toBe(100);
    expect(new Set(texts.map(parentIdIn)).size).toBe(100);
  });

  test('flags without a meaning are not handed on; sampled and random are', () => {
    const parsed = parseTraceParent(`00-${traceId}-${parentId}-ff`)!;
    expect(formatTraceParent(parsed)).toBe(`00-${traceId}-${parentId}-03`);
  });

  test('of a later version what we know is read, and version 00 is written', () => {
    for (const text of [`cc-${traceId}-${parentId}-01`, `cc-${traceId}-${parentId}-01-what-will-be`])
      expect(formatTraceParent(parseTraceParent(text)!)).toBe(`00-${traceId}-${parentId}-01`);
  });

  test.each([
    ['', 'nothing'],
    [`ff-${traceId}-${parentId}-01`, 'version ff'],
    [`0g-${traceId}-${parentId}-01`, 'a version that is no number'],
    [`00-${traceId}-${parentId}-01-more`, 'more behind version 00'],
    [`00-${traceId}-${parentId}-01 `, 'a blank behind it'],
    [`cc-${traceId}-${parentId}-01.more`, 'more behind a later version without a dash'],
    [`00-${'0'.repeat(32)}-${parentId}-01`, 'a trace id of zeros'],
    [`00-${traceId}-${'0'.repeat(16)}-01`, 'a parent id of zeros'],
    [`00-${traceId.toUpperCase()}-${parentId}-01`, 'upper case'],
    [`00-${traceId}-${parentId.toUpperCase().replace('0', 'A')}-01`, 'upper case in the parent id'],
    [`00-${traceId}-${parentId}-0x`, 'flags that are no number'],
    [`00-${traceId}-${parentId}-1`, 'flags of one digit'],
    [`00-${traceId.slice(1)}-${parentId}0-01`, 'ids of wrong lengths'],
    [`00_${traceId}_${parentId}_01`, 'other separators'],
  ])('%s is refused: %s', (text) => {
    expect(parseTraceParent(text)).toBeNull();
  });

  test('one that is changed in any place is read as something valid, or not at all', () => {
    fc.assert(
      fc.property(id(32), id(16), fc.nat(54), fc.string({ minLength: 1, maxLength: 1 }), (trace, parent, at, char) => {
        const text = formatTraceParent({ traceId: trace, parentId: parent, sampled: true, random: false });
        const parsed = parseTraceParent(text.slice(0, at) + char + text.slice(at + 1));
        if (parsed === null) return;
        expect(parsed.traceId).toMatch(/^(?!0{32})[0-9a-f]{32}$/);
        expect(parsed.parentId).toMatch(/^(?!0{16})[0-9a-f]{16}$/);
      }),
    );
  });
});

describe('tracestate (3.3)', () => {
  test('several fields are one list in their order; blanks and empty members go', () => {
    expect(joinTraceState(['a=1 , b=2', '', ',tenant@system=x/y z', '*'])).toBe('');
    expect(joinTraceState(['a=1 , b=2', ' ,tenant@system=x/y z'])).toBe('a=1,b=2,tenant@system=x/y z');
    // Level 2 (3.3.1.3.1): a digit in front, `@` anywhere behind it.
    expect(joinTraceState(['1abc=x,a@=y,ot=th:8'])).toBe('1abc=x,a@=y,ot=th:8');
  });

  test.each([
    'A=1',
    'a=1,a=2',
    'a',
    'a=',
    'a=b=c',
    'a=ü',
    'a b=1',
    '@a=1',
    `${'k'.repeat(257)}=1`,
    `a=${'v'.repeat(257)}`,
    Array.from({ length: 33 }, (_, i) => `k${i}=1`).join(','),
    'x'.repeat(100_000),
  ])('%s is not valid, and goes as a whole', (text) => {
    expect(joinTraceState([text])).toBe('');
  });

  test('of more than 512 characters long members go first, then the last ones (3.3.1.5)', () => {
    const long = `long=${'v'.repeat(200)}`;
    const short = Array.from({ length: 30 }, (_, i) => `k${i}=${'v'.repeat(15)}`);
    const joined = joinTraceState([long, short.join(',')]);
    expect(joined.length).toBeLessThanOrEqual(512);
    expect(joined.startsWith('k0=')).toBe(true);
    expect(joinTraceState(['a=1', long])).toBe(`a=1,${long}`);
  });

  test('what is handed on is valid, and no longer than 512 characters', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 80 }), { maxLength: 12 }), (values) => {
        const joined = joinTraceState(values);
        expect(joined.length).toBeLessThanOrEqual(512);
        expect(joinTraceState([joined])).toBe(joined);
      }),
    );
  });
});

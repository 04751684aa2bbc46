/** The expressions for header conditions, run by RE2, against a plain reading of what they mean: each element of each line is judged by itself. */
import * as fc from 'fast-check';
import { RE2JS } from 're2js';
import { describe, expect, test } from 'vitest';
import type { HeaderMatcher } from '../../proto/generated/envoy/config/route/v3/route_components_pb.js';
import type { TextPattern } from '../config-kind/policy-resource.ts';
import { textPattern } from '../config-kind/text-pattern.ts';
import { everyElement, someElement } from './header-check.ts';
import type { SharedCheck } from './rbac-check.ts';

/** How proxies read a header of several lines. */
const readings: Readonly<Record<string, (lines: readonly string[]) => readonly string[]>> = {
  'each line, one that matches is enough (Envoy 1.40)': (lines) => lines,
  'lines joined by commas (older Envoys)': (lines) => (lines.length === 0 ? [] : [lines.join(',')]),
};

function matches(check: SharedCheck, lines: readonly string[]): boolean {
  if ('every' in check) return check.every.every((each) => matches(each, lines));
  if ('some' in check) return check.some.some((each) => matches(each, lines));
  if ('not' in check) return !matches(check.not, lines);
  const { headerMatchSpecifier } = check.value as HeaderMatcher;
  if (headerMatchSpecifier.case === 'presentMatch') return lines.length > 0;
  const pattern =
    headerMatchSpecifier.case === 'stringMatch' ? headerMatchSpecifier.value.matchPattern : { case: undefined };
  if (pattern.case !== 'safeRegex') throw new Error('an expression was expected');
  // RE2JS has no \\C; every character of these lines is one byte to it.
  const regex = RE2JS.compile(pattern.value.regex.replaceAll('\\C', '(?s:.)'));
  return lines.some((line) => regex.matcher(line).matches());
}

const fits = (text: string, { type, value }: TextPattern): boolean =>
  type === 'any' ||
  (type === 'exact' ? text === value : type === 'prefix' ? text.startsWith(value) : text.endsWith(value));

const elements = (lines: readonly string[]): string[] =>
  lines.flatMap((line) => line.split(',').map((element) => element.replace(/^[ \t]+|[ \t]+$/g, '')));

const letters = fc.string({ unit: fc.constantFrom('a', 'b', '-', '.', ' ', 'é'), maxLength: 3 });
const line = fc
  .array(
    fc.tuple(fc.constantFrom('', ' ', '\t '), letters, fc.constantFrom('', ' ')).map((parts) => parts.join('')),
    { minLength: 1, maxLength: 3 },
  )
  .map((parts) => parts.join(',').trim());
const header = fc.array(line, { maxLength: 3 });
const pattern = fc
  .tuple(
    fc
      .string({ unit: fc.constantFrom('a', 'b', '-', '.', ' '), minLength: 1, maxLength: 3 })
      .filter((text) => text === text.trim()),
    fc.constantFrom('', '*', '^'),
  )
  .map(([text, star]) => textPattern(star === '^' ? `*${text}` : `${text}${star}`));
const patterns = fc.array(pattern, { minLength: 1, maxLength: 3 });

describe.each(Object.entries(readings))('read as %s', (_, read) => {
  test('some element: an element of some line fits', () => {
    fc.assert(
      fc.property(header, patterns, (lines, list) => {
        const expected = elements(lines).some((element) => list.some((each) => fits(element, each)));
        expect(matches(someElement('x', list, 'envoy'), read(lines))).toBe(expected);
      }),
      { numRuns: 1_000 },
    );
  });

  test('every element: never more than when all elements that are not empty fit, and just then for exact values and prefixes', () => {
    fc.assert(
      fc.property(header, patterns, (lines, list) => {
        const all = elements(lines).filter((element) => element !== '');
        const expected = all.length > 0 && all.every((element) => list.some((each) => fits(element, each)));
        const found = matches(everyElement('x', list, 'envoy'), read(lines));
        if (list.every(({ type }) => type !== 'suffix') || list.every(({ type }) => type === 'suffix'))
          expect(found).toBe(expected);
        else if (found) expect(expected).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});

test('a star wants the header, whatever is in it; no pattern is never fulfilled', () => {
  expect(matches(everyElement('x', [textPattern('*')], 'envoy'), ['a', 'b'])).toBe(true);
  expect(matches(everyElement('x', [textPattern('*')], 'envoy'), [])).toBe(false);
  expect(matches(someElement('x', [], 'envoy'), ['a'])).toBe(false);
});

/** Our sidecar: where a match lets pass every line must match, where it denies one is enough, and the other way round under `not`. */
function sidecarMatches(check: SharedCheck, lines: readonly string[], needsEvery: boolean): boolean {
  if ('every' in check) return check.every.every((each) => sidecarMatches(each, lines, needsEvery));
  if ('some' in check) return check.some.some((each) => sidecarMatches(each, lines, needsEvery));
  if ('not' in check) return !sidecarMatches(check.not, lines, !needsEvery);
  return lines.length > 0 && (needsEvery ? lines.every((line) => matches(check, [line])) : matches(check, lines));
}

test('read as our sidecar does, which judges lines itself, ALLOW never lets more pass, and DENY denies no less', () => {
  fc.assert(
    fc.property(header, patterns, (lines, list) => {
      const all = elements(lines).filter((element) => element !== '');
      const fit = (element: string): boolean => list.some((each) => fits(element, each));
      const [some, every] = [someElement('x', list, 'outrigger'), everyElement('x', list, 'outrigger')];
      // ALLOW values, ALLOW notValues, DENY values, DENY notValues.
      if (sidecarMatches(every, lines, true)) expect(all.length > 0 && all.every(fit)).toBe(true);
      expect(!sidecarMatches(some, lines, false)).toBe(!elements(lines).some(fit));
      expect(sidecarMatches(some, lines, false)).toBe(elements(lines).some(fit));
      if (!(all.length > 0 && all.every(fit))) expect(!sidecarMatches(every, lines, true)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

test('read as our sidecar does, one line with elements that all fit is enough, whatever the mixture of patterns', () => {
  fc.assert(
    fc.property(line, patterns, (only, list) => {
      const all = elements([only]).filter((element) => element !== '');
      const expected = all.length > 0 && all.every((element) => list.some((each) => fits(element, each)));
      expect(sidecarMatches(everyElement('x', list, 'outrigger'), [only], true)).toBe(expected);
    }),
    { numRuns: 2_000 },
  );
});

test('an expression grows with what is written in it, and not more', () => {
  const patternsOf = (count: number): TextPattern[] =>
    Array.from({ length: count }, (_, i) => textPattern(`${String(i).padStart(8, 'abc-')}${'x'.repeat(28)}`));
  const length = (check: SharedCheck): number => JSON.stringify(check).length;
  for (const kind of ['outrigger', 'envoy'] as const)
    for (const check of [someElement, everyElement]) {
      const written = 36 * 50;
      expect(length(check('x', patternsOf(50), kind))).toBeLessThan(written * 20);
      expect(length(check('x', patternsOf(100), kind))).toBeLessThan(2.1 * length(check('x', patternsOf(50), kind)));
    }
});

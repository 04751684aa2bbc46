/** The values that rules of policies compare with: text as it is, `prefix*`, `*suffix`, or `*` for any. There is no star within. */
import { z } from 'zod';
import type { TextPattern } from './policy-resource.ts';

const maxLength = 1_024;
/** Of one list. */
const maxValues = 1_000;

function patternFault(text: string): string | null {
  if (text === '') return 'is empty; a value to compare with is expected';
  if (text.length > maxLength) return `is longer than ${maxLength} characters`;
  // oxlint-disable-next-line no-control-regex -- control characters are what it keeps out
  if (/[\u0000-\u001f\u007f]/.test(text)) return 'holds control characters';
  const inner = text.length > 1 ? text.replace(/^\*|\*$/, '') : text.replace('*', '');
  return inner.includes('*') ? 'has more than one star, or one within: write text, prefix*, *suffix or *' : null;
}

/** Of one list that proxies compare by one regular expression, or by one for each `*suffix`: who compiles them must have little work. */
const maxRegexText = 2_048;

/** `fault` for a list whose patterns, all or those that `count`, become parts of regular expressions. */
export function tooMuchText(texts: readonly string[], counts: (pattern: TextPattern) => boolean): string | null {
  let sum = 0;
  for (const text of texts) if (counts(textPattern(text))) sum += text.length;
  return sum > maxRegexText
    ? `has ${sum} characters in all its values, above ${maxRegexText}; write several rules, or shorter values`
    : null;
}

/** A list of patterns; `fault` looks at what stands beside the star (`''` for `*`). */
export function patterns(
  fault: (pattern: TextPattern) => string | null = () => null,
  regexFor: (pattern: TextPattern) => boolean = () => false,
) {
  return z
    .array(
      z.string().check((context) => {
        const message = patternFault(context.value) ?? fault(textPattern(context.value));
        if (message !== null)
          context.issues.push({ code: 'custom', continue: true, input: context.value, path: [], message });
      }),
    )
    .min(1, { error: 'is empty; leave it out when it is not to matter' })
    .max(maxValues, { error: `has more than ${maxValues} entries` })
    .check(({ value, issues }) => {
      const message = tooMuchText(value, regexFor);
      if (message !== null) issues.push({ code: 'custom', continue: true, input: value, path: [], message });
    });
}

export function textPattern(text: string): TextPattern {
  if (text === '*') return { type: 'any', value: '' };
  if (text.endsWith('*')) return { type: 'prefix', value: text.slice(0, -1) };
  return text.startsWith('*') ? { type: 'suffix', value: text.slice(1) } : { type: 'exact', value: text };
}

export function textPatterns(texts: readonly string[] | undefined): TextPattern[] {
  return (texts ?? []).map(textPattern);
}

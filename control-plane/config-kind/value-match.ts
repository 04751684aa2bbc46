/** Matches on headers and query parameters, shared by both route kinds, and regular expressions, which are RE2 everywhere in Outrigger. */
import { RE2JS } from 're2js';
import { z } from 'zod';
import { regexSizeFault } from '../../proto/regex-size.ts';
import { headerName } from './header-filter.ts';
import type { ValueMatch } from './resource.ts';

/** Why a pattern is not RE2, or too large, or null. */
export function regexFault(pattern: string): string | null {
  const tooLarge = regexSizeFault(pattern);
  if (tooLarge !== null) return tooLarge;
  try {
    RE2JS.compile(pattern);
    return null;
  } catch (error) {
    return `is not a regular expression (RE2 syntax): ${(error as Error).message.replace(/^error parsing regexp: /, '')}`;
  }
}

/** Adds a fault when `pattern`, at `path` of the checked value, is not RE2. */
export function checkRegex(context: { readonly issues: z.core.$ZodRawIssue[] }, pattern: string, path: string[]): void {
  const fault = regexFault(pattern);
  if (fault !== null) context.issues.push({ code: 'custom', continue: true, input: pattern, path, message: fault });
}

/** As checkRegex(), for two patterns of which one is made, each good alone: the name of a group may stand in both. The fault is told at `path`. */
export function checkRegexPair(
  context: Parameters<typeof checkRegex>[0],
  [first, second]: readonly [string, string],
  path: string[],
): void {
  if ([first, second].some((pattern) => regexFault(`(?:${pattern})`) !== null)) return;
  const fault = regexFault(`(?:${first})/(?:${second})`);
  if (fault === null) return;
  const message = `does not go with the one before it: together the two ${fault.replace(/^is not/, 'are not')}`;
  context.issues.push({ code: 'custom', continue: true, input: second, path, message });
}

/** As checkRegex(), for a pattern that becomes a part of a larger one: a quotation that is not closed would swallow what follows. */
export function checkRegexPart(context: Parameters<typeof checkRegex>[0], pattern: string, path: string[]): void {
  if (regexFault(pattern) === null && regexFault(`(?:${pattern})`) !== null) {
    const message = 'is no complete regular expression (RE2 syntax): end the quotation that \\Q begins with \\E';
    context.issues.push({ code: 'custom', continue: true, input: pattern, path, message });
  } else checkRegex(context, pattern, path);
}

export const matchType = z.enum(['Exact', 'RegularExpression']);

const matchValue = (maxLength: number): z.ZodString =>
  z
    .string()
    .min(1, { error: 'is empty; a value to compare with is expected' })
    .max(maxLength, { error: `is longer than ${maxLength} characters` });

function matches(name: z.ZodString, fold: (name: string) => string) {
  const entry = z
    .strictObject({ type: matchType.optional().describe('Default: Exact'), name, value: matchValue(4096) })
    .check((context) => {
      if (context.value.type === 'RegularExpression') checkRegex(context, context.value.value, ['value']);
    });
  return z
    .array(entry)
    .max(16, { error: 'has more than 16 entries' })
    .check((context) => {
      const seen = new Set<string>();
      for (const [at, each] of context.value.entries()) {
        const key = fold(each.name);
        if (seen.has(key))
          context.issues.push({
            code: 'custom',
            continue: true,
            input: each.name,
            path: [at, 'name'],
            message: 'occurs twice; only one condition on each is possible',
          });
        seen.add(key);
      }
    });
}

export const headerMatches = matches(headerName, (name) => name.toLowerCase());
export const queryMatches = matches(
  z
    .string()
    .min(1, { error: 'is empty; the name of a query parameter is expected' })
    .max(256, { error: 'is longer than 256 characters' }),
  (name) => name,
);

export function valueMatches(written: z.output<typeof headerMatches> | undefined, lowerCase: boolean): ValueMatch[] {
  return (written ?? []).map(({ type, name, value }) => ({
    type: type ?? 'Exact',
    name: lowerCase ? name.toLowerCase() : name,
    value,
  }));
}

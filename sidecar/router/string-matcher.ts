/** Compiled string matchers of routes: exact, prefix, suffix, contains, and regular expressions in linear time (RE2). */

import type { StringMatchConfig } from '../config/route-config.ts';
import { compileLinearRegex } from '../runtime/linear-regex.ts';

export type StringMatcher = (value: string) => boolean;

export function compileStringMatcher(config: StringMatchConfig): StringMatcher {
  if (config.kind === 'regex') return compileRegex(config.value);
  if (config.ignoreCase) {
    const lower = compileStringMatcher({ ...config, value: config.value.toLowerCase(), ignoreCase: false });
    return (value) => lower(value.toLowerCase());
  }
  const wanted = config.value;
  switch (config.kind) {
    case 'exact':
      return (value) => value === wanted;
    case 'prefix':
      return (value) => value.startsWith(wanted);
    case 'suffix':
      return (value) => value.endsWith(wanted);
    case 'contains':
      return (value) => value.includes(wanted);
  }
}

/** The whole value must match, as in Envoy's `safe_regex`. The pattern was checked when the configuration arrived. */
export function compileRegex(pattern: string): StringMatcher {
  const compiled = compileLinearRegex(pattern);
  return (value) => compiled.matches(value);
}

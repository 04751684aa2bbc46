/**
 * Rules about headers. A header may come with several values, and who reads it behind us may take the first or the last of them. So each value is judged alone, and a rule must not be fooled by one
 * more of them: where a match lets pass, every value must match; where it denies, one is enough. Under `not` it is the other way round. (Envoy 1.40 wants one that matches in both cases, so that
 * `ALLOW x-role: user` lets `user` and `admin` pass there; before 1.38 it put them together with commas, which `DENY x-role: admin` did not find.) A field that is there and empty is a value; one
 * that is missing matches nothing, inverted or not, unless `treat_missing_header_as_empty` says otherwise or the rule asks for presence.
 */
import type { HeaderMatchConfig } from '../../config/route-config.ts';
import { headerValues, type RequestView } from './request-view.ts';
import { compileTextMatch } from './text-match.ts';

/** How many of several values must match. */
export type ValuesNeeded = 'every' | 'one';

export function compileHeaderRule(config: HeaderMatchConfig, needed: ValuesNeeded): (view: RequestView) => boolean {
  const { name, test, invert, treatMissingAsEmpty } = config;
  if (test.kind === 'present') {
    const { present } = test;
    if (treatMissingAsEmpty) return () => present !== invert;
    return (view) => (headerValues(view, name).length > 0 === present) !== invert;
  }
  const matches = test.kind === 'string' ? compileTextMatch(test.match, 'bytes') : inRange(test.start, test.end);
  const whenMissing = treatMissingAsEmpty && matches('') !== invert;
  return (view) => {
    const values = headerValues(view, name);
    if (values.length === 0) return whenMissing;
    for (let i = 0; i < values.length; i++) {
      const matched = matches(values[i]!) !== invert;
      if (matched !== (needed === 'every')) return matched;
    }
    return needed === 'every';
  };
}

function inRange(start: number, end: number): (value: string) => boolean {
  return (value) => /^[+-]?\d+$/.test(value) && Number(value) >= start && Number(value) < end;
}

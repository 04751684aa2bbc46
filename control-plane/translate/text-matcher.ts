/** Patterns of policies as Envoy's StringMatchers. Text is compared byte by byte wherever that is possible; expressions are for what can't be said otherwise. */
import { create } from '@bufbuild/protobuf';
import { type StringMatcher, StringMatcherSchema } from '../../proto/generated/envoy/type/matcher/v3/string_pb.js';
import type { TextPattern } from '../config-kind/policy-resource.ts';

/** Envoy refuses all but small expressions unless they bring a limit of their own (of which it warns, so that small ones go without). What policies may hold is bounded. */
const maxProgramSize = 1_000_000;
const smallLength = 24;

/** `any`: text that is there and not empty. */
export function textMatcher({ type, value }: TextPattern, ignoreCase = false): StringMatcher {
  switch (type) {
    case 'exact':
      return create(StringMatcherSchema, { matchPattern: { case: 'exact', value }, ignoreCase });
    case 'prefix':
      return create(StringMatcherSchema, { matchPattern: { case: 'prefix', value }, ignoreCase });
    case 'suffix':
      return create(StringMatcherSchema, { matchPattern: { case: 'suffix', value }, ignoreCase });
    case 'any':
      return regexMatcher('(?s).+');
  }
}

/** Of the whole text (RE2). */
export function regexMatcher(regex: string): StringMatcher {
  return create(StringMatcherSchema, {
    matchPattern: {
      case: 'safeRegex',
      value: {
        regex,
        ...(regex.length <= smallLength ? {} : { engineType: { case: 'googleRe2', value: { maxProgramSize } } }),
      },
    },
  });
}

/** Text as an expression that matches nothing else. */
export function quoted(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&').replace(/\\\//g, '/');
}

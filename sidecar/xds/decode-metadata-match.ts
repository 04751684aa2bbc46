/** MetadataMatcher → MetadataMatchConfig: a test of what filters found out about a request. */
import type { MetadataMatchConfig, ValueMatchConfig } from '../config/rbac-config.ts';
import type { MetadataMatcher } from './api/envoy/type/matcher/v3/metadata_pb.js';
import type { DoubleMatcher } from './api/envoy/type/matcher/v3/number_pb.js';
import type { ValueMatcher } from './api/envoy/type/matcher/v3/value_pb.js';
import { stringMatch } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

export function metadataMatch(message: MetadataMatcher, path: string, faults: Faults): MetadataMatchConfig {
  if (message.filter === '') faults.add(at(path, 'filter'), 'must not be empty');
  if (message.path.length === 0) faults.add(at(path, 'path'), 'needs at least one key');
  return {
    filter: message.filter,
    path: message.path.map(({ segment }, i) => {
      const key = segment.value ?? '';
      if (key === '') faults.add(at(at(at(path, 'path'), i), 'key'), 'must not be empty');
      return key;
    }),
    value: valueMatch(message.value, at(path, 'value'), faults),
    invert: message.invert,
  };
}

function valueMatch(message: ValueMatcher | undefined, path: string, faults: Faults): ValueMatchConfig {
  const pattern = message?.matchPattern;
  switch (pattern?.case) {
    case 'nullMatch':
      return { kind: 'null' };
    case 'boolMatch':
      return { kind: 'boolean', value: pattern.value };
    case 'doubleMatch':
      return numberMatch(pattern.value, at(path, 'double_match'), faults);
    case 'stringMatch':
      return { kind: 'string', match: stringMatch(pattern.value, at(path, 'string_match'), faults) };
    case 'presentMatch':
      return { kind: 'present', present: pattern.value };
    case 'listMatch': {
      const { matchPattern } = pattern.value;
      const here = at(path, 'list_match.one_of');
      return { kind: 'list', oneOf: valueMatch(matchPattern.value, here, faults) };
    }
    case 'orMatch': {
      const { valueMatchers } = pattern.value;
      const here = at(path, 'or_match.value_matchers');
      if (valueMatchers.length < 2) faults.add(here, 'needs at least two');
      return { kind: 'any-of', values: valueMatchers.map((each, i) => valueMatch(each, at(here, i), faults)) };
    }
    default:
      faults.add(path, 'needs something to match (string_match, bool_match, …)');
      return { kind: 'present', present: false };
  }
}

function numberMatch(message: DoubleMatcher, path: string, faults: Faults): ValueMatchConfig {
  const pattern = message.matchPattern;
  if (pattern.case === 'exact') return { kind: 'number', exact: pattern.value };
  if (pattern.case === 'range') return { kind: 'number-range', start: pattern.value.start, end: pattern.value.end };
  faults.add(path, 'needs exact or range');
  return { kind: 'number', exact: Number.NaN };
}

/**
 * By what rules are looked up. A key is something that must be so for a rule to hold: the path is `/a`, one of the caller's names begins with `spiffe://mesh/ns/shop/`, one value of a header is
 * `gold`. A rule with a key is tried only for requests that have it.
 */
import type { RbacRuleConfig } from '../../config/rbac-config.ts';
import type { StringMatchConfig } from '../../config/route-config.ts';
import type { CompiledRule } from './compiled-rule.ts';
import { bytesOfText } from './text-match.ts';

export interface RuleKey {
  /** `path`, `name` of the caller, `header:` with the header's, or `metadata:` with filter and path as JSON. */
  readonly on: string;
  readonly text: string;
  readonly prefix: boolean;
}

/** Of a leaf; null: it has none. */
export function ruleKey(config: RbacRuleConfig): RuleKey | null {
  switch (config.kind) {
    case 'path':
      return textKey('path', config.match, bytesOfText);
    case 'authenticated':
      return config.match === null ? null : textKey('name', config.match, (text) => text);
    case 'header': {
      const { name, test, invert, treatMissingAsEmpty } = config.header;
      if (test.kind !== 'string' || invert) return null;
      const key = textKey(`header:${name}`, test.match, bytesOfText);
      return treatMissingAsEmpty && key?.text === '' ? null : key;
    }
    case 'metadata': {
      const { filter, path, value, invert } = config.metadata;
      const text = value.kind === 'list' ? value.oneOf : value;
      if (invert || text.kind !== 'string') return null;
      return textKey(`metadata:${JSON.stringify([filter, path])}`, text.match, (each) => each);
    }
    default:
      return null;
  }
}

function textKey(on: string, match: StringMatchConfig, form: (text: string) => string): RuleKey | null {
  if (match.kind === 'exact' && !match.ignoreCase) return { on, text: form(match.value), prefix: false };
  if (match.kind === 'prefix' && !match.ignoreCase) return { on, text: form(match.value), prefix: true };
  return null;
}

/** One of these must be there. */
export type KeySet = readonly RuleKey[];

/** More ways than these to fulfil a rule are not filed, and no more sets than these are weighed against each other: a configuration is not to cost more than its size. */
const mostKeys = 4096;
const mostSets = 16;

/** Sets of keys, of each of which one is there whenever the rule holds. `of`: by what the connection or by what the request has. Empty: it has to be tried always. */
export function keySets(rule: CompiledRule, of: 'connection' | 'request'): readonly KeySet[] {
  if (typeof rule === 'boolean' || rule.kind === 'not') return [];
  if (rule.kind === 'leaf') return rule.key === null || (rule.of === null) !== (of === 'request') ? [] : [[rule.key]];
  const parts = rule.rules.map((each) => keySets(each, of));
  if (rule.kind === 'all-of') return parts.flat().slice(0, mostSets);
  if (parts.some((sets) => sets.length === 0)) return [];
  // Of each alternative one set; those about the same thing together, as far as all have one.
  const things = new Set(parts[0]!.map(about));
  const alike = [...things].flatMap((thing) => {
    const found = parts.map((sets) => sets.find((set) => about(set) === thing));
    return found.every((set) => set !== undefined) ? [found.flat()] : [];
  });
  const sets = alike.length > 0 ? alike : [parts.flatMap((each) => each[0]!)];
  return sets.filter((set) => set.length <= mostKeys);
}

function about(set: KeySet): string {
  const [first] = set;
  return set.every(({ on }) => on === first!.on) ? first!.on : '';
}

/**
 * Rules compiled: leaves are tests, constants are true or false. What depends only on the connection can be settled once for all of its requests; what is left is asked for each of them.
 */
import type { RbacPolicyConfig, RbacRuleConfig } from '../../config/rbac-config.ts';
import { compileCondition } from './condition.ts';
import { compileHeaderRule, type ValuesNeeded } from './header-rule.ts';
import { AddressRange } from './ip-address.ts';
import { compileMetadataRule } from './metadata-rule.ts';
import type { RequestView } from './request-view.ts';
import { type RuleKey, ruleKey } from './rule-key.ts';
import { compileTextMatch } from './text-match.ts';

/** What of a connection a leaf looks at; null: at the request. */
export type ConnectionFact = 'names' | 'peer' | 'local' | 'server-name';

export interface Leaf {
  readonly kind: 'leaf';
  readonly of: ConnectionFact | null;
  /** Null: it can be fulfilled in ways that cannot be looked up. Else only with this. */
  readonly key: RuleKey | null;
  test(view: RequestView): boolean;
}

export type CompiledRule =
  | boolean
  | Leaf
  | { readonly kind: 'not'; readonly rule: CompiledRule }
  | { readonly kind: 'all-of' | 'any-of'; readonly rules: readonly CompiledRule[] };

/** `denies`: a match denies. Decides how headers with several values are taken: see header-rule.ts. */
export function compilePolicy({ permissions, principals, condition }: RbacPolicyConfig, denies: boolean): CompiledRule {
  const needed: ValuesNeeded = denies ? 'one' : 'every';
  const parts: CompiledRule[] = [permissions, principals].map((rules) =>
    joined(
      'any-of',
      rules.map((rule) => compileRule(rule, needed)),
    ),
  );
  if (condition !== null) parts.push(leaf(null, null, compileCondition(condition)));
  return joined('all-of', parts);
}

function compileRule(config: RbacRuleConfig, needed: ValuesNeeded): CompiledRule {
  switch (config.kind) {
    case 'any':
      return true;
    case 'all-of':
    case 'any-of':
      return joined(
        config.kind,
        config.rules.map((rule) => compileRule(rule, needed)),
      );
    case 'not':
      return not(compileRule(config.rule, needed === 'one' ? 'every' : 'one'));
    case 'header':
      return leaf(null, ruleKey(config), compileHeaderRule(config.header, needed));
    case 'path': {
      const matches = compileTextMatch(config.match, 'bytes');
      return leaf(null, ruleKey(config), (view) => view.path !== '' && matches(view.path));
    }
    case 'address': {
      const range = new AddressRange(config.range);
      if (config.of === 'client') return leaf(null, null, ({ client }) => client !== null && range.contains(client));
      const end = config.of === 'peer' ? 'peer' : 'local';
      return leaf(end, null, ({ connection }) => {
        const address = connection[end];
        return address !== null && range.contains(address);
      });
    }
    case 'port': {
      const { start, end } = config;
      return leaf('local', null, ({ connection: { localPort } }) => localPort >= start && localPort < end);
    }
    case 'server-name': {
      const matches = compileTextMatch(config.match, 'text');
      return leaf('server-name', null, ({ connection }) => matches(connection.info.serverName));
    }
    case 'authenticated': {
      // Envoy takes a caller that came by TLS without a certificate for authenticated; its own documentation does not, nor do we.
      if (config.match === null) return leaf('names', null, ({ connection }) => connection.names !== null);
      const matches = compileTextMatch(config.match, 'text');
      return leaf('names', ruleKey(config), ({ connection: { names } }) => names !== null && names.some(matches));
    }
    case 'metadata':
      return leaf(null, ruleKey(config), compileMetadataRule(config.metadata));
  }
}

function leaf(of: ConnectionFact | null, key: RuleKey | null, test: (view: RequestView) => boolean): Leaf {
  return { kind: 'leaf', of, key, test };
}

function not(rule: CompiledRule): CompiledRule {
  return typeof rule === 'boolean' ? !rule : { kind: 'not', rule };
}

/** Constants are worked in at once. */
function joined(kind: 'all-of' | 'any-of', rules: readonly CompiledRule[]): CompiledRule {
  const decides = kind === 'any-of';
  const rest: CompiledRule[] = [];
  for (const rule of rules) {
    if (rule === decides) return decides;
    if (typeof rule !== 'boolean') rest.push(rule);
  }
  if (rest.length === 0) return !decides;
  return rest.length === 1 ? rest[0]! : { kind, rules: rest };
}

/** The facts of a connection that a rule looks at are added to `to`. */
export function collectFacts(rule: CompiledRule, to: Set<ConnectionFact>): void {
  if (typeof rule === 'boolean') return;
  if (rule.kind === 'leaf') {
    if (rule.of !== null) to.add(rule.of);
  } else if (rule.kind === 'not') collectFacts(rule.rule, to);
  else for (const each of rule.rules) collectFacts(each, to);
}

/** What is left of a rule when the connection is known. */
export function settle(rule: CompiledRule, view: RequestView): CompiledRule {
  if (typeof rule === 'boolean') return rule;
  switch (rule.kind) {
    case 'leaf':
      return rule.of === null ? rule : rule.test(view);
    case 'not':
      return not(settle(rule.rule, view));
    default:
      return joined(
        rule.kind,
        rule.rules.map((each) => settle(each, view)),
      );
  }
}

export function holds(rule: CompiledRule, view: RequestView): boolean {
  if (typeof rule === 'boolean') return rule;
  switch (rule.kind) {
    case 'leaf':
      return rule.test(view);
    case 'not':
      return !holds(rule.rule, view);
    default: {
      const decides = rule.kind === 'any-of';
      const { rules } = rule;
      for (let i = 0; i < rules.length; i++) if (holds(rules[i]!, view) === decides) return decides;
      return !decides;
    }
  }
}

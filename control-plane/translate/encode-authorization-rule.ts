/** One rule of an AuthorizationPolicy → one policy of Envoy's RBAC, or null when it can match nothing at this proxy. */
import { create } from '@bufbuild/protobuf';
import { CidrRangeSchema } from '../../proto/generated/envoy/config/core/v3/address_pb.js';
import { type Policy, PolicySchema } from '../../proto/generated/envoy/config/rbac/v3/rbac_pb.js';
import type { AuthorizationRule, Condition, IpBlock, TextPattern } from '../config-kind/policy-resource.ts';
import { encodeCel } from './encode-cel.ts';
import { everyElement, headerCheck, headerPresent, someElement } from './header-check.ts';
import type { ClientKind } from './proxy-node.ts';
import {
  alternatives,
  type CallerCheck,
  type Check,
  every,
  isNever,
  not,
  permission,
  principal,
  type SharedCheck,
  some,
  type TargetCheck,
} from './rbac-check.ts';
import { claimCheck, requestPrincipalCheck } from './request-principal-check.ts';
import { quoted, regexMatcher, textMatcher } from './text-matcher.ts';
import type { TokenProvider } from './token-provider.ts';

/** What a rule means depends on, beside itself. */
export interface RuleContext {
  readonly kind: ClientKind;
  readonly action: 'ALLOW' | 'DENY';
  readonly trustDomain: string;
  /** Null: any that nobody named. */
  readonly appPort: number | null;
  readonly providers: readonly TokenProvider[];
}

type TargetCondition = Extract<Condition, { attribute: 'host' | 'method' | 'path' | 'port' | 'serverName' }>;
type CallerCondition = Exclude<Condition, TargetCondition | { readonly attribute: 'cel' }>;

const targetAttributes: ReadonlySet<string> = new Set(['host', 'method', 'path', 'port', 'serverName']);

export function encodeAuthorizationRule({ from, to, when }: AuthorizationRule, context: RuleContext): Policy | null {
  const target = (conditions: readonly Condition[]): TargetCheck[] =>
    conditions.filter(isTarget).map((condition) => targetCheck(condition, context));
  const caller = (conditions: readonly Condition[]): CallerCheck[] =>
    conditions.filter(isCaller).map((condition) => callerCheck(condition, context));
  const oneOf = <Leaf>(lists: ReadonlyArray<ReadonlyArray<Check<Leaf>>>): Check<Leaf> =>
    lists.length === 0 ? every<Leaf>([]) : some(lists.map((list) => every(list)));
  const targets = every([oneOf(to.map(target)), ...target(when)]);
  const callers = every([oneOf(from.map(caller)), ...caller(when)]);
  if (isNever(targets) || isNever(callers)) return null;
  const expressions = when.flatMap((condition) => (condition.attribute === 'cel' ? [condition.expression] : []));
  return create(PolicySchema, {
    permissions: alternatives(targets).map(permission),
    principals: alternatives(callers).map(principal),
    ...(expressions.length === 0 ? {} : { condition: encodeCel(expressions) }),
  });
}

function isTarget(condition: Condition): condition is TargetCondition {
  return targetAttributes.has(condition.attribute);
}

function isCaller(condition: Condition): condition is CallerCondition {
  return condition.attribute !== 'cel' && !isTarget(condition);
}

/** One of the values, when there are any, and none of the others. */
function within<Value, Leaf>(
  { values, notValues }: { readonly values: readonly Value[]; readonly notValues: readonly Value[] },
  oneOf: (values: readonly Value[]) => Check<Leaf>,
): Check<Leaf> {
  return every([
    ...(values.length === 0 ? [] : [oneOf(values)]),
    ...(notValues.length === 0 ? [] : [not(oneOf(notValues))]),
  ]);
}

function targetCheck(condition: TargetCondition, { appPort }: RuleContext): TargetCheck {
  switch (condition.attribute) {
    case 'host':
      return within(condition, (hosts) => some(hosts.flatMap(hostChecks)));
    case 'method':
      return within(condition, (methods) => some(methods.map((each) => headerCheck(':method', textMatcher(each)))));
    case 'path':
      return within(condition, (paths) =>
        some(paths.map((each): TargetCheck => ({ leaf: 'path', value: textMatcher(each) }))),
      );
    case 'serverName':
      return within(condition, (names) =>
        some(names.map((each): TargetCheck => ({ leaf: 'serverName', value: textMatcher(each) }))),
      );
    case 'port':
      // Of what is meant for one port of the application this is known already.
      if (appPort !== null)
        return within(condition, (ports) => (ports.includes(appPort) ? every<never>([]) : some<never>([])));
      return within(condition, (ports) => some(ports.map((value): TargetCheck => ({ leaf: 'port', value }))));
  }
}

/** Case, a port that is not named, and a dot at the end make no other host. */
function hostChecks({ type, value }: TextPattern): SharedCheck[] {
  const check = (pattern: TextPattern): SharedCheck => headerCheck(':authority', textMatcher(pattern, true));
  switch (type) {
    case 'any':
      return [headerPresent(':authority')];
    case 'prefix':
      return [check({ type, value })];
    case 'exact':
      return /:[0-9]+$/.test(value)
        ? [check({ type, value }), check({ type, value: value.replace(/(?=:[0-9]+$)/, '.') })]
        : [
            check({ type, value }),
            check({ type, value: `${value}.` }),
            check({ type: 'prefix', value: `${value}:` }),
            check({ type: 'prefix', value: `${value}.:` }),
          ];
    case 'suffix': {
      const [, host = value, port = ''] = /^(.*?)(:[0-9]+)?$/.exec(value) ?? [];
      return [
        headerCheck(
          ':authority',
          regexMatcher(`(?is).*${quoted(host)}\\.?${port === '' ? '(?::[0-9]*)?' : quoted(port)}`),
        ),
      ];
    }
  }
}

function callerCheck(condition: CallerCondition, context: RuleContext): CallerCheck {
  const { kind, action, trustDomain, providers } = context;
  const identity = (pattern: TextPattern): CallerCheck => ({ leaf: 'identity', value: textMatcher(pattern) });
  switch (condition.attribute) {
    case 'principal':
      return within(condition, (ids) =>
        // Any identity: a certificate's subject is none.
        some(ids.map((id) => identity(id.type === 'any' ? { type: 'prefix', value: 'spiffe://' } : id))),
      );
    case 'namespace':
      return within(condition, (names) => some(names.map((name) => namespaceCheck(name, trustDomain))));
    case 'serviceAccount':
      return within(condition, (accounts) =>
        some(
          accounts.map(({ value }) => {
            const [namespace, account] = value.split('/');
            return identity({ type: 'exact', value: `spiffe://${trustDomain}/ns/${namespace}/sa/${account}` });
          }),
        ),
      );
    case 'ip':
      return within(condition, (blocks) => some(blocks.map(ipCheck)));
    case 'requestPrincipal':
      return within(condition, (values) => requestPrincipalCheck(values, providers));
    case 'claim':
      return within(condition, (values) => claimCheck(condition.path, values, providers));
    case 'header': {
      // ALLOW wants the best of every element, DENY looks for one that is bad.
      const { name, values, notValues } = condition;
      const isAllow = action === 'ALLOW';
      const fits = isAllow ? everyElement : someElement;
      const excluded = isAllow ? someElement : everyElement;
      return every([
        ...(values.length === 0 ? [] : [fits(name, values, kind)]),
        ...(notValues.length === 0 ? [] : [not(excluded(name, notValues, kind))]),
      ]);
    }
  }
}

/** The segment after /ns/ of an identity of the own trust domain. */
function namespaceCheck({ type, value }: TextPattern, trustDomain: string): CallerCheck {
  const before = `spiffe://${trustDomain}/ns/`;
  const matcher =
    type === 'exact'
      ? textMatcher({ type: 'prefix', value: `${before}${value}/sa/` })
      : type === 'suffix'
        ? regexMatcher(`${quoted(before)}[^/]*${quoted(value)}/sa/.*`)
        : textMatcher({ type: 'prefix', value: `${before}${value}` });
  return { leaf: 'identity', value: matcher };
}

function ipCheck({ address, prefixLength }: IpBlock): CallerCheck {
  return { leaf: 'ip', value: create(CidrRangeSchema, { addressPrefix: address, prefixLen: prefixLength }) };
}

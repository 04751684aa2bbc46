/** AuthorizationPolicies → Envoy's RBAC filters: one that denies, one that allows, whatever the number of policies and rules. Dry runs are their shadow rules. */
import { create } from '@bufbuild/protobuf';
import { type Policy, type RBAC, RBAC_Action, RBACSchema } from '../../proto/generated/envoy/config/rbac/v3/rbac_pb.js';
import { RBACSchema as RbacFilterSchema } from '../../proto/generated/envoy/extensions/filters/http/rbac/v3/rbac_pb.js';
import type { HttpFilter } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { AuthorizationRule, Condition } from '../config-kind/policy-resource.ts';
import type { Authorization } from '../model/policy-set.ts';
import { encodeAuthorizationRule, type RuleContext } from './encode-authorization-rule.ts';
import { httpFilter } from './encode-http-manager.ts';
import { KeptByParts } from './kept-by-parts.ts';

export const denyFilterName = 'outrigger.rbac.deny';
const allowFilterName = 'outrigger.rbac.allow';
const dryRunPrefix = 'dry_run_';

const keptFilters = new KeptByParts<HttpFilter>();

/** Null: nothing denies. `refusals`: names of policies that deny everything. */
export function encodeDenyFilter(
  authorizations: readonly Authorization[],
  context: Omit<RuleContext, 'action'>,
  refusals: readonly string[],
): HttpFilter | null {
  const policies = authorizations.filter(({ action }) => action === 'DENY');
  if (policies.length === 0 && refusals.length === 0) return null;
  return kept(policies, { ...context, action: 'DENY' }, refusals, (rules) => {
    const enforced = policies.filter(({ dryRun }) => !dryRun);
    const shadow = policies.filter(({ dryRun }) => dryRun);
    return httpFilter(
      denyFilterName,
      RbacFilterSchema,
      create(RbacFilterSchema, {
        ...(enforced.length + refusals.length === 0 ? {} : { rules: rules(enforced, refusals) }),
        ...shadowOf(shadow.length === 0 ? null : rules(shadow, [])),
      }),
    );
  });
}

/** Null: there is no ALLOW policy, so what is not denied is allowed. */
export function encodeAllowFilter(
  authorizations: readonly Authorization[],
  context: Omit<RuleContext, 'action'>,
): HttpFilter | null {
  const policies = authorizations.filter(({ action }) => action === 'ALLOW');
  if (policies.length === 0) return null;
  return kept(policies, { ...context, action: 'ALLOW' }, [], (rules) => {
    const enforced = policies.filter(({ dryRun }) => !dryRun);
    // What would be if the dry runs held beside the others.
    const shadow = enforced.length === policies.length ? null : rules(policies, []);
    return httpFilter(
      allowFilterName,
      RbacFilterSchema,
      create(RbacFilterSchema, {
        ...(enforced.length === 0 ? {} : { rules: rules(enforced, []) }),
        ...shadowOf(shadow),
      }),
    );
  });
}

function shadowOf(rules: RBAC | null): { readonly shadowRules?: RBAC; readonly shadowRulesStatPrefix?: string } {
  return rules === null ? {} : { shadowRules: rules, shadowRulesStatPrefix: dryRunPrefix };
}

/** A filter of the same policies, in the same context, is the same object. */
function kept(
  policies: readonly Authorization[],
  context: RuleContext,
  refusals: readonly string[],
  make: (rules: (policies: readonly Authorization[], refusals: readonly string[]) => RBAC) => HttpFilter,
): HttpFilter {
  const { kind, action, trustDomain, appPort, providers } = context;
  // Only rules about them depend on tokens and ports.
  const about = (attributes: readonly string[]): boolean =>
    policies.some((policy) => conditionsOf(policy).some(({ attribute }) => attributes.includes(attribute)));
  const tokens = about(['claim', 'requestPrincipal']) ? providers.map(({ rule }) => rule) : [];
  const names = tokens.length === 0 ? [] : providers.map(({ name }) => name);
  const text = JSON.stringify([kind, action, trustDomain, about(['port']) ? appPort : 0, names, refusals]);
  return keptFilters.get([...policies, ...tokens], text, () =>
    make((list, refused) => create(RBACSchema, rbacOf(list, context, refused))),
  );
}

interface NamedRules {
  readonly namespace: string;
  readonly name: string;
  /** Null: matches nothing. */
  readonly rules: ReadonlyArray<AuthorizationRule | null>;
}

export function rbacOf(
  policies: readonly NamedRules[],
  context: RuleContext,
  refusals: readonly string[],
): { readonly action: RBAC_Action; readonly policies: Record<string, Policy> } {
  const rules: Record<string, Policy> = {};
  for (const name of refusals) rules[name] = encodeAuthorizationRule({ from: [], to: [], when: [] }, context)!;
  for (const { namespace, name, rules: written } of policies) {
    for (const [at, rule] of written.entries()) {
      const policy = rule === null ? null : encodeAuthorizationRule(rule, context);
      if (policy !== null) rules[`${namespace}/${name}#rule-${at}`] = policy;
    }
  }
  return { action: context.action === 'DENY' ? RBAC_Action.DENY : RBAC_Action.ALLOW, policies: rules };
}

export function conditionsOf({ rules }: Authorization): Condition[] {
  return rules.flatMap(({ from, to, when }) => [...from.flat(), ...to.flat(), ...when]);
}

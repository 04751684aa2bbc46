/** Envoy's RBAC filter, and what a route says instead → RbacConfig, RbacRouteConfig. Permissions and principals are decoded in decode-rbac-rule.ts. */
import { type Message, toBinary } from '@bufbuild/protobuf';
import type {
  RbacConditionConfig,
  RbacConfig,
  RbacPolicyConfig,
  RbacRouteConfig,
  RbacRulesConfig,
} from '../config/rbac-config.ts';
import { compileCondition } from '../filters/rbac/condition.ts';
import { type Policy, RBAC_Action, type RBAC as RbacRules } from './api/envoy/config/rbac/v3/rbac_pb.js';
import type { RBAC, RBACPerRoute } from './api/envoy/extensions/filters/http/rbac/v3/rbac_pb.js';
import { type Expr, ExprSchema } from './api/google/api/expr/v1alpha1/syntax_pb.js';
import { permission, principal } from './decode-rbac-rule.ts';
import { at, type Faults } from './fault.ts';

export function rbac(message: Message, name: string, path: string, faults: Faults): RbacConfig {
  const filter = message as RBAC;
  return Object.freeze({
    kind: 'rbac',
    name,
    ...bothRules(filter, path, faults),
    rulesStatPrefix: filter.rulesStatPrefix,
    shadowStatPrefix: filter.shadowRulesStatPrefix,
  });
}

export function rbacPerRoute(message: Message, _outer: unknown, path: string, faults: Faults): RbacRouteConfig {
  const filter = (message as RBACPerRoute).rbac;
  return Object.freeze({
    kind: 'rbac',
    ...bothRules(filter, at(path, 'rbac'), faults),
    shadowStatPrefix: filter?.shadowRulesStatPrefix ?? '',
  });
}

/** Of the HTTP filter, or of the network filter. */
export function bothRules(
  filter: Pick<RBAC, 'rules' | 'shadowRules'> | undefined,
  path: string,
  faults: Faults,
): { readonly rules: RbacRulesConfig | null; readonly shadowRules: RbacRulesConfig | null } {
  return {
    rules: filter?.rules === undefined ? null : rules(filter.rules, at(path, 'rules'), faults),
    shadowRules: filter?.shadowRules === undefined ? null : rules(filter.shadowRules, at(path, 'shadow_rules'), faults),
  };
}

function rules(message: RbacRules, path: string, faults: Faults): RbacRulesConfig {
  const policies = Object.entries(message.policies)
    .map(([name, each]) => policy(name, each, `${path}.policies["${name}"]`, faults))
    // As std::map has them: by bytes.
    .sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  return Object.freeze({ action: action(message.action), policies: Object.freeze(policies) });
}

/** An unknown number was reported by check-fields.ts. */
function action(value: RBAC_Action): RbacRulesConfig['action'] {
  if (value === RBAC_Action.DENY) return 'deny';
  return value === RBAC_Action.LOG ? 'log' : 'allow';
}

function policy(name: string, message: Policy, path: string, faults: Faults): RbacPolicyConfig {
  const here = { permissions: at(path, 'permissions'), principals: at(path, 'principals') };
  if (message.permissions.length === 0) faults.add(here.permissions, 'needs at least one permission');
  if (message.principals.length === 0) faults.add(here.principals, 'needs at least one principal');
  return Object.freeze({
    name,
    permissions: message.permissions.map((each, i) => permission(each, at(here.permissions, i), faults)),
    principals: message.principals.map((each, i) => principal(each, at(here.principals, i), faults)),
    condition: message.condition === undefined ? null : condition(message.condition, at(path, 'condition'), faults),
  });
}

function condition(message: Expr, path: string, faults: Faults): RbacConditionConfig {
  const expression = toBinary(ExprSchema, message);
  try {
    compileCondition({ expression });
  } catch (error) {
    faults.add(path, (error as Error).message);
  }
  return Object.freeze({ expression });
}

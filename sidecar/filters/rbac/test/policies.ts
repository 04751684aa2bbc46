/** Short ways to write rules for tests. */
import { parse } from '@bufbuild/cel';
import { type Expr, ExprSchema } from '@bufbuild/cel-spec/cel/expr/syntax_pb.js';
import { toBinary } from '@bufbuild/protobuf';
import type {
  RbacConditionConfig,
  RbacConfig,
  RbacPolicyConfig,
  RbacRuleConfig,
  RbacRulesConfig,
} from '../../../config/rbac-config.ts';
import type { HeaderMatchConfig } from '../../../config/route-config.ts';

export const any: RbacRuleConfig = { kind: 'any' };

export function pathIs(value: string): RbacRuleConfig {
  return { kind: 'path', match: { kind: 'exact', value, ignoreCase: false } };
}

export function pathBegins(value: string): RbacRuleConfig {
  return { kind: 'path', match: { kind: 'prefix', value, ignoreCase: false } };
}

export function headerMatch(name: string, value: string, more: Partial<HeaderMatchConfig> = {}): HeaderMatchConfig {
  return {
    name,
    test: { kind: 'string', match: { kind: 'exact', value, ignoreCase: false } },
    invert: false,
    treatMissingAsEmpty: false,
    ...more,
  };
}

export function headerIs(name: string, value: string): RbacRuleConfig {
  return { kind: 'header', header: headerMatch(name, value) };
}

export function callerIs(value: string): RbacRuleConfig {
  return { kind: 'authenticated', match: { kind: 'exact', value, ignoreCase: false } };
}

export function policy(
  name: string,
  permission: RbacRuleConfig = any,
  principal: RbacRuleConfig = any,
  condition: string | null = null,
): RbacPolicyConfig {
  return {
    name,
    permissions: [permission],
    principals: [principal],
    condition: condition === null ? null : cel(condition),
  };
}

export function cel(text: string): RbacConditionConfig {
  return { expression: toBinary(ExprSchema, parse(text).expr as Expr) };
}

export function rules(action: RbacRulesConfig['action'], ...policies: readonly RbacPolicyConfig[]): RbacRulesConfig {
  return { action, policies };
}

export function rbacConfig(config: Partial<RbacConfig>): RbacConfig {
  return {
    kind: 'rbac',
    name: 'envoy.filters.http.rbac',
    rules: null,
    shadowRules: null,
    rulesStatPrefix: '',
    shadowStatPrefix: '',
    ...config,
  };
}

/**
 * AuthorizationPolicies for connections instead of requests → Envoy's network RBAC. Only who calls, from where, to which port and by which server name is known of a connection; where a rule asks more, the safe side is taken: a
 * DENY holds without it, an ALLOW allows nothing, and an outside service, which is asked about requests, cannot agree.
 */
import { create } from '@bufbuild/protobuf';
import { type Filter, FilterSchema } from '../../proto/generated/envoy/config/listener/v3/listener_components_pb.js';
import { type RBAC, RBAC_Action, RBACSchema } from '../../proto/generated/envoy/config/rbac/v3/rbac_pb.js';
import { RBACSchema as NetworkRbacSchema } from '../../proto/generated/envoy/extensions/filters/network/rbac/v3/rbac_pb.js';
import type { AuthorizationRule, Condition } from '../config-kind/policy-resource.ts';
import type { Authorization } from '../model/policy-set.ts';
import { rbacOf } from './encode-authorization.ts';
import type { RuleContext } from './encode-authorization-rule.ts';
import { packAny } from './encoded-resource.ts';

const statPrefix = 'inbound_tcp';
const dryRunPrefix = 'dry_run_';

/** Of requests only. */
const ofRequests: ReadonlySet<Condition['attribute']> = new Set([
  'host',
  'method',
  'path',
  'header',
  'claim',
  'requestPrincipal',
  'cel',
]);

/** What denies, then what allows; each only where a policy needs it. */
export function encodeNetworkAuthorization(
  authorizations: readonly Authorization[],
  context: Omit<RuleContext, 'action' | 'providers'>,
): Filter[] {
  const rules = (action: 'ALLOW' | 'DENY', policies: readonly Authorization[], refusals: readonly string[]): RBAC =>
    create(
      RBACSchema,
      rbacOf(
        policies.map((policy) => ({ ...policy, rules: policy.rules.map((rule) => ofConnection(rule, action)) })),
        { ...context, action, providers: [] },
        refusals,
      ),
    );
  const denies = authorizations.filter(({ action }) => action === 'DENY');
  const allows = authorizations.filter(({ action }) => action === 'ALLOW');
  const refusals = authorizations
    .filter(({ external }) => external !== null && !external.failOpen)
    .map(({ namespace, name }) => `${namespace}/${name}: it asks about requests, which a TCP port has none of`);
  const enforcedDenies = denies.filter(({ dryRun }) => !dryRun);
  const dryDenies = denies.filter(({ dryRun }) => dryRun);
  const enforcedAllows = allows.filter(({ dryRun }) => !dryRun);
  return [
    ...(denies.length + refusals.length === 0
      ? []
      : [
          filter(
            'outrigger.rbac.deny',
            enforcedDenies.length + refusals.length === 0 ? null : rules('DENY', enforcedDenies, refusals),
            dryDenies.length === 0 ? null : rules('DENY', dryDenies, []),
          ),
        ]),
    ...(allows.length === 0
      ? []
      : [
          filter(
            'outrigger.rbac.allow',
            enforcedAllows.length === 0 ? null : rules('ALLOW', enforcedAllows, []),
            enforcedAllows.length === allows.length ? null : rules('ALLOW', allows, []),
          ),
        ]),
  ];
}

/** Lets nobody through, and says why in the log. */
export function networkRefusal(reason: string): Filter {
  const any = { case: 'any' as const, value: true };
  const policies = { [reason]: { permissions: [{ rule: any }], principals: [{ identifier: any }] } };
  return filter('outrigger.rbac.deny', create(RBACSchema, { action: RBAC_Action.DENY, policies }), null);
}

function filter(name: string, rules: RBAC | null, shadowRules: RBAC | null): Filter {
  return create(FilterSchema, {
    name,
    configType: {
      case: 'typedConfig',
      value: packAny(
        NetworkRbacSchema,
        create(NetworkRbacSchema, {
          statPrefix,
          ...(rules === null ? {} : { rules }),
          ...(shadowRules === null ? {} : { shadowRules, shadowRulesStatPrefix: dryRunPrefix }),
        }),
      ),
    },
  });
}

/** Null: it allows no connection. */
function ofConnection({ from, to, when }: AuthorizationRule, action: 'ALLOW' | 'DENY'): AuthorizationRule | null {
  const isKnown = ({ attribute }: Condition): boolean => !ofRequests.has(attribute);
  if (action === 'DENY') {
    const known = (list: readonly Condition[]): readonly Condition[] => list.filter(isKnown);
    return { from: from.map(known), to: to.map(known), when: known(when) };
  }
  const [callers, targets] = [from, to].map((lists) => lists.filter((list) => list.every(isKnown)));
  const isLost = (from.length > 0 && callers!.length === 0) || (to.length > 0 && targets!.length === 0);
  return isLost || !when.every(isKnown) ? null : { from: callers!, to: targets!, when };
}

/** Policies of the model as plain rows, for the admin API and `outrigger get policies`. */
import type { AuthorizationRule, Condition, IpBlock, TextPattern } from '../config-kind/policy-resource.ts';
import { inboundTexts } from './inbound-text.ts';
import { faultText, limitTexts } from './limit-text.ts';
import type { Model } from './model.ts';
import type {
  Authorization,
  Faults,
  PeerPolicy,
  PolicyScope,
  RateLimits,
  RequestPolicy,
  TelemetryPolicy,
  TrafficRules,
} from './policy-set.ts';
import { telemetryTexts } from './telemetry-text.ts';
import { trafficTexts } from './traffic-text.ts';

export interface PolicyRow {
  readonly namespace: string;
  readonly kind: string;
  readonly name: string;
  /** `the mesh`, `namespace shop`, `shop/orders`, `version=v1 in shop`. */
  readonly holdsFor: readonly string[];
  /** `ALLOW`, `DENY (dry run)`, `STRICT`. */
  readonly action: string;
  readonly rules: number;
  /** One line a rule, in short. */
  readonly says: readonly string[];
}

export function listPolicies({ policies }: Pick<Model, 'policies'>): PolicyRow[] {
  return [
    ...policies.peers.map(peerRow),
    ...policies.authorizations.map(authorizationRow),
    ...policies.requests.map(requestRow),
    ...policies.faults.map(faultRow),
    ...policies.rateLimits.map(limitRow),
    ...policies.telemetry.map(telemetryRow),
    ...policies.traffic.map(trafficRow),
  ];
}

function peerRow({ namespace, name, scope, mode, ports }: PeerPolicy): PolicyRow {
  return {
    namespace,
    kind: 'PeerAuthentication',
    name,
    holdsFor: scopeTexts(scope),
    action: mode ?? '',
    rules: ports.length,
    says: ports.map((each) => `port ${each.port}: ${each.mode}`),
  };
}

function authorizationRow({ namespace, name, scope, action, dryRun, rules, external }: Authorization): PolicyRow {
  const asked =
    external === null
      ? []
      : [
          `asks ${external.service}.${external.namespace}:${external.port}${external.problem === '' ? '' : ` (${external.problem})`}`,
        ];
  return {
    namespace,
    kind: 'AuthorizationPolicy',
    name,
    holdsFor: scopeTexts(scope),
    action: dryRun ? `${action} (dry run)` : action,
    rules: rules.length,
    says: [...asked, ...rules.map(ruleText)],
  };
}

function requestRow({ namespace, name, scope, rules }: RequestPolicy): PolicyRow {
  return {
    namespace,
    kind: 'RequestAuthentication',
    name,
    holdsFor: scopeTexts(scope),
    action: '',
    rules: rules.length,
    says: rules.map(
      ({ issuer, audiences }) => `tokens of ${issuer}${audiences.length === 0 ? '' : ` for ${audiences.join(' or ')}`}`,
    ),
  };
}

function faultRow({ namespace, name, scope, faults, endsAtMs, over }: Faults): PolicyRow {
  const end = endsAtMs === null ? 'no end' : `${over ? 'over since' : 'until'} ${new Date(endsAtMs).toISOString()}`;
  return {
    namespace,
    kind: 'FaultPolicy',
    name,
    holdsFor: scopeTexts(scope),
    action: end,
    rules: faults.length,
    says: faults.map(faultText),
  };
}

function limitRow(limits: RateLimits): PolicyRow {
  const { namespace, name, scope, local, global, failOpen } = limits;
  return {
    namespace,
    kind: 'RateLimitPolicy',
    name,
    holdsFor: scopeTexts(scope),
    action: global.length === 0 ? '' : failOpen ? 'fails open' : 'fails closed',
    rules: local.length + global.length,
    says: limitTexts(limits),
  };
}

function telemetryRow(telemetry: TelemetryPolicy): PolicyRow {
  const { namespace, name, scope } = telemetry;
  const says = telemetryTexts(telemetry);
  return { namespace, kind: 'Telemetry', name, holdsFor: scopeTexts(scope), action: '', rules: says.length, says };
}

function trafficRow({ namespace, name, targets, route, cluster, inbound }: TrafficRules): PolicyRow {
  const says = [...trafficTexts(route, cluster), ...inboundTexts(inbound)];
  return {
    namespace,
    kind: 'TrafficPolicy',
    name,
    holdsFor: targets.map(({ text, inForce }) => (inForce ? text : `${text} (not in force)`)),
    action: '',
    rules: says.length,
    says,
  };
}

function scopeTexts({ namespace, workloads }: PolicyScope): string[] {
  if (workloads === null) return [namespace === '' ? 'the mesh' : `namespace ${namespace}`];
  return workloads.map((workload) =>
    'service' in workload
      ? `${namespace}/${workload.service}`
      : `${Object.entries(workload.labels)
          .map(([key, value]) => `${key}=${value}`)
          .join(' ')}${namespace === '' ? '' : ` in ${namespace}`}`,
  );
}

function ruleText({ from, to, when }: AuthorizationRule): string {
  const oneOf = (word: string, lists: ReadonlyArray<readonly Condition[]>): string[] =>
    lists.length === 0 ? [] : [`${word} ${lists.map((list) => list.map(conditionText).join(' and ')).join(' or ')}`];
  const parts = [...oneOf('from', from), ...oneOf('to', to), ...when.map((each) => `when ${conditionText(each)}`)];
  return parts.length === 0 ? 'everything' : parts.join(' ');
}

function conditionText(condition: Condition): string {
  if (condition.attribute === 'cel') return condition.expression;
  const { attribute, values, notValues } = condition;
  const name =
    attribute === 'header'
      ? `header ${condition.name}`
      : attribute === 'claim'
        ? `claim ${condition.path.join('.')}`
        : attribute;
  const list = (all: ReadonlyArray<TextPattern | IpBlock | number>): string => all.map(valueText).join('|');
  return `${name}${values.length === 0 ? '' : ` ${list(values)}`}${notValues.length === 0 ? '' : ` not ${list(notValues)}`}`;
}

function valueText(value: TextPattern | IpBlock | number): string {
  if (typeof value === 'number') return String(value);
  if ('address' in value) return `${value.address}/${value.prefixLength}`;
  if (value.type === 'exact') return value.value;
  return value.type === 'prefix' ? `${value.value}*` : `*${value.value}`;
}

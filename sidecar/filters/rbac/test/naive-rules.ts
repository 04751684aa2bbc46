/** Policies asked one after the other, each rule as it is written: what the compiled ones must agree with. Slow and short; nothing is shared with them but the configuration. */
import type {
  AddressRangeConfig,
  RbacPolicyConfig,
  RbacRuleConfig,
  RbacRulesConfig,
  ValueMatchConfig,
} from '../../../config/rbac-config.ts';
import type { HeaderMatchConfig, StringMatchConfig } from '../../../config/route-config.ts';
import type { GateRequest } from '../../request-gate.ts';

/** The name of the policy that matches first; null: none. */
export function naiveMatch({ action, policies }: RbacRulesConfig, request: GateRequest): string | null {
  const found = policies.find((policy) => policyMatches(policy, request, action !== 'deny'));
  return found === undefined ? null : found.name;
}

function policyMatches({ permissions, principals }: RbacPolicyConfig, request: GateRequest, every: boolean): boolean {
  return (
    permissions.some((rule) => ruleMatches(rule, request, every)) &&
    principals.some((rule) => ruleMatches(rule, request, every))
  );
}

function ruleMatches(rule: RbacRuleConfig, request: GateRequest, every: boolean): boolean {
  const { head, connection, metadata } = request;
  switch (rule.kind) {
    case 'any':
      return true;
    case 'all-of':
      return rule.rules.every((each) => ruleMatches(each, request, every));
    case 'any-of':
      return rule.rules.some((each) => ruleMatches(each, request, every));
    case 'not':
      return !ruleMatches(rule.rule, request, !every);
    case 'header':
      return headerMatches(rule.header, request, every);
    case 'path':
      return head.path !== '' && textMatches(rule.match, head.path.split('?')[0]!);
    case 'address': {
      const address =
        rule.of === 'destination'
          ? connection.localAddress
          : rule.of === 'peer'
            ? connection.remoteAddress
            : `${head.fields.getAll('x-forwarded-for').join(',').split(',').at(-1)!.trim() || connection.remoteAddress.split(':')[0]!}:1`;
      return inRange(rule.range, address.split(':')[0]!);
    }
    case 'port': {
      const port = Number(connection.localAddress.split(':').at(-1));
      return port >= rule.start && port < rule.end;
    }
    case 'server-name':
      return textMatches(rule.match, connection.serverName);
    case 'authenticated': {
      const { peer } = connection;
      if (peer === null) return false;
      if (rule.match === null) return true;
      const names = peer.uris.length > 0 ? peer.uris : [...peer.dnsNames, peer.subject];
      return names.some((name) => textMatches(rule.match!, name));
    }
    case 'metadata': {
      let value = metadata?.get(rule.metadata.filter);
      for (const key of rule.metadata.path) value = (value as Record<string, unknown> | undefined)?.[key];
      return valueMatches(rule.metadata.value, value) !== rule.metadata.invert;
    }
  }
}

function headerMatches(header: HeaderMatchConfig, { head }: GateRequest, every: boolean): boolean {
  const { name, test, invert, treatMissingAsEmpty } = header;
  let values =
    name === ':method'
      ? [head.method]
      : name === ':authority' || name === 'host'
        ? [head.authority]
        : name === ':path'
          ? head.path === ''
            ? []
            : [head.path]
          : head.fields.getAll(name);
  if (values.length === 0 && treatMissingAsEmpty) values = [''];
  if (test.kind === 'present') return (values.length > 0 === test.present) !== invert;
  if (values.length === 0) return false;
  const judged = values.map(
    (value) =>
      (test.kind === 'string'
        ? textMatches(test.match, value)
        : /^[+-]?\d+$/.test(value) && Number(value) >= test.start && Number(value) < test.end) !== invert,
  );
  return every ? !judged.includes(false) : judged.includes(true);
}

/** ASCII only. */
function textMatches(match: StringMatchConfig, value: string): boolean {
  if (match.kind === 'regex') return new RegExp(`^(?:${match.value})$`).test(value);
  const [wanted, given] = match.ignoreCase ? [match.value.toLowerCase(), value.toLowerCase()] : [match.value, value];
  if (match.kind === 'exact') return given === wanted;
  if (match.kind === 'prefix') return given.startsWith(wanted);
  return match.kind === 'suffix' ? given.endsWith(wanted) : given.includes(wanted);
}

/** IPv4 only. */
function inRange({ address, prefixBits }: AddressRangeConfig, given: string): boolean {
  const bits = (text: string): string =>
    text
      .split('.')
      .map((part) => Number(part).toString(2).padStart(8, '0'))
      .join('');
  return bits(address).slice(0, prefixBits) === bits(given).slice(0, prefixBits);
}

function valueMatches(match: ValueMatchConfig, value: unknown): boolean {
  switch (match.kind) {
    case 'string':
      return typeof value === 'string' && textMatches(match.match, value);
    case 'list':
      return Array.isArray(value) && value.some((each) => valueMatches(match.oneOf, each));
    case 'present':
      return match.present && value !== undefined;
    case 'any-of':
      return match.values.some((each) => valueMatches(each, value));
    case 'null':
      return value === null;
    case 'boolean':
      return value === match.value;
    case 'number':
      return value === match.exact;
    case 'number-range':
      return typeof value === 'number' && value >= match.start && value < match.end;
  }
}

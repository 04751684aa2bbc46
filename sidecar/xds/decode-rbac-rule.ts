/** Permissions and principals of an RBAC policy → RbacRuleConfig. */
import { isIP } from 'node:net';
import type { AddressRangeConfig, RbacAddress, RbacRuleConfig } from '../config/rbac-config.ts';
import type { CidrRange } from './api/envoy/config/core/v3/address_pb.js';
import type { Permission, Principal } from './api/envoy/config/rbac/v3/rbac_pb.js';
import type { PathMatcher } from './api/envoy/type/matcher/v3/path_pb.js';
import type { Int32Range } from './api/envoy/type/v3/range_pb.js';
import { metadataMatch } from './decode-metadata-match.ts';
import { headerMatch } from './decode-route-match.ts';
import { stringMatch } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

/** Stands in where a fault was recorded. */
const unusable: RbacRuleConfig = { kind: 'any' };

export function permission(message: Permission, path: string, faults: Faults): RbacRuleConfig {
  const { rule } = message;
  switch (rule.case) {
    case 'andRules':
      return { kind: 'all-of', rules: permissions(rule.value.rules, at(path, 'and_rules.rules'), faults) };
    case 'orRules':
      return { kind: 'any-of', rules: permissions(rule.value.rules, at(path, 'or_rules.rules'), faults) };
    case 'any':
      return any(rule.value, path, faults);
    case 'header':
      return { kind: 'header', header: headerMatch(rule.value, at(path, 'header'), faults) };
    case 'urlPath':
      return urlPath(rule.value, at(path, 'url_path'), faults);
    case 'destinationIp':
      return addressRule('destination', rule.value, at(path, 'destination_ip'), faults);
    case 'destinationPort':
      if (rule.value > 65_535) faults.add(at(path, 'destination_port'), `${rule.value} is not a port (0 to 65535)`);
      return { kind: 'port', start: rule.value, end: rule.value + 1 };
    case 'destinationPortRange':
      return portRange(rule.value, at(path, 'destination_port_range'), faults);
    case 'metadata':
      return { kind: 'metadata', metadata: metadataMatch(rule.value, at(path, 'metadata'), faults) };
    case 'notRule':
      return { kind: 'not', rule: permission(rule.value, at(path, 'not_rule'), faults) };
    case 'requestedServerName':
      return { kind: 'server-name', match: stringMatch(rule.value, at(path, 'requested_server_name'), faults) };
    default:
      return missing(message, path, 'a rule (any, header, url_path, …)', faults);
  }
}

export function principal(message: Principal, path: string, faults: Faults): RbacRuleConfig {
  const { identifier } = message;
  switch (identifier.case) {
    case 'andIds':
      return { kind: 'all-of', rules: principals(identifier.value.ids, at(path, 'and_ids.ids'), faults) };
    case 'orIds':
      return { kind: 'any-of', rules: principals(identifier.value.ids, at(path, 'or_ids.ids'), faults) };
    case 'any':
      return any(identifier.value, path, faults);
    case 'authenticated': {
      const { principalName } = identifier.value;
      const here = at(path, 'authenticated.principal_name');
      return {
        kind: 'authenticated',
        match: principalName === undefined ? null : stringMatch(principalName, here, faults),
      };
    }
    case 'sourceIp':
      return addressRule('peer', identifier.value, at(path, 'source_ip'), faults);
    case 'directRemoteIp':
      return addressRule('peer', identifier.value, at(path, 'direct_remote_ip'), faults);
    case 'remoteIp':
      return addressRule('client', identifier.value, at(path, 'remote_ip'), faults);
    case 'header':
      return { kind: 'header', header: headerMatch(identifier.value, at(path, 'header'), faults) };
    case 'urlPath':
      return urlPath(identifier.value, at(path, 'url_path'), faults);
    case 'metadata':
      return { kind: 'metadata', metadata: metadataMatch(identifier.value, at(path, 'metadata'), faults) };
    case 'notId':
      return { kind: 'not', rule: principal(identifier.value, at(path, 'not_id'), faults) };
    default:
      return missing(message, path, 'an identifier (any, authenticated, header, …)', faults);
  }
}

function permissions(list: readonly Permission[], path: string, faults: Faults): RbacRuleConfig[] {
  if (list.length === 0) faults.add(path, 'needs at least one rule');
  return list.map((each, i) => permission(each, at(path, i), faults));
}

function principals(list: readonly Principal[], path: string, faults: Faults): RbacRuleConfig[] {
  if (list.length === 0) faults.add(path, 'needs at least one identifier');
  return list.map((each, i) => principal(each, at(path, i), faults));
}

/** One that is not supported was reported by check-fields.ts. */
function missing(message: Permission | Principal, path: string, what: string, faults: Faults): RbacRuleConfig {
  if (message.$unknown === undefined || message.$unknown.length === 0) faults.add(path, `needs ${what}`);
  return unusable;
}

function any(value: boolean, path: string, faults: Faults): RbacRuleConfig {
  if (!value) faults.add(at(path, 'any'), 'can only be true');
  return { kind: 'any' };
}

function urlPath(message: PathMatcher, path: string, faults: Faults): RbacRuleConfig {
  if (message.rule.case === undefined) {
    faults.add(at(path, 'path'), 'is missing');
    return unusable;
  }
  return { kind: 'path', match: stringMatch(message.rule.value, at(path, 'path'), faults) };
}

function addressRule(of: RbacAddress, message: CidrRange, path: string, faults: Faults): RbacRuleConfig {
  return { kind: 'address', of, range: addressRange(message, path, faults) };
}

export function addressRange(message: CidrRange, path: string, faults: Faults): AddressRangeConfig {
  const { addressPrefix, prefixLen = 0 } = message;
  const family = isIP(addressPrefix);
  if (family === 0 || addressPrefix.includes('%'))
    faults.add(at(path, 'address_prefix'), `${JSON.stringify(addressPrefix)} is not an IP address`);
  const most = family === 4 ? 32 : 128;
  if (prefixLen > most) faults.add(at(path, 'prefix_len'), `${prefixLen} is not between 0 and ${most}`);
  return { address: addressPrefix, prefixBits: prefixLen };
}

function portRange({ start, end }: Int32Range, path: string, faults: Faults): RbacRuleConfig {
  if (start < 0 || end > 65_536 || start >= end)
    faults.add(
      path,
      `from ${start} to before ${end} is not a range of ports (start from 0, below end, end at most 65536)`,
    );
  return { kind: 'port', start, end };
}

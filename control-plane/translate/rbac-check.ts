/** What a rule asks of a request, as a tree that simplifies itself, and the two forms of it in Envoy's RBAC: a Permission and a Principal can say the same but for a few leaves. */
import { create } from '@bufbuild/protobuf';
import type { CidrRange } from '../../proto/generated/envoy/config/core/v3/address_pb.js';
import {
  type Permission,
  PermissionSchema,
  type Principal,
  PrincipalSchema,
} from '../../proto/generated/envoy/config/rbac/v3/rbac_pb.js';
import type { HeaderMatcher } from '../../proto/generated/envoy/config/route/v3/route_components_pb.js';
import type { MetadataMatcher } from '../../proto/generated/envoy/type/matcher/v3/metadata_pb.js';
import type { StringMatcher } from '../../proto/generated/envoy/type/matcher/v3/string_pb.js';

type SharedLeaf =
  | { readonly leaf: 'header'; readonly value: HeaderMatcher }
  | { readonly leaf: 'path'; readonly value: StringMatcher }
  | { readonly leaf: 'metadata'; readonly value: MetadataMatcher };
/** Of the caller: only a Principal has it. */
type CallerLeaf =
  | { readonly leaf: 'identity'; readonly value: StringMatcher }
  | { readonly leaf: 'ip'; readonly value: CidrRange };
/** Of the connection's target: only a Permission has it. */
type TargetLeaf =
  | { readonly leaf: 'serverName'; readonly value: StringMatcher }
  | { readonly leaf: 'port'; readonly value: number };

export type Check<Leaf> =
  | Leaf
  | { readonly every: ReadonlyArray<Check<Leaf>> }
  | { readonly some: ReadonlyArray<Check<Leaf>> }
  | { readonly not: Check<Leaf> };
export type SharedCheck = Check<SharedLeaf>;
export type CallerCheck = Check<SharedLeaf | CallerLeaf>;
export type TargetCheck = Check<SharedLeaf | TargetLeaf>;

const always = { every: [] } as const;
export const never = { some: [] } as const;

export function every<Leaf>(checks: ReadonlyArray<Check<Leaf>>): Check<Leaf> {
  if (checks.some(isNever)) return never;
  const rest = checks.filter((check) => !isAlways(check));
  return rest.length === 1 ? rest[0]! : { every: rest };
}

export function some<Leaf>(checks: ReadonlyArray<Check<Leaf>>): Check<Leaf> {
  if (checks.some(isAlways)) return always;
  const rest = checks.filter((check) => !isNever(check));
  return rest.length === 1 ? rest[0]! : { some: rest };
}

export function not<Leaf>(check: Check<Leaf>): Check<Leaf> {
  if (isAlways(check)) return never;
  return isNever(check) ? always : { not: check };
}

export function isNever<Leaf>(check: Check<Leaf>): boolean {
  return lengthOf(check, 'some') === 0;
}

function isAlways<Leaf>(check: Check<Leaf>): boolean {
  return lengthOf(check, 'every') === 0;
}

function lengthOf(check: unknown, list: 'some' | 'every'): number {
  return (check as { readonly some?: readonly unknown[]; readonly every?: readonly unknown[] })[list]?.length ?? -1;
}

/** Alternatives of a check: RBAC takes any of a policy's permissions, and of its principals. */
export function alternatives<Leaf>(check: Check<Leaf>): ReadonlyArray<Check<Leaf>> {
  const { some: list } = check as { readonly some?: ReadonlyArray<Check<Leaf>> };
  return list !== undefined && list.length > 0 ? list : [check];
}

export function permission(check: TargetCheck): Permission {
  return create(PermissionSchema, { rule: permissionRule(check) });
}

function permissionRule(check: TargetCheck): NonNullable<Permission['rule']> {
  if ('every' in check) {
    return check.every.length === 0
      ? { case: 'any', value: true }
      : {
          case: 'andRules',
          value: { $typeName: 'envoy.config.rbac.v3.Permission.Set', rules: check.every.map(permission) },
        };
  }
  if ('some' in check)
    return {
      case: 'orRules',
      value: { $typeName: 'envoy.config.rbac.v3.Permission.Set', rules: check.some.map(permission) },
    };
  if ('not' in check) return { case: 'notRule', value: permission(check.not) };
  switch (check.leaf) {
    case 'header':
      return { case: 'header', value: check.value };
    case 'path':
      return { case: 'urlPath', value: pathMatcher(check.value) };
    case 'metadata':
      return { case: 'metadata', value: check.value };
    case 'serverName':
      return { case: 'requestedServerName', value: check.value };
    case 'port':
      return { case: 'destinationPort', value: check.value };
  }
}

export function principal(check: CallerCheck): Principal {
  return create(PrincipalSchema, { identifier: principalIdentifier(check) });
}

function principalIdentifier(check: CallerCheck): NonNullable<Principal['identifier']> {
  if ('every' in check) {
    return check.every.length === 0
      ? { case: 'any', value: true }
      : { case: 'andIds', value: { $typeName: 'envoy.config.rbac.v3.Principal.Set', ids: check.every.map(principal) } };
  }
  if ('some' in check)
    return {
      case: 'orIds',
      value: { $typeName: 'envoy.config.rbac.v3.Principal.Set', ids: check.some.map(principal) },
    };
  if ('not' in check) return { case: 'notId', value: principal(check.not) };
  switch (check.leaf) {
    case 'header':
      return { case: 'header', value: check.value };
    case 'path':
      return { case: 'urlPath', value: pathMatcher(check.value) };
    case 'metadata':
      return { case: 'metadata', value: check.value };
    case 'identity':
      return {
        case: 'authenticated',
        value: { $typeName: 'envoy.config.rbac.v3.Principal.Authenticated', principalName: check.value },
      };
    case 'ip':
      return { case: 'directRemoteIp', value: check.value };
  }
}

function pathMatcher(value: StringMatcher): Extract<Permission['rule'], { case: 'urlPath' }>['value'] {
  return { $typeName: 'envoy.type.matcher.v3.PathMatcher', rule: { case: 'path', value } };
}

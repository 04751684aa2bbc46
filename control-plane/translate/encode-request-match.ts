/** `match` of FaultPolicies and RateLimitPolicies → Envoy's header matchers: path and method are headers there, and who calls is in the one that the proxy itself writes. */
import { create } from '@bufbuild/protobuf';
import {
  type HeaderMatcher,
  HeaderMatcherSchema,
} from '../../proto/generated/envoy/config/route/v3/route_components_pb.js';
import type { StringMatcher } from '../../proto/generated/envoy/type/matcher/v3/string_pb.js';
import type { CallerName, RequestMatch, TextPattern } from '../config-kind/policy-resource.ts';
import { quoted, regexMatcher, textMatcher } from './text-matcher.ts';

/** All of them have to match; none: every request does. */
export function encodeRequestMatch(
  { paths, methods, headers, callers }: RequestMatch,
  trustDomain: string,
): HeaderMatcher[] {
  return [
    ...(paths.length === 0 ? [] : [matcher(':path', pathMatcher(paths))]),
    ...(methods.length === 0 ? [] : [matcher(':method', oneOf(methods.map(quoted)))]),
    ...headers.map(({ name, type, value }) =>
      matcher(name, type === 'Exact' ? textMatcher({ type: 'exact', value }) : regexMatcher(value)),
    ),
    // A proxy strips what a caller says of itself there, and writes what its certificate says (By, Hash, URI).
    ...(callers.length === 0 ? [] : [matcher('x-forwarded-client-cert', callerMatcher(callers, trustDomain))]),
  ];
}

function matcher(name: string, value: StringMatcher): HeaderMatcher {
  return create(HeaderMatcherSchema, { name, headerMatchSpecifier: { case: 'stringMatch', value } });
}

/** The header has the query too, which does not count. */
function pathMatcher(paths: readonly TextPattern[]): StringMatcher {
  const only = paths.length === 1 ? paths[0]! : null;
  if (only?.type === 'prefix') return textMatcher(only);
  return oneOf(
    paths.map(({ type, value }) => (type === 'prefix' ? `${quoted(value)}.*` : `${quoted(value)}(?:\\?.*)?`)),
  );
}

function callerMatcher(callers: readonly CallerName[], trustDomain: string): StringMatcher {
  const names = callers.map(
    ({ namespace, account }) => `${quoted(namespace)}/sa/${account === '' ? '[^/;,"]+' : quoted(account)}`,
  );
  return regexMatcher(`(?:.*;)?URI=spiffe://${quoted(trustDomain)}/ns/(?:${names.join('|')})(?:;.*)?`);
}

function oneOf(expressions: readonly string[]): StringMatcher {
  return regexMatcher(expressions.length === 1 ? expressions[0]! : `(?:${expressions.join('|')})`);
}

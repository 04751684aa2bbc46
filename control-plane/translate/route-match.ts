/** Matches of routes as Envoy's RouteMatch. One match may need several: where a client lacks a field, or where a rewrite treats `/a` and `/a/…` differently. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type HeaderMatcher,
  HeaderMatcherSchema,
  type QueryParameterMatcher,
  QueryParameterMatcherSchema,
  type RouteMatch,
  RouteMatchSchema,
} from '../../proto/generated/envoy/config/route/v3/route_components_pb.js';
import { type StringMatcher, StringMatcherSchema } from '../../proto/generated/envoy/type/matcher/v3/string_pb.js';
import type { GrpcMatch, HttpMatch, PathModifier, ValueMatch } from '../config-kind/resource.ts';

type PathSpecifier = NonNullable<MessageInitShape<typeof RouteMatchSchema>['pathSpecifier']>;

/** A match, and what `prefix_rewrite` has to be so that the rule's path modifier comes true; '' : no rewrite. */
export interface MatchVariant {
  readonly match: RouteMatch;
  readonly prefixRewrite: string;
}

/** HTTP matches for Envoy and our sidecar. */
export function httpMatchVariants(match: HttpMatch, modifier: PathModifier | null): MatchVariant[] {
  const rest = { headers: httpHeaders(match), queryParameters: match.queryParams.map(queryMatcher) };
  return pathVariants(match, modifier).map(({ path, prefixRewrite }) => ({
    match: create(RouteMatchSchema, { pathSpecifier: path, ...rest }),
    prefixRewrite,
  }));
}

function pathVariants(
  { path: { type, value } }: HttpMatch,
  modifier: PathModifier | null,
): Array<{ readonly path: PathSpecifier; readonly prefixRewrite: string }> {
  if (type === 'RegularExpression')
    return [{ path: { case: 'safeRegex', value: { regex: value } }, prefixRewrite: '' }];
  // On an exact path Envoy's prefix_rewrite replaces the whole path.
  if (type === 'Exact') return [{ path: { case: 'path', value }, prefixRewrite: modifier?.value ?? '' }];
  const prefix = value.replace(/\/+$/, '');
  const target = modifier?.type === 'ReplacePrefixMatch' ? modifier.value.replace(/\/+$/, '') : null;
  if (prefix === '')
    return [
      { path: { case: 'prefix', value: '/' }, prefixRewrite: target === null || target === '' ? '' : `${target}/` },
    ];
  if (target !== '') return [{ path: { case: 'pathSeparatedPrefix', value: prefix }, prefixRewrite: target ?? '' }];
  // `/a/b` becomes `/b`, and `/a` becomes `/`: replacing `/a` by `/` would make `//b` of the first.
  return [
    { path: { case: 'path', value: prefix }, prefixRewrite: '/' },
    { path: { case: 'prefix', value: `${prefix}/` }, prefixRewrite: '/' },
  ];
}

function httpHeaders({ method, headers }: HttpMatch): HeaderMatcher[] {
  const matchers = headers.map(headerMatcher);
  if (method !== '') matchers.unshift(headerMatcher({ type: 'Exact', name: ':method', value: method }));
  return matchers;
}

/** gRPC matches for Envoy and our sidecar. */
export function grpcMatch(match: GrpcMatch): RouteMatch {
  return create(RouteMatchSchema, { pathSpecifier: grpcPath(match), headers: match.headers.map(headerMatcher) });
}

function grpcPath({ type, service, method }: GrpcMatch): PathSpecifier {
  if (service === '' && method === '') return { case: 'prefix', value: '/' };
  if (type === 'Exact') {
    if (method === '') return { case: 'prefix', value: `/${service}/` };
    if (service !== '') return { case: 'path', value: `/${service}/${method}` };
    return { case: 'safeRegex', value: { regex: `/[^/]+/${method}` } };
  }
  const any = '[^/]+';
  return {
    case: 'safeRegex',
    value: { regex: `/(?:${service === '' ? any : service})/(?:${method === '' ? any : method})` },
  };
}

/**
 * An HTTP match as a proxyless gRPC client takes it; empty when none of its calls could match: they are POST, have no query, and cannot match on pseudo-headers or `-bin` headers (A28).
 */
export function httpMatchForGrpc(match: HttpMatch): RouteMatch[] {
  if (
    match.queryParams.length > 0 ||
    (match.method !== '' && match.method !== 'POST') ||
    !matchableByGrpc(match.headers)
  )
    return [];
  const headers = match.headers.map(headerMatcher);
  const { type, value } = match.path;
  const paths: PathSpecifier[] = [];
  const prefix = value.replace(/\/+$/, '');
  if (type === 'RegularExpression') paths.push({ case: 'safeRegex', value: { regex: value } });
  else if (type === 'Exact') paths.push({ case: 'path', value });
  else if (prefix === '') paths.push({ case: 'prefix', value: '/' });
  // gRPC does not know path_separated_prefix.
  else paths.push({ case: 'path', value: prefix }, { case: 'prefix', value: `${prefix}/` });
  return paths.map((pathSpecifier) => create(RouteMatchSchema, { pathSpecifier, headers }));
}

export function grpcMatchForGrpc(match: GrpcMatch): RouteMatch[] {
  return matchableByGrpc(match.headers) ? [grpcMatch(match)] : [];
}

function matchableByGrpc(headers: readonly ValueMatch[]): boolean {
  return headers.every(({ name }) => !name.endsWith('-bin') && !name.startsWith(':'));
}

function headerMatcher(match: ValueMatch): HeaderMatcher {
  return create(HeaderMatcherSchema, {
    name: match.name,
    headerMatchSpecifier: { case: 'stringMatch', value: stringMatcher(match) },
  });
}

function queryMatcher(match: ValueMatch): QueryParameterMatcher {
  return create(QueryParameterMatcherSchema, {
    name: match.name,
    queryParameterMatchSpecifier: { case: 'stringMatch', value: stringMatcher(match) },
  });
}

function stringMatcher({ type, value }: ValueMatch): StringMatcher {
  return create(StringMatcherSchema, {
    matchPattern: type === 'Exact' ? { case: 'exact', value } : { case: 'safeRegex', value: { regex: value } },
  });
}

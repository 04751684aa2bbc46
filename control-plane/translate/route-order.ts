/** In which order the matches of all routes of a port are tried: Gateway API's precedence, as xDS takes the first that matches. */
import type { GrpcMatch, HttpMatch } from '../config-kind/resource.ts';
import type { AttachedGrpcRule, AttachedHttpRule, AttachedRoute } from '../model/model.ts';

interface OrderedBase {
  /** `namespace/route#rule-n` */
  readonly routeName: string;
  readonly route: AttachedRoute;
  readonly ruleIndex: number;
}

export type OrderedMatch =
  | (OrderedBase & { readonly kind: 'http'; readonly match: HttpMatch; readonly rule: AttachedHttpRule })
  | (OrderedBase & { readonly kind: 'grpc'; readonly match: GrpcMatch; readonly rule: AttachedGrpcRule });

/**
 * HTTPRoute: exact path, then regular expression (the specification leaves its place open), then the longest prefix; a method; more headers; more query parameters.
 * GRPCRoute: exact before regular expression; the longest service; the longest method; more headers.
 * Then the oldest route, the first by namespace/name, and the order in the file.
 */
export function orderedMatches(routes: readonly AttachedRoute[]): OrderedMatch[] {
  const all = routes.flatMap((route) =>
    route.kind === 'HTTPRoute' ? httpMatches(route, route.rules) : grpcMatches(route, route.rules),
  );
  // Sorting is stable, so matches that are equal in everything keep the order of rules and matches.
  return all.toSorted(
    (a, b) => compareRanks(rank(a), rank(b)) || compareRoutes(a.route, b.route) || a.ruleIndex - b.ruleIndex,
  );
}

function httpMatches(route: AttachedRoute, rules: readonly AttachedHttpRule[]): OrderedMatch[] {
  return rules.flatMap((rule, ruleIndex) =>
    rule.matches.map((match) => ({
      kind: 'http' as const,
      match,
      rule,
      route,
      ruleIndex,
      routeName: nameOf(route, ruleIndex),
    })),
  );
}

function grpcMatches(route: AttachedRoute, rules: readonly AttachedGrpcRule[]): OrderedMatch[] {
  return rules.flatMap((rule, ruleIndex) =>
    rule.matches.map((match) => ({
      kind: 'grpc' as const,
      match,
      rule,
      route,
      ruleIndex,
      routeName: nameOf(route, ruleIndex),
    })),
  );
}

function nameOf({ namespace, name }: AttachedRoute, ruleIndex: number): string {
  return `${namespace}/${name}#rule-${ruleIndex}`;
}

const pathRank = { Exact: 2, RegularExpression: 1, PathPrefix: 0 } as const;

/** Greater goes first, from left to right. */
function rank(ordered: OrderedMatch): readonly number[] {
  if (ordered.kind === 'http') {
    const { path, method, headers, queryParams } = ordered.match;
    return [
      pathRank[path.type],
      path.type === 'PathPrefix' ? path.value.length : 0,
      method === '' ? 0 : 1,
      headers.length,
      queryParams.length,
    ];
  }
  const { type, service, method, headers } = ordered.match;
  const named = service !== '' || method !== '';
  return [named && type === 'Exact' ? 2 : named ? 1 : 0, service.length, method.length, headers.length];
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (b[i] ?? 0) - (a[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function compareRoutes(a: AttachedRoute, b: AttachedRoute): number {
  const timeA = a.createdAt === '' ? 0 : Date.parse(a.createdAt);
  const timeB = b.createdAt === '' ? 0 : Date.parse(b.createdAt);
  if (timeA !== timeB) return timeA - timeB;
  const nameA = `${a.namespace}/${a.name}`;
  const nameB = `${b.namespace}/${b.name}`;
  return nameA < nameB ? -1 : nameA > nameB ? 1 : 0;
}

/** Routes of one port's virtual host for Envoy and our sidecar. */
import { create } from '@bufbuild/protobuf';
import {
  type Route,
  type RouteMatch,
  RouteMatchSchema,
  RouteSchema,
} from '../../proto/generated/envoy/config/route/v3/route_components_pb.js';
import type { AttachedRoute, Backend, PortDefinition } from '../model/model.ts';
import { outboundCluster } from './resource-names.ts';
import {
  type Action,
  defaultTimeoutMs,
  forwardAction,
  headerFields,
  noBackendAction,
  redirectAction,
  timeoutFields,
} from './route-action.ts';
import { grpcMatch, httpMatchVariants } from './route-match.ts';
import { type OrderedMatch, orderedMatches } from './route-order.ts';

/** Without attached routes everything goes to the port's own endpoints; with them, what no rule matches is answered 404 (GEP-1426). */
export function proxyRoutes(definition: PortDefinition, attached: readonly AttachedRoute[]): Route[] {
  if (attached.length === 0) return defaultRoutes(definition);
  return orderedMatches(attached).flatMap((ordered) => routesOf(ordered, definition));
}

function defaultRoutes(definition: PortDefinition): Route[] {
  const { namespace, service, port } = definition;
  const cluster = outboundCluster(namespace, service, port);
  const match = create(RouteMatchSchema, { pathSpecifier: { case: 'prefix', value: '/' } });
  return byTimeout(definition, null, match).map(({ match, fields }) =>
    create(RouteSchema, {
      name: `${namespace}/${service}#default`,
      match,
      action: { case: 'route', value: { ...fields, clusterSpecifier: { case: 'cluster', value: cluster } } },
    }),
  );
}

function routesOf(ordered: OrderedMatch, definition: PortDefinition): Route[] {
  const { rule, routeName: name } = ordered;
  const headers = headerFields(rule.requestHeaders, rule.responseHeaders);
  if (ordered.kind === 'grpc') {
    const match = grpcMatch(ordered.match);
    return [
      create(RouteSchema, {
        name,
        match,
        ...headers,
        action: forwardOrAnswer(name, rule.backends, 503, timeoutFields(0, true)),
      }),
    ];
  }
  const { redirect, rewrite, timeoutMs } = ordered.rule;
  return httpMatchVariants(ordered.match, redirect?.path ?? rewrite?.path ?? null).flatMap(
    ({ match, prefixRewrite }) => {
      if (redirect !== null)
        return [create(RouteSchema, { name, match, ...headers, action: redirectAction(redirect, prefixRewrite) })];
      if (!rule.backends.some(exists))
        return [create(RouteSchema, { name, match, ...headers, action: noBackendAction(name, rule.backends, 500) })];
      const hostname = rewrite?.hostname ?? '';
      const rewriteFields =
        hostname === ''
          ? { prefixRewrite }
          : { prefixRewrite, hostRewriteSpecifier: { case: 'hostRewriteLiteral' as const, value: hostname } };
      return byTimeout(definition, timeoutMs, match).map(({ match, fields }) =>
        create(RouteSchema, {
          name,
          match,
          ...headers,
          action: forwardAction(rule.backends, 500, { ...fields, ...rewriteFields }),
        }),
      );
    },
  );
}

function forwardOrAnswer(
  name: string,
  backends: readonly Backend[],
  status: 500 | 503,
  fields: ReturnType<typeof timeoutFields>,
): Action {
  return backends.some(exists) ? forwardAction(backends, status, fields) : noBackendAction(name, backends, status);
}

function exists({ problem }: Backend): boolean {
  return problem === '';
}

/**
 * A route's timeout by what the port speaks: gRPC has none by default (deadlines are the caller's, and a stream has no end); HTTP/2 may carry gRPC beside HTTP, so its calls get a
 * route of their own before the other.
 */
function byTimeout(
  { protocol }: PortDefinition,
  timeoutMs: number | null,
  match: RouteMatch,
): Array<{ readonly match: RouteMatch; readonly fields: ReturnType<typeof timeoutFields> }> {
  if (protocol === 'grpc') return [{ match, fields: timeoutFields(timeoutMs ?? 0, true) }];
  if (timeoutMs !== null || protocol === 'http')
    return [{ match, fields: timeoutFields(timeoutMs ?? defaultTimeoutMs, false) }];
  const grpcOnly = create(RouteMatchSchema, {
    pathSpecifier: match.pathSpecifier,
    headers: match.headers,
    queryParameters: match.queryParameters,
    grpc: {},
  });
  return [
    { match: grpcOnly, fields: timeoutFields(0, true) },
    { match, fields: timeoutFields(defaultTimeoutMs, false) },
  ];
}

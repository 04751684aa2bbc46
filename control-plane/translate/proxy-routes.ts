/** Routes of one port's virtual host for Envoy and our sidecar. */
import { create } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import type { Metadata } from '../../proto/generated/envoy/config/core/v3/base_pb.js';
import {
  type Route,
  type RouteMatch,
  RouteMatchSchema,
  RouteSchema,
} from '../../proto/generated/envoy/config/route/v3/route_components_pb.js';
import { noTimeLimit, shortestLimit } from '../config-kind/time-limit.ts';
import { noRouteTraffic, type RouteTraffic } from '../config-kind/traffic-resource.ts';
import type { AttachedHttpRule, AttachedRoute, Backend, PortDefinition, PortRouting } from '../model/model.ts';
import { mergedRouteTraffic } from '../model/traffic-index.ts';
import { defaultResilience } from './default-resilience.ts';
import { breakerExtension } from './encode-circuit-breaker.ts';
import { type MissingBackends, setByMetadata } from './encode-set-by.ts';
import { ownExtensions } from './own-extensions.ts';
import { missingBackendCluster, outboundCluster } from './resource-names.ts';
import {
  type Action,
  forwardAction,
  headerFields,
  noBackendAction,
  problemsText,
  redirectAction,
} from './route-action.ts';
import { grpcMatch, httpMatchVariants } from './route-match.ts';
import { type OrderedMatch, orderedMatches } from './route-order.ts';
import { type RouteFields, routeFields } from './route-traffic.ts';

/** `ours`: for sidecars of ours, which take extensions that Envoy has not. Without attached routes everything goes to the port's own endpoints; with them, what no rule matches is answered 404 (GEP-1426). */
export function proxyRoutes(
  { definition, traffic }: Pick<PortRouting, 'definition' | 'traffic'>,
  attached: readonly AttachedRoute[],
  ours: boolean,
): Route[] {
  if (attached.length === 0) return defaultRoutes(definition, traffic, ours);
  return orderedMatches(attached).flatMap((ordered) => routesOf(ordered, definition, traffic, ours));
}

function defaultRoutes(definition: PortDefinition, traffic: RouteTraffic, ours: boolean): Route[] {
  const { namespace, service, port } = definition;
  const cluster = outboundCluster(namespace, service, port);
  const match = create(RouteMatchSchema, { pathSpecifier: { case: 'prefix', value: '/' } });
  return byProtocol(definition, traffic, match, null).map(({ match, metadata, fields }) =>
    create(RouteSchema, {
      name: `${namespace}/${service}#default`,
      match,
      metadata,
      typedPerFilterConfig: extensions(traffic, ours),
      action: { case: 'route', value: { ...fields, clusterSpecifier: { case: 'cluster', value: cluster } } },
    }),
  );
}

function routesOf(ordered: OrderedMatch, definition: PortDefinition, ofPort: RouteTraffic, ours: boolean): Route[] {
  const { rule, routeName: name } = ordered;
  // A rule that sends nothing anywhere has nothing to break.
  const breaker = rule.backends.some(exists) ? breakerExtension(rule.traffic.circuitBreaker, ours) : {};
  const headers = headerFields(rule.requestHeaders, rule.responseHeaders);
  const missing = missingOf(ordered);
  if (ordered.kind === 'grpc') {
    const match = grpcMatch(ordered.match);
    const traffic = mergedRouteTraffic(rule.traffic, ofPort);
    return [
      create(RouteSchema, {
        name,
        match,
        metadata: setByMetadata(rule.backends.some(exists) ? traffic : null, true, missing),
        ...headers,
        typedPerFilterConfig: rule.backends.some(exists) ? { ...breaker, ...extensions(traffic, ours) } : {},
        action: forwardOrAnswer(name, rule.backends, 503, routeFields(traffic, true)),
      }),
    ];
  }
  const { redirect, rewrite } = ordered.rule;
  const traffic = httpTraffic(ordered.rule, ofPort);
  return httpMatchVariants(ordered.match, redirect?.path ?? rewrite?.path ?? null).flatMap(
    ({ match, prefixRewrite }) => {
      if (redirect !== null)
        return [create(RouteSchema, { name, match, ...headers, action: redirectAction(redirect, prefixRewrite) })];
      if (!rule.backends.some(exists))
        return [
          create(RouteSchema, {
            name,
            match,
            metadata: setByMetadata(null, false, missing),
            ...headers,
            action: noBackendAction(name, rule.backends, 500),
          }),
        ];
      const hostname = rewrite?.hostname ?? '';
      const rewriteFields =
        hostname === ''
          ? { prefixRewrite }
          : { prefixRewrite, hostRewriteSpecifier: { case: 'hostRewriteLiteral' as const, value: hostname } };
      return byProtocol(definition, traffic, match, missing).map(({ match, metadata, fields }) =>
        create(RouteSchema, {
          name,
          match,
          metadata,
          ...headers,
          typedPerFilterConfig: { ...breaker, ...extensions(traffic, ours) },
          action: forwardAction(rule.backends, 500, { ...fields, ...rewriteFields }),
        }),
      );
    },
  );
}

function extensions(traffic: RouteTraffic, ours: boolean): Record<string, Any> {
  return ours ? ownExtensions(traffic) : {};
}

function forwardOrAnswer(name: string, backends: readonly Backend[], status: 500 | 503, fields: RouteFields): Action {
  return backends.some(exists) ? forwardAction(backends, status, fields) : noBackendAction(name, backends, status);
}

/** Null: every backend that it names is there. */
function missingOf({ rule, route: { kind, namespace, name } }: OrderedMatch): MissingBackends | null {
  if (rule.backends.length > 0 && rule.backends.every(exists)) return null;
  return {
    route: `${kind} ${namespace}/${name}`,
    why: problemsText('', rule.backends),
    cluster: rule.backends.some(exists) ? missingBackendCluster : '',
  };
}

function exists({ problem }: Backend): boolean {
  return problem === '';
}

/** A rule's timeouts.backendRequest is of one attempt, where proxies take that; else the shorter of both holds for the request. */
function httpTraffic({ traffic, backendTimeout }: AttachedHttpRule, ofPort: RouteTraffic): RouteTraffic {
  if (backendTimeout === null) return mergedRouteTraffic(traffic, ofPort);
  if (defaultResilience.backendRequestIsPerTry.enabled || traffic.retries !== null) {
    const { requestTimeout, ...rest } = mergedRouteTraffic({ ...traffic, perTryTimeout: backendTimeout }, ofPort);
    // The default must not cut an attempt short that may take longer.
    const isLonger = requestTimeout === null && backendTimeout.ms > defaultResilience.requestTimeoutMs;
    return { ...rest, requestTimeout: isLonger ? backendTimeout : requestTimeout };
  }
  const own = {
    ...noRouteTraffic,
    requestTimeout: shortestLimit(traffic.requestTimeout, backendTimeout) ?? noTimeLimit,
  };
  return mergedRouteTraffic(own, mergedRouteTraffic(traffic, ofPort));
}

/**
 * A route's fields by what the port speaks: gRPC has no timeout by default (deadlines are the caller's, and a stream has no end); HTTP/2 may carry gRPC beside HTTP, so its calls get a
 * route of their own before the other.
 */
function byProtocol(
  { protocol }: PortDefinition,
  traffic: RouteTraffic,
  match: RouteMatch,
  missing: MissingBackends | null,
): Array<{ readonly match: RouteMatch; readonly metadata: Metadata | undefined; readonly fields: RouteFields }> {
  const said = (match: RouteMatch, grpc: boolean) => ({
    match,
    metadata: setByMetadata(traffic, grpc, missing),
    fields: routeFields(traffic, grpc),
  });
  if (protocol === 'grpc') return [said(match, true)];
  if (traffic.requestTimeout !== null || protocol === 'http') return [said(match, false)];
  const grpcOnly = create(RouteMatchSchema, {
    pathSpecifier: match.pathSpecifier,
    headers: match.headers,
    queryParameters: match.queryParameters,
    grpc: {},
  });
  return [said(grpcOnly, true), said(match, false)];
}

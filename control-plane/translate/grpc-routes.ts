/** Routes of one port for proxyless gRPC clients: only what they take (xds.md C2); a redirect or a rule without backends leads to a cluster without endpoints, so such calls end UNAVAILABLE. */
import { create } from '@bufbuild/protobuf';
import {
  type Route,
  RouteMatchSchema,
  RouteSchema,
} from '../../proto/generated/envoy/config/route/v3/route_components_pb.js';
import { noTimeLimit, shortestLimit } from '../config-kind/time-limit.ts';
import { noRouteTraffic, type RouteTraffic } from '../config-kind/traffic-resource.ts';
import type { AttachedHttpRule, AttachedRoute, Backend, PortRouting } from '../model/model.ts';
import { mergedRouteTraffic } from '../model/traffic-index.ts';
import { missingBackendCluster, outboundCluster } from './resource-names.ts';
import { forwardAction } from './route-action.ts';
import { grpcMatchForGrpc, httpMatchForGrpc } from './route-match.ts';
import { type OrderedMatch, orderedMatches } from './route-order.ts';
import { grpcRouteFields } from './route-traffic.ts';

export function grpcRoutes(
  { definition, traffic }: Pick<PortRouting, 'definition' | 'traffic'>,
  attached: readonly AttachedRoute[],
): Route[] {
  if (attached.length > 0) return orderedMatches(attached).flatMap((ordered) => routesOf(ordered, traffic));
  const { namespace, service, port } = definition;
  const match = create(RouteMatchSchema, { pathSpecifier: { case: 'prefix', value: '/' } });
  const cluster = outboundCluster(namespace, service, port);
  return [
    create(RouteSchema, {
      name: `${namespace}/${service}#default`,
      match,
      action: {
        case: 'route',
        value: { ...grpcRouteFields(traffic), clusterSpecifier: { case: 'cluster', value: cluster } },
      },
    }),
  ];
}

/** Header filters and rewrites are left out: a gRPC client has no place for them. */
function routesOf(ordered: OrderedMatch, ofPort: RouteTraffic): Route[] {
  const matches = ordered.kind === 'grpc' ? grpcMatchForGrpc(ordered.match) : httpMatchForGrpc(ordered.match);
  const redirects = ordered.kind === 'http' && ordered.rule.redirect !== null;
  const backends = redirects
    ? []
    : ordered.rule.backends.map((backend): Backend => ({ ...backend, requestHeaders: null, responseHeaders: null }));
  const own = ordered.kind === 'http' ? shorter(ordered.rule) : ordered.rule.traffic;
  const fields = grpcRouteFields(mergedRouteTraffic(own, ofPort));
  const action =
    backends.length > 0
      ? forwardAction(backends, 503, fields)
      : {
          case: 'route' as const,
          value: { clusterSpecifier: { case: 'cluster' as const, value: missingBackendCluster } },
        };
  return matches.map((match) => create(RouteSchema, { name: ordered.routeName, match, action }));
}

/** A client knows no timeout of one attempt: the shorter of both holds. */
function shorter({ traffic, backendTimeout }: Pick<AttachedHttpRule, 'traffic' | 'backendTimeout'>): RouteTraffic {
  if (backendTimeout === null) return traffic;
  const requestTimeout = shortestLimit(traffic.requestTimeout, backendTimeout) ?? noTimeLimit;
  return mergedRouteTraffic({ ...noRouteTraffic, requestTimeout }, traffic);
}

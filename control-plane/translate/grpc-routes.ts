/** Routes of one port for proxyless gRPC clients: only what they take (xds.md C2); a redirect or a rule without backends leads to a cluster without endpoints, so such calls end UNAVAILABLE. */
import { create } from '@bufbuild/protobuf';
import {
  type Route,
  RouteMatchSchema,
  RouteSchema,
} from '../../proto/generated/envoy/config/route/v3/route_components_pb.js';
import type { AttachedRoute, Backend, PortDefinition } from '../model/model.ts';
import { durationOf } from './api-values.ts';
import { missingBackendCluster, outboundCluster } from './resource-names.ts';
import { forwardAction } from './route-action.ts';
import { grpcMatchForGrpc, httpMatchForGrpc } from './route-match.ts';
import { type OrderedMatch, orderedMatches } from './route-order.ts';

export function grpcRoutes({ namespace, service, port }: PortDefinition, attached: readonly AttachedRoute[]): Route[] {
  if (attached.length > 0) return orderedMatches(attached).flatMap(routesOf);
  const match = create(RouteMatchSchema, { pathSpecifier: { case: 'prefix', value: '/' } });
  const cluster = outboundCluster(namespace, service, port);
  return [
    create(RouteSchema, {
      name: `${namespace}/${service}#default`,
      match,
      action: { case: 'route', value: { clusterSpecifier: { case: 'cluster', value: cluster } } },
    }),
  ];
}

/** Header filters and rewrites are left out: a gRPC client has no place for them. */
function routesOf(ordered: OrderedMatch): Route[] {
  const matches = ordered.kind === 'grpc' ? grpcMatchForGrpc(ordered.match) : httpMatchForGrpc(ordered.match);
  const timeoutMs = ordered.kind === 'http' ? (ordered.rule.timeoutMs ?? 0) : 0;
  const redirects = ordered.kind === 'http' && ordered.rule.redirect !== null;
  const backends = redirects
    ? []
    : ordered.rule.backends.map((backend): Backend => ({ ...backend, requestHeaders: null, responseHeaders: null }));
  const fields = timeoutMs > 0 ? { maxStreamDuration: { maxStreamDuration: durationOf(timeoutMs) } } : {};
  const action =
    backends.length > 0
      ? forwardAction(backends, 503, fields)
      : {
          case: 'route' as const,
          value: { clusterSpecifier: { case: 'cluster' as const, value: missingBackendCluster } },
        };
  return matches.map((match) => create(RouteSchema, { name: ordered.routeName, match, action }));
}

/** RouteConfiguration → RouteTableConfig. Unsupported fields were reported by check-fields.ts; here are the rules of what is there. */

import { isAuthority } from '../codec/authority.ts';
import type { RateLimitPolicyConfig, RouteRateLimitsConfig } from '../config/rate-limit-config.ts';
import {
  type ForwardActionConfig,
  noHeaderMutations,
  type RedirectActionConfig,
  type RouteActionConfig,
  type RouteConfig,
  type RouteTableConfig,
  type VirtualHostConfig,
  type WeightedClusterConfig,
} from '../config/route-config.ts';
import { RoutingPriority } from './api/envoy/config/core/v3/base_pb.js';
import type {
  RedirectAction,
  Route,
  RouteAction,
  VirtualHost,
  WeightedCluster_ClusterWeight,
} from './api/envoy/config/route/v3/route_components_pb.js';
import {
  RedirectAction_RedirectResponseCode,
  RouteAction_ClusterNotFoundResponseCode,
} from './api/envoy/config/route/v3/route_components_pb.js';
import type { RouteConfiguration } from './api/envoy/config/route/v3/route_pb.js';
import { circuitBreaker, noBreakerHere, sharedBreakers } from './decode-circuit-breaker.ts';
import { rateLimits } from './decode-rate-limits.ts';
import { hedges, retryPolicy } from './decode-retry.ts';
import { routeGates } from './decode-route-gates.ts';
import { routeMatch } from './decode-route-match.ts';
import {
  namedMemory,
  noRouterExtensions,
  type RouterExtensions,
  routerExtensions,
} from './decode-router-extensions.ts';
import { routeSetters } from './decode-set-by.ts';
import { routeTracing } from './decode-tracing.ts';
import { dataSourceText, durationMs, headerMutations } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

export function decodeRouteTable(message: RouteConfiguration, path: string, faults: Faults): RouteTableConfig {
  const domains = new Map<string, string>();
  const names = new Set<string>();
  const perFilterPath = at(path, 'typed_per_filter_config');
  const gates = routeGates(message.typedPerFilterConfig, null, perFilterPath, faults);
  const extensions = routerExtensions(message.typedPerFilterConfig, noRouterExtensions, perFilterPath, faults);
  noBreakerHere(message.typedPerFilterConfig, perFilterPath, faults);
  const virtualHosts = message.virtualHosts.map((host, i) => {
    const here = at(at(path, 'virtual_hosts'), i);
    if (names.has(host.name))
      faults.add(at(here, 'name'), `${JSON.stringify(host.name)} is the name of another virtual host too`);
    names.add(host.name);
    return virtualHost(host, here, domains, { gates, extensions }, faults);
  });
  return Object.freeze({
    name: message.name,
    virtualHosts,
    ...headerMutations(message, path, faults),
    ignorePortInHost: message.ignorePortInHostMatching,
    validateClusters: message.validateClusters ?? true,
  });
}

/** What a table says for those of its virtual hosts that say nothing. */
type TableDefaults = Pick<RouteConfig, 'gates'> & { readonly extensions: RouterExtensions };

/** What a virtual host says for those of its routes that say nothing. */
type VirtualHostDefaults = TableDefaults & {
  readonly rateLimits: readonly RateLimitPolicyConfig[];
} & Pick<
    ForwardActionConfig,
    'retry' | 'hedgeOnPerTryTimeout' | 'replayLimitBytes' | 'attemptCountInRequest' | 'attemptCountInResponse'
  >;

function virtualHost(
  message: VirtualHost,
  path: string,
  domains: Map<string, string>,
  table: TableDefaults,
  faults: Faults,
): VirtualHostConfig {
  if (message.name === '') faults.add(at(path, 'name'), 'must not be empty');
  if (message.domains.length === 0) faults.add(at(path, 'domains'), 'needs at least one domain');
  for (const [i, domain] of message.domains.entries()) {
    const here = at(at(path, 'domains'), i);
    const lower = domain.toLowerCase();
    const taken = domains.get(lower);
    if (taken !== undefined)
      faults.add(
        here,
        `${JSON.stringify(domain)} belongs to virtual host ${JSON.stringify(taken)} already; domains are unique in a route configuration`,
      );
    domains.set(lower, message.name);
    const stars = domain.split('*').length - 1;
    if (domain === '' || stars > 1 || (stars === 1 && !domain.startsWith('*') && !domain.endsWith('*'))) {
      faults.add(here, `${JSON.stringify(domain)} is not a domain; a * may stand at one end`);
    }
  }
  noBreakerHere(message.typedPerFilterConfig, at(path, 'typed_per_filter_config'), faults);
  const outer: VirtualHostDefaults = {
    gates: routeGates(message.typedPerFilterConfig, table.gates, at(path, 'typed_per_filter_config'), faults),
    extensions: routerExtensions(
      message.typedPerFilterConfig,
      table.extensions,
      at(path, 'typed_per_filter_config'),
      faults,
    ),
    retry: retryPolicy(message.retryPolicy, at(path, 'retry_policy'), faults),
    hedgeOnPerTryTimeout: hedges(message.hedgePolicy, at(path, 'hedge_policy'), faults),
    replayLimitBytes: message.perRequestBufferLimitBytes ?? null,
    attemptCountInRequest: message.includeRequestAttemptCount,
    attemptCountInResponse: message.includeAttemptCountInResponse,
    rateLimits: rateLimits(message.rateLimits, at(path, 'rate_limits'), faults),
  };
  const routes = message.routes.map((route, i) => decodeRoute(route, at(at(path, 'routes'), i), outer, faults));
  sharedBreakers(routes, at(path, 'routes'), faults);
  namedMemory(routes, at(path, 'routes'), faults);
  return {
    name: message.name,
    domains: message.domains.map((domain) => domain.toLowerCase()),
    routes,
    ...headerMutations(message, path, faults),
  };
}

function decodeRoute(message: Route, path: string, outer: VirtualHostDefaults, faults: Faults): RouteConfig {
  return {
    name: message.name,
    match: routeMatch(message.match, at(path, 'match'), faults),
    action: action(message, path, outer, faults),
    gates: routeGates(message.typedPerFilterConfig, outer.gates, at(path, 'typed_per_filter_config'), faults),
    circuitBreaker: circuitBreaker(message.typedPerFilterConfig, at(path, 'typed_per_filter_config'), faults),
    rateLimits: routeRateLimits(message, outer.rateLimits, path, faults),
    setBy: routeSetters(message.metadata),
    tracing: routeTracing(message.tracing, at(path, 'tracing'), faults),
    ...headerMutations(message, path, faults),
  };
}

/** Only requests that are forwarded are described (Envoy). */
function routeRateLimits(
  { action }: Route,
  virtualHost: readonly RateLimitPolicyConfig[],
  path: string,
  faults: Faults,
): RouteRateLimitsConfig | null {
  if (action.case !== 'route') return null;
  const route = rateLimits(action.value.rateLimits, at(path, 'route.rate_limits'), faults);
  if (route.length === 0 && virtualHost.length === 0) return null;
  return Object.freeze({ route, virtualHost, includeVirtualHost: action.value.includeVhRateLimits ?? false });
}

function action(message: Route, path: string, outer: VirtualHostDefaults, faults: Faults): RouteActionConfig {
  switch (message.action.case) {
    case 'route':
      return forward(
        message.action.value,
        at(path, 'route'),
        {
          ...outer,
          replayLimitBytes: message.perRequestBufferLimitBytes ?? outer.replayLimitBytes,
          extensions: routerExtensions(
            message.typedPerFilterConfig,
            outer.extensions,
            at(path, 'typed_per_filter_config'),
            faults,
          ),
        },
        faults,
      );
    case 'redirect':
      if (message.action.value.portRedirect > 65_535)
        faults.add(
          at(path, 'redirect.port_redirect'),
          `${message.action.value.portRedirect} is not a port (0 to 65535)`,
        );
      return redirect(message.action.value, at(path, 'redirect'), faults);
    case 'directResponse': {
      const { status, body } = message.action.value;
      const here = at(path, 'direct_response');
      if (status < 200 || status > 599)
        faults.add(at(here, 'status'), `${status} is not an HTTP status from 200 to 599`);
      return {
        kind: 'direct-response',
        status,
        body: body === undefined ? '' : dataSourceText(body, at(here, 'body'), faults),
      };
    }
    default:
      // Another action was reported as unsupported already.
      if (message.action.case === undefined) faults.add(path, 'needs route, redirect or direct_response');
      return { kind: 'direct-response', status: 500, body: '' };
  }
}

function forward(message: RouteAction, path: string, outer: VirtualHostDefaults, faults: Faults): ForwardActionConfig {
  return {
    kind: 'forward',
    clusters: targetClusters(message, path, faults),
    // A route with a max_stream_duration has no other limit, the default neither (Envoy).
    timeoutMs:
      durationMs(message.timeout, 15_000, at(path, 'timeout'), faults) *
      (message.maxStreamDuration === undefined ? 1 : 0),
    idleTimeoutMs:
      message.idleTimeout === undefined ? null : durationMs(message.idleTimeout, 0, at(path, 'idle_timeout'), faults),
    maxStreamDurationMs:
      message.maxStreamDuration?.maxStreamDuration === undefined
        ? null
        : durationMs(
            message.maxStreamDuration.maxStreamDuration,
            0,
            at(path, 'max_stream_duration.max_stream_duration'),
            faults,
          ),
    grpcTimeoutHeaderMaxMs:
      message.maxStreamDuration?.grpcTimeoutHeaderMax === undefined
        ? null
        : durationMs(
            message.maxStreamDuration.grpcTimeoutHeaderMax,
            0,
            at(path, 'max_stream_duration.grpc_timeout_header_max'),
            faults,
          ),
    grpcTimeoutHeaderOffsetMs: durationMs(
      message.maxStreamDuration?.grpcTimeoutHeaderOffset,
      0,
      at(path, 'max_stream_duration.grpc_timeout_header_offset'),
      faults,
    ),
    prefixRewrite: pathText(message.prefixRewrite, at(path, 'prefix_rewrite'), faults),
    hostRewrite: hostText(
      message.hostRewriteSpecifier.case === 'hostRewriteLiteral' ? message.hostRewriteSpecifier.value : '',
      at(path, 'host_rewrite_literal'),
      faults,
    ),
    // As a whole: what the route's own leaves out is not taken from the virtual host's (Envoy).
    retry: retryPolicy(message.retryPolicy, at(path, 'retry_policy'), faults) ?? outer.retry,
    highPriority: message.priority === RoutingPriority.HIGH,
    hedgeOnPerTryTimeout:
      message.hedgePolicy === undefined
        ? outer.hedgeOnPerTryTimeout
        : hedges(message.hedgePolicy, at(path, 'hedge_policy'), faults),
    ...outer.extensions,
    replayLimitBytes: outer.replayLimitBytes,
    attemptCountInRequest: outer.attemptCountInRequest,
    attemptCountInResponse: outer.attemptCountInResponse,
    clusterNotFoundStatus: clusterNotFoundStatus(message.clusterNotFoundResponseCode),
  };
}

function clusterNotFoundStatus(code: RouteAction_ClusterNotFoundResponseCode): number {
  if (code === RouteAction_ClusterNotFoundResponseCode.NOT_FOUND) return 404;
  return code === RouteAction_ClusterNotFoundResponseCode.INTERNAL_SERVER_ERROR ? 500 : 503;
}

function targetClusters(message: RouteAction, path: string, faults: Faults): readonly WeightedClusterConfig[] {
  const specifier = message.clusterSpecifier;
  if (specifier.case === 'cluster') {
    if (specifier.value === '') faults.add(at(path, 'cluster'), 'must not be empty');
    return [
      { name: specifier.value, weight: 1, requestHeaders: noHeaderMutations, responseHeaders: noHeaderMutations },
    ];
  }
  if (specifier.case !== 'weightedClusters') {
    if (specifier.case === undefined) faults.add(path, 'needs cluster or weighted_clusters');
    return [];
  }
  const here = at(path, 'weighted_clusters');
  const clusters = specifier.value.clusters.map((cluster, i) =>
    weightedCluster(cluster, at(at(here, 'clusters'), i), faults),
  );
  if (clusters.length === 0) faults.add(at(here, 'clusters'), 'needs at least one cluster');
  const sum = clusters.reduce((total, { weight }) => total + weight, 0);
  if (clusters.length > 0 && (sum === 0 || sum > 0xffff_ffff))
    faults.add(at(here, 'clusters'), `the weights sum to ${sum}, which is not between 1 and ${0xffff_ffff}`);
  return clusters;
}

function weightedCluster(message: WeightedCluster_ClusterWeight, path: string, faults: Faults): WeightedClusterConfig {
  if (message.name === '') faults.add(at(path, 'name'), 'must not be empty');
  return { name: message.name, weight: message.weight ?? 0, ...headerMutations(message, path, faults) };
}

/** Goes out as it stands, in a request line or a Location: nothing in it may end that line or begin another part of it. */
function pathText(text: string, path: string, faults: Faults): string {
  if (!/^[\x21\x22\x24-\x7e]*$/.test(text))
    faults.add(
      path,
      'has a character that may not stand in a path: a space, a control character, # or one beyond ASCII',
    );
  return text;
}

function hostText(text: string, path: string, faults: Faults): string {
  if (text !== '' && !isAuthority(text)) faults.add(path, `${JSON.stringify(text)} is not a host, or host:port`);
  return text;
}

function redirect(message: RedirectAction, path: string, faults: Faults): RedirectActionConfig {
  const scheme = message.schemeRewriteSpecifier;
  const rewrite = message.pathRewriteSpecifier;
  return {
    kind: 'redirect',
    status: redirectStatus(message.responseCode),
    scheme:
      scheme.case === 'httpsRedirect' && scheme.value
        ? 'https'
        : scheme.case === 'schemeRedirect'
          ? schemeText(scheme.value, at(path, 'scheme_redirect'), faults)
          : '',
    host: hostText(message.hostRedirect, at(path, 'host_redirect'), faults),
    port: message.portRedirect,
    path: rewrite.case === 'pathRedirect' ? pathText(rewrite.value, at(path, 'path_redirect'), faults) : '',
    prefixRewrite: rewrite.case === 'prefixRewrite' ? pathText(rewrite.value, at(path, 'prefix_rewrite'), faults) : '',
    stripQuery: message.stripQuery,
  };
}

function schemeText(text: string, path: string, faults: Faults): string {
  if (!/^[a-zA-Z][a-zA-Z0-9+.-]*$/.test(text))
    faults.add(path, `${JSON.stringify(text)} is not a scheme (RFC 3986 3.1)`);
  return text;
}

function redirectStatus(code: RedirectAction_RedirectResponseCode): RedirectActionConfig['status'] {
  switch (code) {
    case RedirectAction_RedirectResponseCode.FOUND:
      return 302;
    case RedirectAction_RedirectResponseCode.SEE_OTHER:
      return 303;
    case RedirectAction_RedirectResponseCode.TEMPORARY_REDIRECT:
      return 307;
    case RedirectAction_RedirectResponseCode.PERMANENT_REDIRECT:
      return 308;
    default:
      return 301;
  }
}

/** What a route does: forward to one or several clusters, redirect, or answer that no backend exists. Timeouts and header changes belong to it. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type HeaderValueOption,
  HeaderValueOption_HeaderAppendAction,
  HeaderValueOptionSchema,
} from '../../proto/generated/envoy/config/core/v3/base_pb.js';
import {
  RedirectAction_RedirectResponseCode,
  RouteAction_ClusterNotFoundResponseCode,
  type RouteSchema,
  type WeightedCluster_ClusterWeight,
  WeightedCluster_ClusterWeightSchema,
  WeightedClusterSchema,
} from '../../proto/generated/envoy/config/route/v3/route_components_pb.js';
import type { HeaderEntry, HeaderModifier, RedirectFilter } from '../config-kind/resource.ts';
import type { Backend } from '../model/model.ts';
import { missingBackendCluster, outboundCluster } from './resource-names.ts';
import type { RouteFields } from './route-traffic.ts';

type RouteInit = MessageInitShape<typeof RouteSchema>;
export type Action = NonNullable<RouteInit['action']>;

/** Forwards to the backends by weight. The share of those that do not exist goes to a cluster that nobody has. */
export function forwardAction(backends: readonly Backend[], missingStatus: 500 | 503, fields: RouteFields): Action {
  const clusterNotFoundResponseCode =
    missingStatus === 500 && backends.some(({ problem }) => problem !== '')
      ? RouteAction_ClusterNotFoundResponseCode.INTERNAL_SERVER_ERROR
      : RouteAction_ClusterNotFoundResponseCode.SERVICE_UNAVAILABLE;
  const only = backends.length === 1 ? backends[0]! : null;
  if (only !== null && only.requestHeaders === null && only.responseHeaders === null) {
    return {
      case: 'route',
      value: { ...fields, clusterNotFoundResponseCode, clusterSpecifier: { case: 'cluster', value: clusterOf(only) } },
    };
  }
  return {
    case: 'route',
    value: {
      ...fields,
      clusterNotFoundResponseCode,
      clusterSpecifier: {
        case: 'weightedClusters',
        value: create(WeightedClusterSchema, { clusters: backends.map(weighted) }),
      },
    },
  };
}

function weighted(backend: Backend): WeightedCluster_ClusterWeight {
  return create(WeightedCluster_ClusterWeightSchema, {
    name: clusterOf(backend),
    weight: backend.weight,
    ...headerFields(backend.requestHeaders, backend.responseHeaders),
  });
}

function clusterOf({ namespace, service, port, problem }: Backend): string {
  return problem === '' ? outboundCluster(namespace, service, port) : missingBackendCluster;
}

/** Envoy refuses a body above 4096 bytes, and with it the whole table; our sidecar takes no longer text in a route's metadata (sidecar/xds/decode-set-by.ts). */
const maxProblemsLength = 1024;

/** The answer of a rule that has no backend that exists. */
export function noBackendAction(routeName: string, backends: readonly Backend[], status: 500 | 503): Action {
  const body = problemsText(`${routeName} has no backend${backends.length === 0 ? '' : ': '}`, backends);
  return { case: 'directResponse', value: { status, body: { specifier: { case: 'inlineString', value: body } } } };
}

/** `start`, and why backends that do not exist don't: as much of it as there is room for, in printable ASCII. */
export function problemsText(start: string, backends: readonly Backend[]): string {
  const problems = new Set(backends.map(({ problem }) => problem.replaceAll(/[^\x20-\x7e]/g, '?')));
  problems.delete('');
  const reasons = [...problems];
  let text = start;
  for (const [at, reason] of reasons.entries()) {
    const more = `${at === 0 ? '' : '; '}${reason}`;
    const after = andMore(reasons.length - at - 1);
    const room = maxProblemsLength - text.length - after.length;
    if (more.length <= room) text += more;
    else if (at === 0) return `${text}${reason.slice(0, room - 3)}...${after}`;
    else return text + andMore(reasons.length - at);
  }
  return text;
}

function andMore(count: number): string {
  return count === 0 ? '' : `; and ${count} more`;
}

const redirectCodes: Readonly<Record<RedirectFilter['status'], RedirectAction_RedirectResponseCode>> = {
  301: RedirectAction_RedirectResponseCode.MOVED_PERMANENTLY,
  302: RedirectAction_RedirectResponseCode.FOUND,
  303: RedirectAction_RedirectResponseCode.SEE_OTHER,
  307: RedirectAction_RedirectResponseCode.TEMPORARY_REDIRECT,
  308: RedirectAction_RedirectResponseCode.PERMANENT_REDIRECT,
};

/** Gateway API: a scheme without a port means the port that is well known for it. Left out, Envoy would keep the caller's (`https://shop:8080`). */
const wellKnownPorts: Readonly<Record<RedirectFilter['scheme'], number>> = { '': 0, http: 80, https: 443 };

export function redirectAction(
  { scheme, hostname, port, path, status }: RedirectFilter,
  prefixRewrite: string,
): Action {
  return {
    case: 'redirect',
    value: {
      schemeRewriteSpecifier: scheme === '' ? { case: undefined } : { case: 'schemeRedirect', value: scheme },
      hostRedirect: hostname,
      portRedirect: port === 0 ? wellKnownPorts[scheme] : port,
      pathRewriteSpecifier:
        path?.type === 'ReplaceFullPath'
          ? { case: 'pathRedirect', value: path.value }
          : prefixRewrite === ''
            ? { case: undefined }
            : { case: 'prefixRewrite', value: prefixRewrite },
      responseCode: redirectCodes[status],
    },
  };
}

/** Header changes of a route or of one of its clusters. */
export function headerFields(
  request: HeaderModifier | null,
  response: HeaderModifier | null,
): Pick<
  WeightedCluster_ClusterWeight,
  'requestHeadersToAdd' | 'requestHeadersToRemove' | 'responseHeadersToAdd' | 'responseHeadersToRemove'
> {
  return {
    requestHeadersToAdd: headersToAdd(request),
    requestHeadersToRemove: [...(request?.remove ?? [])],
    responseHeadersToAdd: headersToAdd(response),
    responseHeadersToRemove: [...(response?.remove ?? [])],
  };
}

const option =
  (appendAction: HeaderValueOption_HeaderAppendAction) =>
  (entry: HeaderEntry): HeaderValueOption =>
    // A per cent sign begins a command operator in Envoy; doubled it is itself.
    create(HeaderValueOptionSchema, {
      header: { key: entry.name, value: entry.value.replaceAll('%', '%%') },
      appendAction,
      keepEmptyValue: true,
    });

function headersToAdd(modifier: HeaderModifier | null): HeaderValueOption[] {
  if (modifier === null) return [];
  return [
    ...modifier.set.map(option(HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD)),
    ...modifier.add.map(option(HeaderValueOption_HeaderAppendAction.APPEND_IF_EXISTS_OR_ADD)),
  ];
}

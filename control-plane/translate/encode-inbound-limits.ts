/**
 * What TrafficPolicies say of a workload itself → filters of its inbound chain, behind those that decide whether a request may pass and before faults: our own filter for limits, the queue and priorities, for
 * sidecars of ours only, as Envoy has none and would refuse the listener; and Envoy's adaptive_concurrency right behind it, for both.
 */
import { create } from '@bufbuild/protobuf';
import {
  type AdaptiveConcurrency,
  AdaptiveConcurrencySchema,
} from '../../proto/generated/envoy/extensions/filters/http/adaptive_concurrency/v3/adaptive_concurrency_pb.js';
import type { HttpFilter } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { StringMatcher } from '../../proto/generated/envoy/type/matcher/v3/string_pb.js';
import {
  type InboundLimits,
  type InboundLimits_Match,
  InboundLimits_MatchSchema,
  InboundLimitsSchema,
} from '../../proto/generated/outrigger/resilience/v1/inbound_limits_pb.js';
import { SheddingPriority_Priority } from '../../proto/generated/outrigger/resilience/v1/shedding_pb.js';
import type { CallerName, RequestMatch } from '../config-kind/policy-resource.ts';
import type {
  AdaptiveConcurrencySettings,
  InboundLimitSettings,
  InboundTraffic,
  PriorityRule,
} from '../config-kind/traffic-resource.ts';
import { durationOf } from './api-values.ts';
import { httpFilter } from './encode-http-manager.ts';
import { encodeRequestMatch } from './encode-request-match.ts';
import type { ClientKind } from './proxy-node.ts';
import { textMatcher } from './text-matcher.ts';

const priorityNumbers: Readonly<Record<PriorityRule['priority'], SheddingPriority_Priority>> = {
  critical: SheddingPriority_Priority.CRITICAL,
  default: SheddingPriority_Priority.DEFAULT,
  sheddable: SheddingPriority_Priority.SHEDDABLE,
};

export interface InboundFilters {
  readonly filters: readonly HttpFilter[];
  /** A limit or a priority looks at the path. */
  readonly comparesPaths: boolean;
}

export function encodeInboundFilters(
  { limits, adaptiveConcurrency, priorities }: InboundTraffic,
  kind: ClientKind,
  trustDomain: string,
): InboundFilters {
  const said = limits === 'off' ? null : limits;
  const adaptive = adaptiveConcurrency === 'off' ? null : adaptiveConcurrency;
  const ours = kind === 'outrigger' && (said !== null || (adaptive !== null && priorities.length > 0));
  const filters = [
    ...(ours
      ? [
          httpFilter(
            'outrigger.filters.http.inbound_limits',
            InboundLimitsSchema,
            limitsMessage(said, priorities, trustDomain),
          ),
        ]
      : []),
    ...(adaptive === null
      ? []
      : [httpFilter('envoy.filters.http.adaptive_concurrency', AdaptiveConcurrencySchema, adaptiveMessage(adaptive))]),
  ];
  const matches = [...priorities, ...(said?.perRoute ?? [])].map(({ match }) => match);
  return { filters, comparesPaths: ours && matches.some(({ paths }) => paths.length > 0) };
}

/** Everything is said, so that what holds does not depend on the sidecar's version. */
function limitsMessage(
  limits: InboundLimitSettings | null,
  priorities: readonly PriorityRule[],
  trustDomain: string,
): InboundLimits {
  const { rule = '', maxRequests = null, perCaller = null, perRoute = [], queue = null } = limits ?? {};
  return create(InboundLimitsSchema, {
    rule,
    ...(maxRequests === null ? {} : { maxRequests }),
    ...(perCaller === null
      ? {}
      : {
          callers: {
            maxRequests: perCaller.maxRequests,
            exceptions: perCaller.exceptions.map((each) => ({
              callers: each.callers.map((caller) => callerMatcher(caller, trustDomain)),
              maxRequests: each.maxRequests,
            })),
          },
        }),
    routes: perRoute.map((route) => ({
      name: route.name,
      match: matchMessage(route.match, trustDomain),
      maxRequests: route.maxRequests,
    })),
    ...(queue === null
      ? {}
      : {
          queue: {
            maxRequests: queue.maxRequests,
            maxRequestsPerCaller: queue.maxRequestsPerCaller,
            maxWait: durationOf(queue.maxWaitMs),
            overloadTarget: durationOf(queue.targetMs),
            overloadInterval: durationOf(queue.intervalMs),
          },
        }),
    priorities: priorities.map(({ match, priority }) => ({
      match: matchMessage(match, trustDomain),
      priority: priorityNumbers[priority],
    })),
  });
}

function matchMessage({ paths, methods, headers, callers }: RequestMatch, trustDomain: string): InboundLimits_Match {
  return create(InboundLimits_MatchSchema, {
    paths: paths.map((each) => textMatcher(each)),
    methods: [...methods],
    headers: encodeRequestMatch({ paths: [], methods: [], headers, callers: [] }, trustDomain),
    callers: callers.map((caller) => callerMatcher(caller, trustDomain)),
  });
}

function callerMatcher({ namespace, account }: CallerName, trustDomain: string): StringMatcher {
  const value = `spiffe://${trustDomain}/ns/${namespace}/sa/${account}`;
  return textMatcher({ type: account === '' ? 'prefix' : 'exact', value });
}

function adaptiveMessage(settings: AdaptiveConcurrencySettings): AdaptiveConcurrency {
  return create(AdaptiveConcurrencySchema, {
    concurrencyControllerConfig: {
      case: 'gradientControllerConfig',
      value: {
        sampleAggregatePercentile: { value: settings.latencyPercentile },
        concurrencyLimitParams: {
          maxConcurrencyLimit: settings.maxConcurrency,
          concurrencyUpdateInterval: durationOf(settings.updateIntervalMs),
        },
        minRttCalcParams: {
          interval: durationOf(settings.leastLatencyIntervalMs),
          requestCount: settings.leastLatencyRequests,
          jitter: { value: settings.jitterPercent },
          minConcurrency: settings.minConcurrency,
          buffer: { value: settings.bufferPercent },
        },
      },
    },
  });
}

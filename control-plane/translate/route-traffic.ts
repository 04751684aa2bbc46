/** Timeouts, retries and hedging of a route: what a rule and TrafficPolicies say, and the defaults for the rest, as fields of Envoy's RouteAction. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type HeaderMatcherSchema,
  type RetryPolicy,
  RetryPolicy_ResetHeaderFormat,
  RetryPolicySchema,
  type RouteAction,
  type RouteActionSchema,
} from '../../proto/generated/envoy/config/route/v3/route_components_pb.js';
import { PreviousHostsPredicateSchema } from '../../proto/generated/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.js';
import { shortestLimit, type TimeLimit } from '../config-kind/time-limit.ts';
import { grpcRetryConditions, type RetrySettings, type RouteTraffic } from '../config-kind/traffic-resource.ts';
import { durationOf } from './api-values.ts';
import { type DefaultResilience, defaultResilience } from './default-resilience.ts';
import { packAny } from './encoded-resource.ts';

export type RouteFields = Exclude<MessageInitShape<typeof RouteActionSchema>, RouteAction>;

const previousHosts = {
  name: 'envoy.retry_host_predicates.previous_hosts',
  configType: {
    case: 'typedConfig' as const,
    value: packAny(PreviousHostsPredicateSchema, create(PreviousHostsPredicateSchema)),
  },
};

/** An Envoy asks again who sheds load under any condition that the answer meets; our sidecar only where the policy names this header. */
const overloadedHeader = {
  name: 'x-envoy-overloaded',
  headerMatchSpecifier: { case: 'presentMatch' as const, value: true },
};

/**
 * For Envoy and our sidecar. `grpc`: there is no timeout by default, and the caller's grpc-timeout is honoured, up to the timeout when there is one. Envoy looks at `timeout` no more where there is a
 * `max_stream_duration`: there the shorter of both stands.
 */
export function routeFields(
  traffic: RouteTraffic,
  grpc: boolean,
  defaults: DefaultResilience = defaultResilience,
): RouteFields {
  const { streamIdleTimeout, hedging } = traffic;
  const timeout = durationOf(requestLimit(traffic, grpc, defaults).ms);
  const longest = streamLimit(traffic, grpc, defaults);
  const maxStreamDuration = {
    ...(grpc ? { grpcTimeoutHeaderMax: timeout } : {}),
    ...(longest === null ? {} : { maxStreamDuration: durationOf(longest.ms) }),
  };
  const retryPolicy = retryPolicyOf(traffic, defaults);
  return {
    timeout,
    ...(Object.keys(maxStreamDuration).length === 0 ? {} : { maxStreamDuration }),
    ...(streamIdleTimeout === null ? {} : { idleTimeout: durationOf(streamIdleTimeout.ms) }),
    ...(retryPolicy === null ? {} : { retryPolicy }),
    ...(hedging?.kind === 'per-try-timeout' ? { hedgePolicy: { hedgeOnPerTryTimeout: true } } : {}),
  };
}

function requestLimit({ requestTimeout }: RouteTraffic, grpc: boolean, defaults: DefaultResilience): TimeLimit {
  return requestTimeout ?? { ms: grpc ? 0 : defaults.requestTimeoutMs, rule: '' };
}

/** What stands as `max_stream_duration`; null: nothing. */
export function streamLimit(
  traffic: RouteTraffic,
  grpc: boolean,
  defaults: DefaultResilience = defaultResilience,
): TimeLimit | null {
  const { maxDuration } = traffic;
  if (!grpc && maxDuration === null) return null;
  return shortestLimit(requestLimit(traffic, grpc, defaults), maxDuration);
}

/** Null: nobody says anything, and the defaults are none. */
function retryPolicyOf({ retries, perTryTimeout }: RouteTraffic, defaults: DefaultResilience): RetryPolicy | null {
  if (retries === null && perTryTimeout === null && !defaults.retries.enabled) return null;
  const { retryBackoff, otherHost } = defaults;
  const backoff = retries?.backoff ?? (retryBackoff.enabled ? retryBackoff : null);
  return create(RetryPolicySchema, {
    retryOn: retryOn(retries, defaults),
    numRetries: retries?.attempts ?? defaults.retries.attempts,
    retriableStatusCodes: [...(retries?.statusCodes ?? [])],
    // One of them must match.
    retriableRequestHeaders: (retries?.methods ?? []).map(isMethod),
    retriableHeaders: retries?.on?.includes('overloaded') === true ? [overloadedHeader] : [],
    ...(perTryTimeout === null || perTryTimeout.ms === 0 ? {} : { perTryTimeout: durationOf(perTryTimeout.ms) }),
    ...(backoff === null ? {} : { retryBackOff: backoffOf(backoff) }),
    ...((retries?.otherHost ?? otherHost.enabled)
      ? { retryHostPredicate: [previousHosts], hostSelectionRetryMaxAttempts: BigInt(otherHost.maxSelections) }
      : {}),
    ...(retries === null || retries.waitHeaders.length === 0
      ? {}
      : {
          rateLimitedRetryBackOff: {
            resetHeaders: retries.waitHeaders.map(({ name, format }) => ({
              name,
              format:
                format === 'seconds'
                  ? RetryPolicy_ResetHeaderFormat.SECONDS
                  : RetryPolicy_ResetHeaderFormat.UNIX_TIMESTAMP,
            })),
            maxInterval: durationOf(retries.maxWaitMs),
          },
        }),
  });
}

function isMethod(method: string): MessageInitShape<typeof HeaderMatcherSchema> {
  return {
    name: ':method',
    headerMatchSpecifier: { case: 'stringMatch', value: { matchPattern: { case: 'exact', value: method } } },
  };
}

function retryOn(retries: RetrySettings | null, defaults: DefaultResilience): string {
  const on: readonly string[] = retries?.on ?? defaults.retries.on;
  const conditions = on.map((condition) => (condition === 'overloaded' ? 'retriable-headers' : condition));
  if (retries !== null && retries.statusCodes.length > 0) conditions.push('retriable-status-codes');
  return conditions.join(',');
}

function backoffOf({ baseMs, maxMs }: { readonly baseMs: number; readonly maxMs: number }) {
  return { baseInterval: durationOf(baseMs), maxInterval: durationOf(maxMs) };
}

/** What a proxyless gRPC client takes of it (A31, A44): the longest duration of a stream, and retries by gRPC's codes; without such a code none, as a client does the safe ones by itself. */
export function grpcRouteFields(traffic: RouteTraffic): RouteFields {
  const { requestTimeout, maxDuration, retries } = traffic;
  const longest = shortestLimit(requestTimeout, maxDuration);
  const on = (retries?.on ?? []).filter((condition) => grpcRetryConditions.has(condition));
  // Every call is a POST, and such a client knows no other condition than the code.
  const isMeant = retries !== null && (retries.methods.length === 0 || retries.methods.includes('POST'));
  const attempts = isMeant ? (retries.attempts ?? defaultResilience.retries.attempts) : 0;
  return {
    ...(longest === null ? {} : { maxStreamDuration: { maxStreamDuration: durationOf(longest.ms) } }),
    ...(retries === null || on.length === 0 || attempts === 0
      ? {}
      : {
          retryPolicy: {
            retryOn: on.join(','),
            numRetries: attempts,
            ...(retries.backoff === null ? {} : { retryBackOff: backoffOf(retries.backoff) }),
          },
        }),
  };
}

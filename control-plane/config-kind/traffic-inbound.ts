/**
 * What a TrafficPolicy says of the workloads behind a Service themselves: `inboundLimits`, how much they take at a time, of whom and for what, and how the rest waits; `adaptiveConcurrency`, the same found by
 * their latency; `priorities`, which requests count for more in both. What is left open is as Envoy and the sidecar have it (proto/outrigger/resilience/v1/inbound_limits.proto).
 */
import { z } from 'zod';
import { durationMs, durationWithin, optionalMs } from './duration.ts';
import { checkEnabled, enabled } from './enabled-part.ts';
import { percent, wholeWithin } from './number-within.ts';
import { callerName, callers, requestMatch, requestMatchOf } from './request-match.ts';
import type {
  AdaptiveConcurrencySettings,
  InboundLimitSettings,
  InboundQueueSettings,
  PriorityRule,
} from './traffic-resource.ts';

const mostRequests = 1_000_000;
const mostWaiting = 10_000;
const mostRules = 32;
const defaultWaiting = 100;
const defaultWaitMs = 500;
const defaultTargetMs = 20;

const requests = wholeWithin(1, mostRequests);

const list = <T extends z.ZodType>(entry: T) =>
  z
    .array(entry)
    .min(1, { error: 'is empty; leave it out' })
    .max(mostRules, { error: `has more than ${mostRules} entries` });

type Issues = { readonly issues: z.core.$ZodRawIssue[]; readonly value: unknown };

function add({ issues, value }: Issues, path: PropertyKey[], message: string): void {
  issues.push({ code: 'custom', continue: true, input: value, path, message });
}

const queue = z
  .strictObject({
    maxRequests: wholeWithin(1, mostWaiting).optional().describe('That wait at a time, of all callers. Default: 100'),
    maxRequestsPerCaller: wholeWithin(1, mostWaiting)
      .optional()
      .describe('Of one caller. Default: half of maxRequests beside perCaller, else all of it'),
    maxWait: durationWithin('10ms', '1h').optional().describe('Then a request is refused. Default: 500ms'),
    overload: z
      .strictObject({
        target: durationWithin('1ms', '1h').optional().describe('Default: 20ms, or half of maxWait where that is less'),
        interval: durationWithin('1ms', '1h').optional().describe('Default: 100ms'),
      })
      .optional()
      .describe(
        'The newest goes first once the one that waits longest has waited more than target for all of interval',
      ),
  })
  .check((context) => {
    const { maxWait, overload, maxRequests = defaultWaiting, maxRequestsPerCaller } = context.value;
    const waitMs = optionalMs(maxWait) ?? defaultWaitMs;
    if (overload?.target !== undefined && durationMs(overload.target) >= waitMs)
      add(context, ['overload', 'target'], `is not less than maxWait (${maxWait ?? `${defaultWaitMs}ms`})`);
    if (maxRequestsPerCaller !== undefined && maxRequestsPerCaller > maxRequests)
      add(context, ['maxRequestsPerCaller'], `is more than maxRequests (${maxRequests})`);
  });

const routeName = z.string().regex(/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/, {
  error: 'is not a name: lower-case letters, digits and -, at most 63',
});

export const inboundLimits = z
  .strictObject({
    enabled,
    maxRequests: requests
      .optional()
      .describe('Under way at a time in one workload, of all callers; sheddable ones fill three quarters of it'),
    perCaller: z
      .strictObject({
        maxRequests: requests.describe('Of each caller; those without a certificate count together'),
        exceptions: list(z.strictObject({ callers, maxRequests: requests }))
          .optional()
          .describe('For some callers another limit; the first that names a caller counts'),
      })
      .optional(),
    perRoute: list(
      z.strictObject({
        name: routeName.optional().describe('In answers and metrics. Default: route-<n>'),
        match: requestMatch,
        maxRequests: requests,
      }),
    )
      .optional()
      .describe('The first that matches counts'),
    queue: queue
      .optional()
      .describe('Where requests beyond a limit wait. Default: there is none, they are refused at once'),
  })
  .check((context) => {
    if (!checkEnabled(context)) return;
    const { value } = context;
    if (Object.keys(value).every((field) => field === 'enabled'))
      add(context, [], 'limits nothing; give maxRequests, perCaller or perRoute, or a queue for adaptiveConcurrency');
    const names = new Map<string, number>();
    for (const [at, route] of (value.perRoute ?? []).entries()) {
      const name = routeNameOf(route.name, at);
      const other = names.get(name);
      if (other !== undefined) add(context, ['perRoute', at, 'name'], `${name} is that of perRoute[${other}] too`);
      else names.set(name, at);
      if (Object.keys(route.match).length === 0)
        add(context, ['perRoute', at, 'match'], 'is every request; give maxRequests beside perRoute instead');
    }
  });

export const adaptiveConcurrency = z
  .strictObject({
    enabled,
    minConcurrency: requests
      .optional()
      .describe(
        'At a time, at least, and while the least latency is measured. Default: 3, or maxConcurrency where that is less',
      ),
    maxConcurrency: requests.optional().describe('At most. Default: 1000'),
    latencyPercentile: percent.optional().describe('Of the latencies of an update interval. Default: 50'),
    updateInterval: durationWithin('1ms', '1h').optional().describe('Default: 100ms'),
    leastLatency: z
      .strictObject({
        interval: durationWithin('1s', '24h').optional().describe('Between two measurements. Default: 60s'),
        requests: wholeWithin(1, mostRequests).optional().describe('Of one measurement. Default: 50'),
        jitterPercent: percent.optional().describe('The interval is longer by so much at most, at random. Default: 15'),
        bufferPercent: percent
          .optional()
          .describe('Latency may be so much above the least before the limit falls. Default: 25'),
      })
      .optional()
      .describe('Latency with few requests under way, which others are compared with'),
  })
  .check((context) => {
    if (!checkEnabled(context)) return;
    const { minConcurrency = 1, maxConcurrency = 1_000 } = context.value;
    if (minConcurrency > maxConcurrency)
      add(context, ['minConcurrency'], `is more than maxConcurrency (${maxConcurrency})`);
  });

export const priorities = list(
  z.strictObject({
    match: requestMatch,
    priority: z
      .enum(['critical', 'default', 'sheddable'])
      .describe('critical goes first and is refused last; sheddable the other way round'),
  }),
)
  .check((context) => {
    for (const [at, { match }] of context.value.entries())
      if (Object.keys(match).length === 0 && at < context.value.length - 1)
        add(context, [at, 'match'], 'is every request, so that nothing comes of those behind it; put it last');
  })
  .describe(
    'What requests are worth to inboundLimits and adaptiveConcurrency; the first that matches counts. Default: default',
  );

function routeNameOf(name: string | undefined, at: number): string {
  return name ?? `route-${at}`;
}

/** `policy`: `shop/payments`, which answers name. */
export function inboundLimitSettings(
  written: z.output<typeof inboundLimits> | undefined,
  policy: string,
): InboundLimitSettings | 'off' | null {
  if (written === undefined) return null;
  if (written.enabled === false) return 'off';
  const { maxRequests, perCaller, perRoute } = written;
  return {
    rule: `TrafficPolicy ${policy}`,
    maxRequests: maxRequests ?? null,
    perCaller:
      perCaller === undefined
        ? null
        : {
            maxRequests: perCaller.maxRequests,
            exceptions: (perCaller.exceptions ?? []).map((each) => ({
              callers: each.callers.map(callerName),
              maxRequests: each.maxRequests,
            })),
          },
    perRoute: (perRoute ?? []).map((route, at) => ({
      name: routeNameOf(route.name, at),
      match: requestMatchOf(route.match),
      maxRequests: route.maxRequests,
    })),
    queue: written.queue === undefined ? null : queueSettings(written.queue, perCaller !== undefined),
  };
}

function queueSettings(written: z.output<typeof queue>, perCaller: boolean): InboundQueueSettings {
  const maxRequests = written.maxRequests ?? defaultWaiting;
  const maxWaitMs = optionalMs(written.maxWait) ?? defaultWaitMs;
  return {
    maxRequests,
    maxRequestsPerCaller: written.maxRequestsPerCaller ?? (perCaller ? Math.ceil(maxRequests / 2) : maxRequests),
    maxWaitMs,
    targetMs: optionalMs(written.overload?.target) ?? Math.min(defaultTargetMs, Math.floor(maxWaitMs / 2)),
    intervalMs: optionalMs(written.overload?.interval) ?? 100,
  };
}

export function adaptiveConcurrencySettings(
  written: z.output<typeof adaptiveConcurrency> | undefined,
): AdaptiveConcurrencySettings | 'off' | null {
  if (written === undefined) return null;
  if (written.enabled === false) return 'off';
  const { leastLatency } = written;
  return {
    minConcurrency: written.minConcurrency ?? Math.min(3, written.maxConcurrency ?? 3),
    maxConcurrency: written.maxConcurrency ?? 1_000,
    latencyPercentile: written.latencyPercentile ?? 50,
    updateIntervalMs: optionalMs(written.updateInterval) ?? 100,
    leastLatencyIntervalMs: optionalMs(leastLatency?.interval) ?? 60_000,
    leastLatencyRequests: leastLatency?.requests ?? 50,
    jitterPercent: leastLatency?.jitterPercent ?? 15,
    bufferPercent: leastLatency?.bufferPercent ?? 25,
  };
}

export function priorityRules(written: z.output<typeof priorities> | undefined): PriorityRule[] {
  return (written ?? []).map(({ match, priority }) => ({ match: requestMatchOf(match), priority }));
}

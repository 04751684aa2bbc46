/** RateLimitPolicy (`outrigger.dev/v1`): how many requests a workload takes: each workload by itself (`local`), or all together (`global`), counted by the control plane or by a service that speaks Envoy's RLS. */
import { z } from 'zod';
import { dnsLabel } from './dns-name.ts';
import { durationMs, durationWithin } from './duration.ts';
import { headerName } from './header-filter.ts';
import { errorStatus, wholeWithin } from './number-within.ts';
import { routeMetadata } from './object-metadata.ts';
import type { GlobalLimit, LimitKeys, LocalLimit, RateLimitPolicyResource } from './policy-resource.ts';
import { checkTargets, policyBase, targetFields } from './policy-target.ts';
import { requestMatch, requestMatchOf } from './request-match.ts';
import type { Place } from './resource.ts';
import { portNumber } from './route-reference.ts';

const defaultTimeoutMs = 100;
/** Of descriptors, where the service does not say. */
const defaultDomain = 'outrigger';

const requests = wholeWithin(1, 4_000_000_000);

const by = z
  .strictObject({
    caller: z.boolean().optional().describe('The identity that the certificate of the connection names'),
    remoteAddress: z.boolean().optional(),
    headers: z
      .array(headerName)
      .min(1, { error: 'is empty; leave it out' })
      .max(8, { error: 'has more than 8 entries' })
      .optional()
      .describe('A request without one of them is not counted by this limit'),
  })
  .optional()
  .describe('Each value has a count of its own. Default: one count for all');

const localLimit = z.strictObject({
  match: requestMatch.optional().describe('Default: every request'),
  by,
  limit: z.strictObject({
    requests,
    per: durationWithin('50ms', '24h').describe('In this time so many come anew'),
    burst: requests.optional().describe('At once, after a rest. Default: requests'),
  }),
});

const globalLimit = z.strictObject({
  match: requestMatch.optional().describe('Default: every request'),
  by,
  limit: z.strictObject({ requests, unit: z.enum(['second', 'minute', 'hour', 'day']) }),
});

const spec = z
  .strictObject({
    ...targetFields,
    local: z
      .array(localLimit)
      .min(1, { error: 'is empty; leave it out' })
      .max(32, { error: 'has more than 32 entries' })
      .optional()
      .describe('Of each workload by itself. A request passes when every limit that it meets has room'),
    global: z
      .strictObject({
        limits: z
          .array(globalLimit)
          .min(1, { error: 'is empty; leave global out' })
          .max(32, { error: 'has more than 32 entries' }),
        service: z
          .strictObject({
            name: dnsLabel,
            namespace: dnsLabel.optional().describe("Default: the policy's namespace"),
            port: portNumber,
            domain: z
              .string()
              .min(1, { error: 'is empty; leave it out' })
              .max(253, { error: 'is longer than 253 characters' })
              .optional()
              .describe(`Default: ${defaultDomain}`),
          })
          .optional()
          .describe(
            'Who counts: a Service that speaks envoy.service.ratelimit.v3, and has its own limits for rule=<namespace>/<policy>#global-<n>. Default: the control plane',
          ),
        failOpen: z
          .boolean()
          .optional()
          .describe('Whether requests pass when nobody answers who counts. Default: true'),
        timeout: durationWithin('1ms', '10s').optional().describe('Default: 100ms'),
      })
      .optional()
      .describe('Of all workloads together'),
    status: errorStatus.optional().describe('Of a refusal; gRPC callers get RESOURCE_EXHAUSTED. Default: 429'),
    tellLimits: z
      .boolean()
      .optional()
      .describe('Answers say what is left (x-ratelimit-limit, -remaining, -reset). Default: true'),
  })
  .check((context) => {
    checkTargets(context);
    const { value, issues } = context;
    if (value.local === undefined && value.global === undefined)
      issues.push({
        code: 'custom',
        continue: true,
        input: value,
        path: [],
        message: 'limits nothing; give local, global or both',
      });
  });

export const rateLimitPolicy = z.strictObject({
  apiVersion: z.literal('outrigger.dev/v1'),
  kind: z.literal('RateLimitPolicy'),
  metadata: routeMetadata,
  spec,
  status: z.unknown().optional().describe('Ignored'),
});

/** The validated document as our own type. */
export function rateLimitPolicyResource(
  document: z.output<typeof rateLimitPolicy>,
  place: Place,
): RateLimitPolicyResource {
  const { spec: written } = document;
  const base = policyBase(document, place);
  const { service, failOpen, timeout } = written.global ?? {};
  return {
    kind: 'RateLimitPolicy',
    ...base,
    local: (written.local ?? []).map(localOf),
    global: (written.global?.limits ?? []).map(globalOf),
    service:
      service === undefined
        ? null
        : {
            namespace: service.namespace ?? base.namespace,
            service: service.name,
            port: service.port,
            domain: service.domain ?? defaultDomain,
            path: 'spec.global.service',
          },
    failOpen: failOpen ?? true,
    timeoutMs: timeout === undefined ? defaultTimeoutMs : durationMs(timeout),
    status: written.status ?? 429,
    tellsLimits: written.tellLimits ?? true,
  };
}

function localOf({ match, by, limit }: z.output<typeof localLimit>): LocalLimit {
  const { requests, per, burst } = limit;
  return { match: requestMatchOf(match), by: keysOf(by), requests, perMs: durationMs(per), burst: burst ?? requests };
}

function globalOf({ match, by, limit }: z.output<typeof globalLimit>): GlobalLimit {
  return { match: requestMatchOf(match), by: keysOf(by), requests: limit.requests, unit: limit.unit };
}

function keysOf(written: z.output<typeof by>): LimitKeys {
  return {
    caller: written?.caller ?? false,
    remoteAddress: written?.remoteAddress ?? false,
    headers: [...new Set((written?.headers ?? []).map((name) => name.toLowerCase()))],
  };
}

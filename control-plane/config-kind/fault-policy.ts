/** FaultPolicy (`outrigger.dev/v1`): faults on purpose, at the workloads that it is for: delays, aborts, slow answers, for a share of requests and for a limited time. */
import { z } from 'zod';
import { durationMs, durationWithin, optionalMs } from './duration.ts';
import { grpcStatusNames } from './grpc-status-name.ts';
import { percent, wholeWithin } from './number-within.ts';
import { routeMetadata } from './object-metadata.ts';
import type { FaultPolicyResource, FaultRule } from './policy-resource.ts';
import { checkTargets, policyBase, targetFields } from './policy-target.ts';
import { requestMatch, requestMatchOf } from './request-match.ts';
import type { Place } from './resource.ts';

const share = percent.optional().describe('Of the requests that match. Default: 100');

const fault = z
  .strictObject({
    match: requestMatch.optional().describe('Default: every request'),
    delay: z.strictObject({ duration: durationWithin('1ms', '1h'), percent: share }).optional(),
    abort: z
      .strictObject({
        httpStatus: wholeWithin(200, 599).optional(),
        grpcStatus: z.enum(grpcStatusNames).optional(),
        percent: share,
      })
      .check(({ value, issues }) => {
        const given = [value.httpStatus, value.grpcStatus].filter((each) => each !== undefined).length;
        if (given !== 1)
          issues.push({
            code: 'custom',
            continue: true,
            input: value,
            path: given === 0 ? [] : ['grpcStatus'],
            message:
              given === 0
                ? 'has neither httpStatus nor grpcStatus; give one of them'
                : 'stands beside httpStatus; give one of them',
          });
      })
      .optional(),
    responseRateLimit: z
      .strictObject({
        kibPerSecond: wholeWithin(1, 1_048_576).describe('Of the body of an answer'),
        percent: share,
      })
      .optional(),
  })
  .check(({ value, issues }) => {
    if (value.delay === undefined && value.abort === undefined && value.responseRateLimit === undefined)
      issues.push({
        code: 'custom',
        continue: true,
        input: value,
        path: [],
        message: 'does nothing; give delay, abort or responseRateLimit',
      });
  });

export const faultPolicy = z.strictObject({
  apiVersion: z.literal('outrigger.dev/v1'),
  kind: z.literal('FaultPolicy'),
  metadata: routeMetadata,
  spec: z
    .strictObject({
      ...targetFields,
      faults: z
        .array(fault)
        .min(1, { error: 'is empty; name at least one fault' })
        .max(16, { error: 'has more than 16 entries' })
        .describe('Each by itself: a request may meet several'),
      until: z.iso
        .datetime({ offset: true, error: 'is not a time; write it as 2026-01-31T12:00:00Z' })
        .optional()
        .describe('The policy is over then. Default: never, of which a warning tells'),
      for: durationWithin('1s', '99999h')
        .optional()
        .describe(
          'From metadata.creationTimestamp; without one, from when the control plane first read it, which a restart and an edit begin anew. Instead of until',
        ),
      maxActive: wholeWithin(1, 1_000_000)
        .optional()
        .describe('Faults of one rule that are under way at a time, at one workload. Default: any number'),
    })
    .check((context) => {
      checkTargets(context);
      const { value, issues } = context;
      if (value.until !== undefined && value.for !== undefined)
        issues.push({
          code: 'custom',
          continue: true,
          input: value,
          path: ['for'],
          message: 'stands beside until; one of them says when it is over',
        });
    }),
  status: z.unknown().optional().describe('Ignored'),
});

/** The validated document as our own type. */
export function faultPolicyResource(document: z.output<typeof faultPolicy>, place: Place): FaultPolicyResource {
  const { spec } = document;
  return {
    kind: 'FaultPolicy',
    ...policyBase(document, place),
    faults: spec.faults.map(faultRule),
    untilMs: spec.until === undefined ? null : Date.parse(spec.until),
    forMs: optionalMs(spec.for),
    maxActive: spec.maxActive ?? null,
  };
}

function faultRule({ match, delay, abort, responseRateLimit }: z.output<typeof fault>): FaultRule {
  return {
    match: requestMatchOf(match),
    delay: delay === undefined ? null : { durationMs: durationMs(delay.duration), percent: delay.percent ?? 100 },
    abort: abort === undefined ? null : abortOf(abort),
    responseRate:
      responseRateLimit === undefined
        ? null
        : { kibPerSecond: responseRateLimit.kibPerSecond, percent: responseRateLimit.percent ?? 100 },
  };
}

function abortOf({
  httpStatus,
  grpcStatus,
  percent,
}: NonNullable<z.output<typeof fault>['abort']>): FaultRule['abort'] {
  const share = percent ?? 100;
  return httpStatus === undefined
    ? { type: 'grpc', status: grpcStatusNames.indexOf(grpcStatus!), percent: share }
    : { type: 'http', status: httpStatus, percent: share };
}

/** What a TrafficPolicy says of a service's hosts: `outlierDetection`, `healthChecks`, `loadBalancing`. What a policy leaves open is as translate/default-resilience.ts has it. */
import { z } from 'zod';
import { durationMs, durationWithin, optionalMs } from './duration.ts';
import { percent, wholeWithin } from './number-within.ts';
import type { HealthCheckSettings, LoadBalancingSettings, OutlierSettings } from './traffic-resource.ts';

const failuresInARow = wholeWithin(0, 1_000_000);
const hosts = wholeWithin(0, 1_000_000);
const requestVolume = wholeWithin(0, 1_000_000);

export const outlierDetection = z
  .strictObject({
    enabled: z.boolean().optional().describe('false: no host is ejected. Default: true'),
    consecutive5xx: failuresInARow.optional().describe('Answers with 5xx in a row; 0: does not count. Default: 0'),
    consecutiveGatewayFailures: failuresInARow
      .optional()
      .describe('502, 503, 504 in a row; 0: does not count. Default: 5'),
    consecutiveLocalOriginFailures: failuresInARow
      .optional()
      .describe(
        'Connect failures, resets and timeouts in a row; 0: they are not told apart from answers, and count as 5xx. Default: 5',
      ),
    successRate: z
      .strictObject({
        minHosts: hosts.optional().describe('Default: 5'),
        requestVolume: requestVolume.optional().describe('Of a host, in an interval. Default: 100'),
        deviations: z
          .number({ error: 'is not a number from 0.1 to 10' })
          .min(0.1, { error: 'is not a number from 0.1 to 10' })
          .max(10, { error: 'is not a number from 0.1 to 10' })
          .optional()
          .describe('Standard deviations below the mean of all hosts. Default: 1.9'),
      })
      .optional()
      .describe('Ejects hosts that succeed less often than the others. Default: not used'),
    failurePercentage: z
      .strictObject({
        percent: wholeWithin(0, 100).optional().describe('0: does not count. Default: 20'),
        minHosts: hosts.optional().describe('Default: 2'),
        requestVolume: requestVolume.optional().describe('Of a host, in an interval. Default: 20'),
      })
      .optional()
      .describe('Ejects hosts that fail more often than this'),
    interval: durationWithin('10ms', '1h').optional().describe('Between two looks at rates. Default: 10s'),
    baseEjectionTime: durationWithin('1ms', '24h')
      .optional()
      .describe('Times the number of ejections in a row. Default: 10s'),
    maxEjectionTime: durationWithin('1ms', '24h').optional().describe('Default: 5m'),
    ejectionJitter: durationWithin('0s', '1h').optional().describe('At most so much longer. Default: 1s'),
    maxEjectionPercent: wholeWithin(0, 100).optional().describe('Of the hosts. Default: 50'),
    panicThreshold: percent
      .optional()
      .describe('Per cent of healthy hosts below which all are used; 0: never. Default: 50'),
  })
  .check(({ value, issues }) => {
    if (value.enabled !== false) return;
    for (const field of Object.keys(value))
      if (field !== 'enabled' && field !== 'panicThreshold')
        issues.push({
          code: 'custom',
          continue: true,
          input: value,
          path: [field],
          message: 'has no meaning beside enabled: false; remove one of them',
        });
  });

const text = z
  .string()
  .min(1, { error: 'is empty; leave it out' })
  .max(1_024, { error: 'is longer than 1024 characters' });

const statusRange = z
  .strictObject({ from: wholeWithin(100, 599), to: wholeWithin(100, 599) })
  .check(({ value, issues }) => {
    if (value.to < value.from)
      issues.push({ code: 'custom', continue: true, input: value, path: ['to'], message: 'is less than from' });
  });

const probeTypes = ['http', 'grpc', 'tcp', 'tls'] as const;

const healthCheck = z
  .strictObject({
    http: z
      .strictObject({
        path: text.regex(/^\/[\x21-\x7e]*$/, { error: 'is not a path: it begins with /, and has no white space' }),
        host: text
          .regex(/^[-A-Za-z0-9.:[\]_]+$/, { error: 'is not a host' })
          .optional()
          .describe('Default: <service>.<namespace>'),
        expectedStatuses: z
          .array(statusRange)
          .min(1, { error: 'is empty; leave it out' })
          .max(16, { error: 'has more than 16 entries' })
          .optional()
          .describe('Default: 200'),
      })
      .optional(),
    grpc: z
      .strictObject({ service: text.optional().describe('Default: the whole server') })
      .optional()
      .describe('grpc.health.v1'),
    tcp: z
      .strictObject({ send: text.optional(), receive: text.optional() })
      .optional()
      .describe('A connection; with receive, also that the answer holds this text'),
    tls: z.strictObject({}).optional().describe('A connection with its handshake'),
    interval: durationWithin('100ms', '24h').optional().describe('Default: 10s'),
    jitter: durationWithin('0s', '24h')
      .optional()
      .describe('At most so much longer each time. Default: a tenth of interval'),
    timeout: durationWithin('1ms', '1h').optional().describe('Default: 1s'),
    unhealthyThreshold: wholeWithin(1, 1_000).optional().describe('Failures in a row. Default: 3'),
    healthyThreshold: wholeWithin(1, 1_000).optional().describe('Successes in a row. Default: 2'),
    unhealthyInterval: durationWithin('100ms', '24h')
      .optional()
      .describe('Of hosts that are not healthy. Default: interval'),
  })
  .check(({ value, issues }) => {
    const named = probeTypes.filter((type) => value[type] !== undefined);
    if (named.length === 1) return;
    issues.push({
      code: 'custom',
      continue: true,
      input: value,
      path: named.length === 0 ? [] : [named[1]!],
      message:
        named.length === 0
          ? 'says not how to check; give one of http, grpc, tcp, tls'
          : `stands beside ${named[0]}; give one of them`,
    });
  });

/** Envoy takes several only with names, for which the API that we have has no field. */
export const healthChecks = z
  .array(healthCheck)
  .max(1, { error: 'has more than one entry; several checks of one Service are not supported yet' });

export const loadBalancing = z
  .strictObject({
    algorithm: z.enum(['roundRobin', 'leastRequest', 'random']).optional().describe('Default: leastRequest'),
    slowStart: z
      .strictObject({
        window: durationWithin('1ms', '24h').describe('For so long a host that comes, or comes back, gets less'),
        aggression: z
          .number({ error: 'is not a number from 0.1 to 10' })
          .min(0.1, { error: 'is not a number from 0.1 to 10' })
          .max(10, { error: 'is not a number from 0.1 to 10' })
          .optional()
          .describe('1: evenly more; above 1: faster at first. Default: 1'),
        minWeightPercent: percent.optional().describe('To begin with. Default: 10'),
      })
      .optional(),
  })
  .check(({ value, issues }) => {
    if (value.algorithm === 'random' && value.slowStart !== undefined)
      issues.push({
        code: 'custom',
        continue: true,
        input: value,
        path: ['slowStart'],
        message: 'is not possible with algorithm random; use leastRequest or roundRobin',
      });
  });

export function outlierSettings(
  written: z.output<typeof outlierDetection> | undefined,
): OutlierSettings | 'off' | null {
  if (written === undefined) return null;
  if (written.enabled === false) return 'off';
  // The panic threshold alone says nothing of ejections.
  if (written.panicThreshold !== undefined && Object.keys(written).length === 1) return null;
  const { successRate, failurePercentage } = written;
  return {
    consecutive5xx: written.consecutive5xx ?? null,
    consecutiveGatewayFailures: written.consecutiveGatewayFailures ?? null,
    consecutiveLocalOriginFailures: written.consecutiveLocalOriginFailures ?? null,
    successRate:
      successRate === undefined
        ? null
        : {
            minHosts: successRate.minHosts ?? null,
            requestVolume: successRate.requestVolume ?? null,
            deviations: successRate.deviations ?? null,
          },
    failurePercentage:
      failurePercentage === undefined
        ? null
        : {
            percent: failurePercentage.percent ?? null,
            minHosts: failurePercentage.minHosts ?? null,
            requestVolume: failurePercentage.requestVolume ?? null,
          },
    intervalMs: optionalMs(written.interval),
    baseEjectionTimeMs: optionalMs(written.baseEjectionTime),
    maxEjectionTimeMs: optionalMs(written.maxEjectionTime),
    ejectionJitterMs: optionalMs(written.ejectionJitter),
    maxEjectionPercent: written.maxEjectionPercent ?? null,
  };
}

export function healthCheckSettings(written: z.output<typeof healthChecks> | undefined): HealthCheckSettings[] {
  return (written ?? []).map((each) => {
    const intervalMs = each.interval === undefined ? 10_000 : durationMs(each.interval);
    return {
      probe: probeOf(each),
      intervalMs,
      jitterMs: each.jitter === undefined ? Math.ceil(intervalMs / 10) : durationMs(each.jitter),
      timeoutMs: each.timeout === undefined ? 1_000 : durationMs(each.timeout),
      unhealthyThreshold: each.unhealthyThreshold ?? 3,
      healthyThreshold: each.healthyThreshold ?? 2,
      unhealthyIntervalMs: optionalMs(each.unhealthyInterval),
    };
  });
}

function probeOf({ http, grpc, tcp }: z.output<typeof healthCheck>): HealthCheckSettings['probe'] {
  if (http !== undefined)
    return { type: 'http', path: http.path, host: http.host ?? '', statuses: http.expectedStatuses ?? [] };
  if (grpc !== undefined) return { type: 'grpc', service: grpc.service ?? '' };
  return tcp === undefined ? { type: 'tls' } : { type: 'tcp', send: tcp.send ?? '', receive: tcp.receive ?? '' };
}

export function loadBalancingSettings(
  written: z.output<typeof loadBalancing> | undefined,
): LoadBalancingSettings | null {
  if (written === undefined) return null;
  const { algorithm, slowStart } = written;
  return {
    algorithm: algorithm ?? null,
    slowStart:
      slowStart === undefined
        ? null
        : {
            windowMs: durationMs(slowStart.window),
            aggression: slowStart.aggression ?? 1,
            minWeightPercent: slowStart.minWeightPercent ?? 10,
          },
  };
}

/**
 * `retry` of a rule: of an HTTPRoute as the Gateway API has it (GEP-1731); of a GRPCRoute, where it has none yet, the same with gRPC's codes. Connections that cannot be had, and requests that the service saw nothing of, are
 * tried again beside the codes that are named.
 */
import { z } from 'zod';
import { durationMs, durationWithin } from './duration.ts';
import { wholeWithin } from './number-within.ts';
import { type RetryCondition, type RetrySettings, safeRetryConditions } from './traffic-resource.ts';

const attempts = wholeWithin(0, 10).optional().describe('Beside the first; 0: none. Default: 1');
const backoff = durationWithin('1ms', '1h')
  .optional()
  .describe('Before the first; doubles each time, up to ten times, with full jitter. Default: 25ms');

export const httpRetry = z.strictObject({
  codes: z
    .array(wholeWithin(400, 599))
    .max(32, { error: 'has more than 32 entries' })
    .optional()
    .describe('Statuses that are tried again'),
  attempts,
  backoff,
});

const grpcCodes = ['CANCELLED', 'DEADLINE_EXCEEDED', 'INTERNAL', 'RESOURCE_EXHAUSTED', 'UNAVAILABLE'] as const;

export const grpcRetry = z.strictObject({
  codes: z
    .array(z.enum(grpcCodes))
    .max(grpcCodes.length, { error: `has more than ${grpcCodes.length} entries` })
    .optional()
    .describe('gRPC codes that are tried again'),
  attempts,
  backoff,
});

export function httpRetrySettings(written: z.output<typeof httpRetry> | undefined): RetrySettings | null {
  return written === undefined ? null : settings(written, null, written.codes ?? []);
}

export function grpcRetrySettings(written: z.output<typeof grpcRetry> | undefined): RetrySettings | null {
  if (written === undefined) return null;
  const codes = (written.codes ?? []).map((code) => code.toLowerCase().replaceAll('_', '-') as RetryCondition);
  return settings(written, codes.length === 0 ? null : [...safeRetryConditions, ...codes], []);
}

function settings(
  { attempts, backoff }: { readonly attempts?: number | undefined; readonly backoff?: string | undefined },
  on: RetrySettings['on'],
  statusCodes: readonly number[],
): RetrySettings {
  const baseMs = backoff === undefined ? null : durationMs(backoff);
  return {
    attempts: attempts ?? null,
    on,
    statusCodes,
    methods: [],
    backoff: baseMs === null ? null : { baseMs, maxMs: baseMs * 10 },
    waitHeaders: [],
    maxWaitMs: 0,
    otherHost: null,
  };
}

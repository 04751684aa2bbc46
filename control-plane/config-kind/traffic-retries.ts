/** `retries` of a TrafficPolicy: what is sent again, how often, and when. */
import { z } from 'zod';
import { durationMs, durationWithin } from './duration.ts';
import { headerName } from './header-filter.ts';
import { percent, wholeWithin } from './number-within.ts';
import { repeatedMethods } from './repeated-methods.ts';
import { type RetryBudget, type RetrySettings, retryConditions } from './traffic-resource.ts';

const defaultBaseMs = 25;
/** Envoy takes ten times the base. */
const maxOverBase = 10;
const defaultMaxWaitMs = 300_000;

const backoff = z
  .strictObject({
    base: durationWithin('1ms', '1h').optional().describe('Default: 25ms'),
    max: durationWithin('1ms', '1h').optional().describe('Default: ten times base'),
  })
  .check(({ value, issues }) => {
    const { baseMs, maxMs } = backoffOf(value);
    if (maxMs < baseMs)
      issues.push({ code: 'custom', continue: true, input: value, path: ['max'], message: 'is shorter than base' });
  });

export const retries = z.strictObject({
  attempts: wholeWithin(0, 10).optional().describe('Beside the first; 0: none. Default: 1'),
  on: z
    .array(z.enum(retryConditions))
    .min(1, { error: 'is empty; leave it out for the safe cases, or set attempts to 0' })
    .max(retryConditions.length, { error: `has more than ${retryConditions.length} entries` })
    .optional()
    .describe(
      'Default: connect-failure, refused-stream, reset-before-request: the service saw nothing of the request. Others may let it run twice. overloaded: who says by x-envoy-overloaded that it sheds load is asked again too',
    ),
  statusCodes: z
    .array(wholeWithin(400, 599))
    .min(1, { error: 'is empty; leave it out' })
    .max(32, { error: 'has more than 32 entries' })
    .optional()
    .describe('Answers that are tried again too'),
  methods: repeatedMethods
    .optional()
    .describe('Only these are tried again, whatever on and statusCodes say; for gRPC name POST. Default: all of them'),
  backoff: backoff.optional().describe('Full jitter over an interval that doubles'),
  waitHeaders: z
    .array(
      z.strictObject({
        name: headerName,
        format: z.enum(['seconds', 'unixTimestamp']).optional().describe('Default: seconds'),
      }),
    )
    .min(1, { error: 'is empty; leave it out' })
    .max(8, { error: 'has more than 8 entries' })
    .optional()
    .describe('Headers of the answer that say how long to wait, instead of backoff: Retry-After, X-RateLimit-Reset'),
  maxWait: durationWithin('1ms', '24h')
    .optional()
    .describe('A longer wait that an answer asks for does not count. Default: 5m'),
  budget: z
    .strictObject({
      percent: percent.optional().describe('Of the requests that are under way. Default: 20'),
      minConcurrency: wholeWithin(0, 1_000_000)
        .optional()
        .describe('Retries at a time that are allowed in any case. Default: 3'),
    })
    .optional(),
  hostSelection: z
    .enum(['other', 'any'])
    .optional()
    .describe('other: a host that was tried is avoided, as long as there is another. Default: other'),
});

export function retrySettings(written: z.output<typeof retries> | undefined): RetrySettings | null {
  if (written === undefined) return null;
  const { attempts, on, statusCodes, methods, waitHeaders, maxWait, hostSelection } = written;
  const settings: RetrySettings = {
    attempts: attempts ?? null,
    on: on ?? null,
    statusCodes: statusCodes ?? [],
    methods: methods ?? [],
    backoff: written.backoff === undefined ? null : backoffOf(written.backoff),
    waitHeaders: (waitHeaders ?? []).map(({ name, format }) => ({
      name: name.toLowerCase(),
      format: format ?? 'seconds',
    })),
    maxWaitMs: maxWait === undefined ? defaultMaxWaitMs : durationMs(maxWait),
    otherHost: hostSelection === undefined ? null : hostSelection === 'other',
  };
  return settings;
}

export function retryBudget(written: z.output<typeof retries> | undefined): RetryBudget | null {
  return written?.budget === undefined
    ? null
    : { percent: written.budget.percent ?? 20, minConcurrency: written.budget.minConcurrency ?? 3 };
}

function backoffOf({ base, max }: { readonly base?: string | undefined; readonly max?: string | undefined }): {
  readonly baseMs: number;
  readonly maxMs: number;
} {
  const baseMs = base === undefined ? defaultBaseMs : durationMs(base);
  return { baseMs, maxMs: max === undefined ? baseMs * maxOverBase : durationMs(max) };
}

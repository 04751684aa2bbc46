/** `hedging` of a TrafficPolicy: when a second request is sent beside one that takes long. */
import { z } from 'zod';
import { durationMs, durationWithin } from './duration.ts';
import { checkEnabled, enabled } from './enabled-part.ts';
import { wholeWithin } from './number-within.ts';
import { repeatedMethods } from './repeated-methods.ts';
import type { HedgeSettings } from './traffic-resource.ts';

const whens = ['onPerTryTimeout', 'delay', 'percentile'] as const;
const between = 'is not a number from 50 to 99.9';

export const hedging = z
  .strictObject({
    enabled,
    onPerTryTimeout: z
      .boolean()
      .optional()
      .describe('An attempt that takes longer than timeouts.perTry goes on, beside the next; the first answer counts'),
    delay: durationWithin('1ms', '1h')
      .optional()
      .describe('Another request is sent to another host after so long without an answer. Our sidecar only'),
    percentile: z
      .number({ error: between })
      .min(50, { error: between })
      .max(99.9, { error: between })
      .optional()
      .describe('The same, after as long as so many per cent of the recent requests took at most. Our sidecar only'),
    minSamples: wholeWithin(1, 100_000)
      .optional()
      .describe('Requests that must have been measured before percentile acts. Default: 50'),
    minDelay: durationWithin('0s', '1h').optional().describe('percentile never acts sooner. Default: 10ms'),
    maxAttempts: wholeWithin(1, 10).optional().describe('Beside the first, one after the other. Default: 1'),
    methods: repeatedMethods
      .optional()
      .describe('Of requests that may run twice: for gRPC name POST. Default: GET, HEAD, OPTIONS, TRACE'),
  })
  .check((context) => {
    if (!checkEnabled(context)) return;
    const { value, issues } = context;
    const add = (field: string | null, message: string): number =>
      issues.push({ code: 'custom', continue: true, input: value, path: field === null ? [] : [field], message });
    const named = whens.filter((when) => value[when] !== undefined);
    if (named.length === 0) add(null, `says not when; give one of ${whens.join(', ')}`);
    for (const second of named.slice(1)) add(second, `stands beside ${named[0]}; give one of them`);
    if (named.length !== 1) return;
    const [when] = named;
    if (when !== 'percentile')
      for (const field of ['minSamples', 'minDelay'] as const)
        if (value[field] !== undefined) add(field, 'has a meaning with percentile only');
    if (when === 'onPerTryTimeout')
      for (const field of ['maxAttempts', 'methods'] as const)
        if (value[field] !== undefined)
          add(field, 'has no meaning with onPerTryTimeout, where retries say how often and for what');
  });

/** `policy`: as logs name it. */
export function hedgeSettings(written: z.output<typeof hedging> | undefined, policy: string): HedgeSettings | null {
  if (written === undefined) return null;
  const { delay, percentile, minSamples, minDelay, maxAttempts, methods } = written;
  if (written.enabled === false || written.onPerTryTimeout === false) return { kind: 'off' };
  if (written.onPerTryTimeout === true) return { kind: 'per-try-timeout' };
  const common = { policy, maxAttempts: maxAttempts ?? 1, methods: methods ?? [] };
  if (delay !== undefined) return { kind: 'delay', delayMs: durationMs(delay), ...common };
  return {
    kind: 'percentile',
    percentile: percentile!,
    minSamples: minSamples ?? 50,
    minDelayMs: minDelay === undefined ? 10 : durationMs(minDelay),
    ...common,
  };
}

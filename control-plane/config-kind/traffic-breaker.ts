/** `circuitBreaker` of a TrafficPolicy: when a destination, or a route, is not asked any more for a while. What is left open is as the sidecar has it (proto/outrigger/resilience/v1/circuit_breaker.proto). */
import { z } from 'zod';
import { durationMs, durationWithin, optionalMs } from './duration.ts';
import { checkEnabled, enabled } from './enabled-part.ts';
import { grpcFailureNames } from './grpc-status-name.ts';
import { wholeWithin } from './number-within.ts';
import type { BreakerSettings } from './traffic-resource.ts';

const defaultBaseMs = 5_000;
const defaultMaxMs = 60_000;

export const circuitBreaker = z
  .strictObject({
    enabled,
    window: durationWithin('100ms', '1h').optional().describe('Calls of the last so many seconds count. Default: 10s'),
    minCalls: wholeWithin(1, 1_000_000)
      .optional()
      .describe('With fewer in the window, shares say nothing. Default: 20'),
    failurePercent: wholeWithin(0, 100)
      .optional()
      .describe('Opens when so many of the calls failed; 0: does not count. Default: 50'),
    consecutiveFailures: wholeWithin(0, 1_000_000)
      .optional()
      .describe('Opens after so many in a row; 0: does not count. Default: 0'),
    slowCalls: z
      .strictObject({
        longerThan: durationWithin('1ms', '1h').describe(
          'From here on a call is slow, from the whole request to the head of the answer',
        ),
        percent: wholeWithin(1, 100).optional().describe('Opens when so many of the calls were slow. Default: 50'),
      })
      .optional()
      .describe('Default: calls are never slow'),
    openTime: z
      .strictObject({
        base: durationWithin('10ms', '24h').optional().describe('Default: 5s'),
        max: durationWithin('10ms', '24h').optional().describe('Default: 1m, or base where that is longer'),
        jitterPercent: wholeWithin(0, 100).optional().describe('At most so much longer, at random. Default: 20'),
      })
      .optional()
      .describe('How long it stays open; doubles with each opening that follows upon another'),
    probes: z
      .strictObject({
        atOnce: wholeWithin(1, 1_000).optional().describe('All else is refused meanwhile. Default: 3'),
        successes: wholeWithin(1, 1_000).optional().describe('It closes after so many. Default: 3'),
      })
      .optional()
      .describe('Calls that find out how the service is, after the open time'),
    statusCodes: z
      .array(wholeWithin(400, 599))
      .min(1, { error: 'is empty; leave it out' })
      .max(32, { error: 'has more than 32 entries' })
      .optional()
      .describe(
        'Answers that are failures. Default: 502, 503, 504. No connection, resets and timeouts are failures in any case',
      ),
    grpcStatuses: z
      .array(z.enum(grpcFailureNames))
      .min(1, { error: 'is empty; leave it out' })
      .max(grpcFailureNames.length, { error: `has more than ${grpcFailureNames.length} entries` })
      .optional()
      .describe('The same of gRPC. Default: UNAVAILABLE, DEADLINE_EXCEEDED'),
  })
  .check((context) => {
    if (!checkEnabled(context)) return;
    const { value, issues } = context;
    const add = (path: PropertyKey[], message: string): number =>
      issues.push({ code: 'custom', continue: true, input: value, path, message });
    const { base, max } = value.openTime ?? {};
    const baseMs = base === undefined ? defaultBaseMs : durationMs(base);
    if (max !== undefined && durationMs(max) < baseMs)
      add(['openTime', 'max'], `is shorter than base (${base ?? `${defaultBaseMs / 1_000}s`})`);
    if (value.failurePercent === 0 && (value.consecutiveFailures ?? 0) === 0 && value.slowCalls === undefined)
      add(['failurePercent'], 'is 0, and nothing else opens it; give consecutiveFailures or slowCalls');
  });

/** `policy`: `shop/payments`, which answers name. */
export function breakerSettings(
  written: z.output<typeof circuitBreaker> | undefined,
  policy: string,
): BreakerSettings | 'off' | null {
  if (written === undefined) return null;
  if (written.enabled === false) return 'off';
  const { slowCalls, openTime, probes } = written;
  const openMs = openTime?.base === undefined ? defaultBaseMs : durationMs(openTime.base);
  return {
    rule: `TrafficPolicy ${policy}`,
    windowMs: optionalMs(written.window) ?? 10_000,
    minCalls: written.minCalls ?? 20,
    failurePercent: written.failurePercent ?? 50,
    consecutiveFailures: written.consecutiveFailures ?? 0,
    slowCalls:
      slowCalls === undefined
        ? null
        : { longerThanMs: durationMs(slowCalls.longerThan), percent: slowCalls.percent ?? 50 },
    openMs,
    maxOpenMs: optionalMs(openTime?.max) ?? Math.max(defaultMaxMs, openMs),
    jitterPercent: openTime?.jitterPercent ?? 20,
    probes: probes?.atOnce ?? 3,
    successesToClose: probes?.successes ?? 3,
    statusCodes: written.statusCodes ?? [],
    grpcStatuses: (written.grpcStatuses ?? []).map((name) => grpcFailureNames.indexOf(name) + 1),
  };
}

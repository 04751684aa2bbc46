/** Durations as the Gateway API writes them (GEP-2257): up to four whole numbers of at most five digits, each with h, m, s or ms. */
import { z } from 'zod';

const shape = /^(?:[0-9]{1,5}(?:h|m|s|ms)){1,4}$/;
const unitMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

export const duration = z.string().regex(shape, { error: 'is not a duration; write it as 2s or 2000ms' });

/** A duration within bounds, both included, which the message names as they are written here. */
export function durationWithin(least: string, most: string) {
  return duration.refine(
    (text) => !shape.test(text) || (durationMs(text) >= durationMs(least) && durationMs(text) <= durationMs(most)),
    { error: `is not between ${least} and ${most}` },
  );
}

/** Milliseconds of a duration that `duration` accepted. */
export function durationMs(text: string): number {
  let sum = 0;
  for (const [, digits, unit] of text.matchAll(/([0-9]+)(ms|h|m|s)/g)) sum += Number(digits) * unitMs[unit!]!;
  return sum;
}

/** The same of a field that may be left out. */
export function optionalMs(text: string | undefined): number | null {
  return text === undefined ? null : durationMs(text);
}

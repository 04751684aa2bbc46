/** Numbers of configuration with bounds, which the message names. */
import { z } from 'zod';

/** A whole number, both bounds included. */
export function wholeWithin(least: number, most: number) {
  const error = `is not a whole number from ${least} to ${most}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
}

/** Statuses of errors that Envoy's API has a name for (envoy.type.v3.StatusCode): of others proxies refuse the whole listener. */
const namedStatuses: ReadonlySet<number> = new Set([
  ...Array.from({ length: 18 }, (_, at) => 400 + at),
  ...[421, 422, 423, 424, 426, 428, 429, 431],
  ...Array.from({ length: 9 }, (_, at) => 500 + at),
  ...[510, 511],
]);

export const errorStatus = wholeWithin(400, 599).refine(
  (status) => status < 400 || status > 599 || namedStatuses.has(status),
  {
    error:
      'is no status of an error that proxies know (400 to 417, 421 to 424, 426, 428, 429, 431, 500 to 508, 510, 511)',
  },
);

/** Per cent, 0 to 100, with fractions. */
export const percent = z
  .number({ error: 'is not per cent: a number from 0 to 100' })
  .min(0, { error: 'is not per cent: a number from 0 to 100' })
  .max(100, { error: 'is not per cent: a number from 0 to 100' });

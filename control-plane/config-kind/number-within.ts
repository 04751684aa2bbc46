/** Numbers of configuration with bounds, which the message names. */
import { z } from 'zod';

/** A whole number, both bounds included. */
export function wholeWithin(least: number, most: number) {
  const error = `is not a whole number from ${least} to ${most}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
}

/** Per cent, 0 to 100, with fractions. */
export const percent = z
  .number({ error: 'is not per cent: a number from 0 to 100' })
  .min(0, { error: 'is not per cent: a number from 0 to 100' })
  .max(100, { error: 'is not per cent: a number from 0 to 100' });

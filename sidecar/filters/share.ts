/** Which requests a share hits: by chance, request by request. */
import type { FractionConfig } from '../config/fault-config.ts';
import type { Random } from '../runtime/clock.ts';

export function hits({ numerator, denominator }: FractionConfig, random: Random): boolean {
  return numerator >= denominator || (numerator > 0 && random() * denominator < numerator);
}

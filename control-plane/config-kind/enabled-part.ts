/** `enabled` of a part of a TrafficPolicy, which says that there is none whatever a less specific policy says. */
import { z } from 'zod';

export const enabled = z
  .boolean()
  .optional()
  .describe('false: there is none, whatever a less specific policy says. Default: true');

/** Beside `enabled: false` nothing has a meaning. True: it is not false, and the rest is to be checked. */
export function checkEnabled({
  value,
  issues,
}: {
  readonly value: { readonly enabled?: boolean | undefined };
  readonly issues: z.core.$ZodRawIssue[];
}): boolean {
  if (value.enabled !== false) return true;
  for (const field of Object.keys(value))
    if (field !== 'enabled')
      issues.push({
        code: 'custom',
        continue: true,
        input: value,
        path: [field],
        message: 'has no meaning beside enabled: false; remove one of them',
      });
  return false;
}

/** `name` of a rule of a route, by which TrafficPolicies name it. */
import { z } from 'zod';

export const ruleName = z
  .string()
  .max(253, { error: 'is longer than 253 characters' })
  .describe(
    'By which a TrafficPolicy names it (sectionName). Kept out of route names: those are <namespace>/<route>#rule-<n>',
  );

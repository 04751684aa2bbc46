/** How statistics of inbound limits are called: what a configuration makes, and what goes with it. */
import type { InboundLimitsConfig } from './inbound-limits-config.ts';

export type LimitScope = 'workload' | 'caller' | 'route' | 'adaptive';

export const bulkheadFamily = 'outrigger_bulkhead_';

/** Whether a statistic with these labels belongs to the configuration. */
export function hasLimit({ perCaller, routes }: InboundLimitsConfig, scope: string, name: string): boolean {
  if (scope === 'caller') return perCaller !== null;
  return scope === 'route' ? routes.some((each) => each.name === name) : true;
}

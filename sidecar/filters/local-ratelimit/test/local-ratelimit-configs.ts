/** A local rate limit for tests: on and enforced, one token, with what a test wants otherwise. */
import type { LocalRateLimitConfig } from '../../../config/rate-limit-config.ts';
import { noHeaderMutations } from '../../../config/route-config.ts';

export function localRateLimitConfig(overrides: Partial<LocalRateLimitConfig>): LocalRateLimitConfig {
  const all = { numerator: 100, denominator: 100 };
  return {
    kind: 'local-ratelimit',
    filterName: 'limit',
    statPrefix: 'lim',
    status: 429,
    bucket: { maxTokens: 1, tokensPerFill: 1, fillIntervalMs: 60_000 },
    enabled: all,
    enforced: all,
    requestHeaders: noHeaderMutations,
    responseHeaders: noHeaderMutations,
    descriptors: [],
    stage: 0,
    perConnection: false,
    tellsLimits: false,
    virtualHostRateLimits: 'override',
    alwaysConsumesDefault: true,
    resourceExhausted: false,
    ...overrides,
  };
}

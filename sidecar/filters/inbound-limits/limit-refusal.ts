/** What a request is told that a limit refuses: 503 `UO` as Envoy says of its own bulkheads (gRPC: UNAVAILABLE), which limit it was, whose policy, and when to come again. */
import { HeaderFields } from '../../codec/header-fields.ts';
import { ProxyError } from '../../codec/proxy-error.ts';
import type { InboundLimitsConfig } from '../../config/inbound-limits-config.ts';
import type { FullLimit } from './inbound-limiter.ts';
import type { RefusalReason, ShownCount } from './limit-stats.ts';

const detailNames: Readonly<Record<RefusalReason, string>> = {
  limit: 'inbound_limit',
  queue_full: 'inbound_queue_full',
  queue_timeout: 'inbound_queue_timeout',
  displaced: 'inbound_queue_displaced',
};

/** `count`: of the limit; `waitedMs`: of one that waited. */
export function limitRefusal(
  { rule, queue }: InboundLimitsConfig,
  full: FullLimit,
  count: ShownCount,
  reason: RefusalReason,
  waitedMs: number,
): ProxyError {
  // There is no telling when there will be room: not sooner than those have their turn that wait now.
  const retryAfter = String(Math.max(1, Math.ceil((queue?.maxWaitMs ?? 0) / 1_000)));
  return new ProxyError({
    flag: 'UO',
    source: 'local',
    details: `${detailNames[reason]}{${full}}`,
    message: `${limitText(full, count)}${reasonText(reason, waitedMs)}`,
    rule,
    reply: { fields: HeaderFields.of(['retry-after', retryAfter]), facts: { limit: full } },
  });
}

function limitText(full: FullLimit, { name, used }: ShownCount): string {
  switch (full) {
    case 'caller': {
      const who =
        name === 'unknown'
          ? 'Callers without an identity have'
          : name === 'overflow'
            ? 'Other callers have'
            : `${name} has`;
      return `${who} as many requests under way here as may be (${used})`;
    }
    case 'route':
      return `As many requests of route ${name} are under way here as may be (${used})`;
    case 'workload':
      return `As many requests are under way here as may be (${used}) for one of this priority`;
    case 'adaptive':
      return `As many requests are under way here as the service answers without slowing down (${used})`;
  }
}

function reasonText(reason: RefusalReason, waitedMs: number): string {
  switch (reason) {
    case 'limit':
      return '.';
    case 'queue_full':
      return ', and no more may wait.';
    case 'queue_timeout':
      return `, and after ${Math.round(waitedMs)} ms there was no room for this one.`;
    case 'displaced':
      return ', and this one gave its place in the queue to another that goes before it.';
  }
}

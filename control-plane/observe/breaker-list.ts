/** The circuit breakers of all sidecars that attend, those of routes too. */
import type { Breaker } from '../../proto/generated/outrigger/observe/v1/observe_pb.js';
import type { ObserveHub } from './observe-hub.ts';

export interface BreakerRow {
  /** Node id of the sidecar that has it, and its service (`namespace/service`). */
  readonly proxy: string;
  readonly service: string;
  /** `cluster`, `route`. */
  readonly scope: string;
  readonly name: string;
  /** `namespace/service` that it guards, where its name tells; ''. */
  readonly destination: string;
  readonly rule: string;
  /** `closed`, `open`, `half_open`. */
  readonly state: string;
  readonly heldByOperator: boolean;
  readonly sinceSeconds: number;
  readonly why: string;
  /** Null: it waits for none. */
  readonly nextProbeSeconds: number | null;
  /** Within its window. */
  readonly calls: number;
  readonly failures: number;
  readonly slow: number;
  /** Since it is there. */
  readonly refused: number;
}

const deadlineMs = 2_000;
/** Of all sidecars together. */
const mostRows = 20_000;
const mostText = 512;

/** Sorted by service, proxy and name. `olderProxies`: those whose version knows no such question. */
export async function listBreakers(hub: ObserveHub): Promise<{
  readonly breakers: readonly BreakerRow[];
  readonly silent: readonly string[];
  readonly olderProxies: readonly string[];
}> {
  const { answers, from, silent } = await hub.gather({ case: 'listBreakers', value: {} }, deadlineMs);
  const breakers: BreakerRow[] = [];
  const olderProxies: string[] = [];
  for (const [at, answer] of answers.entries()) {
    const { nodeId, service } = from[at]!;
    if (answer.fault !== '') olderProxies.push(nodeId);
    for (const each of answer.breakers) if (breakers.length < mostRows) breakers.push(rowOf(nodeId, service, each));
  }
  breakers.sort(
    (a, b) =>
      order(a, b, ({ service }) => service) || order(a, b, ({ proxy }) => proxy) || order(a, b, ({ name }) => name),
  );
  return { breakers, silent, olderProxies: olderProxies.sort() };
}

function rowOf(proxy: string, service: string, breaker: Breaker): BreakerRow {
  const { scope, name, rule, state, heldByOperator, sinceSeconds, why, nextProbeSeconds = null } = breaker;
  const { calls, failures, slow, refused } = breaker;
  const cut = (text: string): string => text.slice(0, mostText);
  return {
    ...{ proxy, service, scope: cut(scope), name: cut(name), destination: destinationOf(name), rule: cut(rule) },
    ...{ state: cut(state), heldByOperator, sinceSeconds, why: cut(why), nextProbeSeconds },
    ...{ calls: Number(calls), failures: Number(failures), slow: Number(slow), refused: Number(refused) },
  };
}

/** `outbound|80|v1|payments.shop` → `shop/payments`. A route's is named by its virtual host: `payments.shop:80/…`. */
function destinationOf(name: string): string {
  const [, service = '', namespace = ''] =
    /^outbound\|\d+\|[^|]*\|([-a-z0-9]{1,63})\.([-a-z0-9]{1,63})$/.exec(name) ??
    /^([-a-z0-9]{1,63})\.([-a-z0-9]{1,63})(?::\d+)?\//.exec(name) ??
    [];
  return service === '' ? '' : `${namespace}/${service}`;
}

function order(a: BreakerRow, b: BreakerRow, by: (row: BreakerRow) => string): number {
  return by(a) < by(b) ? -1 : by(a) > by(b) ? 1 : 0;
}

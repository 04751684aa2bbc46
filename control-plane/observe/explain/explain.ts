/**
 * What happened to one request, in words: records of its hops in, a story out. Pure. The likely cause is looked for where the failure began, at the innermost hop that failed; what came of it on the way back is said
 * too. Of a request that only took long it is said where the time went.
 */
import type { RequestRecord } from '../../../proto/generated/outrigger/observe/v1/observe_pb.js';
import { type Cause, flagCause, heldCause, unflaggedCause } from './flag-cause.ts';
import { type Hop, hopOf, shortName, timeText } from './hop.ts';
import { hopLines } from './hop-lines.ts';
import { type OrderedHop, orderHops } from './order-hops.ts';
import { timeSpent } from './time-spent.ts';

export interface Explanation {
  readonly summary: string;
  /** A line or more for each hop. */
  readonly hops: readonly string[];
  /** Sentences. */
  readonly why: readonly string[];
  /** What to do next: commands, or places to look at. */
  readonly next: readonly string[];
}

export interface ExplainedRequest {
  readonly requestId: string;
  readonly hops: ReadonlyArray<{ readonly depth: number; readonly record: RequestRecord }>;
  readonly explanation: Explanation;
}

/** Where a policy or route stands, as `demo/config/payments.yaml:31`; '': nobody knows. */
export type PlaceOf = (rule: string) => string;

const mostNext = 4;

/** `records`: at least one, of one request, in any order. */
export function explain(records: readonly RequestRecord[], placeOf: PlaceOf = () => ''): ExplainedRequest {
  const ordered = orderHops(records.map(hopOf));
  const first = ordered[0]!.hop;
  const guilty = origin(ordered);
  const why: string[] = [];
  const next: string[] = [];
  if (guilty === null) why.push(...timeSpent(ordered));
  else {
    const held = heldUpWithin(guilty);
    const hop = withLimit(guilty);
    for (const { why: text, next: then } of [...(held === null ? [] : [heldCause(held)]), ...causesOf(hop)]) {
      why.push(sentence(text));
      next.push(...then);
    }
    why.push(...surroundings(guilty.hop), ...consequences(guilty));
    for (const rule of new Set([hop.record.rule, hop.limit?.rule ?? '', held?.record.rule ?? ''])) {
      const place = rule === '' ? '' : placeOf(rule);
      if (place !== '') next.unshift(`${rule} is in ${place}`);
    }
  }
  const { requestId } = first.record;
  return {
    requestId: requestId === '' ? first.record.traceId : requestId,
    hops: ordered.map(({ depth, hop }) => ({ depth, record: hop.record })),
    explanation: {
      summary: summaryOf(first),
      hops: hopLines(ordered),
      why,
      next: [...new Set(next)].slice(0, mostNext),
    },
  };
}

function summaryOf({ record, startedMs, durationMs, direction }: Hop): string {
  const grpc = record.grpcStatus === '' || record.grpcStatus === '0' ? '' : `, gRPC status ${record.grpcStatus}`;
  const source = direction === 'outbound' ? record.service : record.source;
  const from = source === '' || source === 'unknown' ? record.remoteAddress || 'somebody' : shortName(source);
  const time = new Date(startedMs).toISOString().slice(11, 23);
  return `${record.method} ${record.path} from ${from}, ${time}, answered ${record.status}${grpc} in ${timeText(durationMs)}`;
}

/** The innermost hop that failed on the way of the failure; a try that failed and was made good is none. Null: it did not fail. */
function origin(ordered: readonly OrderedHop[]): OrderedHop | null {
  let found =
    ordered.find(({ hop, parent }) => parent === null && hop.broken) ??
    ordered.find(({ hop, parent }) => parent === null && hop.failed) ??
    ordered.find(({ hop }) => hop.broken) ??
    ordered.find(({ hop }) => hop.failed) ??
    null;
  while (found !== null) {
    const { broken } = found.hop;
    // What the hop made up itself has its cause there, whatever its tries met before; a failure of its upstream's is explained further in.
    const inner = found.children.filter(({ hop }) => (broken ? hop.broken : hop.failed)).at(-1);
    if (inner === undefined || endsHere(found.hop)) return found;
    found = inner;
  }
  return null;
}

/** Flags that say of themselves why, though the other side has a record too. */
const ownReasons: ReadonlySet<string> = new Set([
  ...['UT', 'DC', 'CB', 'UO', 'RL', 'RLSE', 'RBAC', 'UAEX', 'FI', 'NR', 'NC', 'SI', 'UMSDR', 'DT', 'DPE', 'IH', 'OM'],
  ...['UH', 'UF', 'LH', 'DO', 'DF', 'NFCF'],
]);

function endsHere({ flags, direction }: Hop): boolean {
  // The caller's timeout ends it on the other side too, where it is only the caller's going away.
  return direction !== 'inbound' && flags.some((flag) => ownReasons.has(flag));
}

/** Flags of who ended a request because its time was over. */
const timeIsOver: ReadonlySet<string> = new Set(['UT', 'UMSDR']);

/** Of one whose time was set by who called it, and passed on with the request: both keep the same moment, and either may be the first. */
function withLimit({ hop, parent }: OrderedHop): Hop {
  if (hop.limit !== null || hop.direction !== 'inbound' || !hop.flags.some((flag) => timeIsOver.has(flag))) return hop;
  const caller = parent?.hop;
  // A caller that did something about it has the rule of that.
  if (caller === undefined || caller.limit === null || caller.flags.length > 0) return hop;
  return { ...hop, limit: { ...caller.limit, passedOn: true } };
}

/** In the order of importance: what ended it, then what the flags add. */
function causesOf(hop: Hop): Cause[] {
  const causes = [...hop.flags]
    .sort((a, b) => weight(a, hop) - weight(b, hop))
    .map((flag) => flagCause(flag, hop) ?? { why: `its flag ${flag} is of a sidecar of another version`, next: [] });
  return causes.length === 0 ? [unflaggedCause(hop)] : causes;
}

/** These say what was done about it, not why; but of one that was held up until its time was over, the delay is why. */
function weight(flag: string, hop: Hop): number {
  if (flag === 'DI' && ranOut(hop) && hop.attempts.length === 0) return -1;
  return flag === 'DI' || flag === 'FB' ? 2 : flag === 'URX' ? 1 : 0;
}

/** Flags of a request whose time was over, or whose caller thought so. */
const outOfTime: ReadonlySet<string> = new Set([...timeIsOver, 'DC']);

function ranOut({ flags }: Hop): boolean {
  return flags.some((flag) => outOfTime.has(flag));
}

/** Of one whose time was over: the hop further in that was held up on purpose for most of it, or until nobody waited any more. */
function heldUpWithin({ hop: outer, children }: OrderedHop): Hop | null {
  if (!ranOut(outer)) return null;
  const within = [...children];
  for (const { hop, children: further } of within) {
    within.push(...further);
    if (!hop.flags.includes('DI')) continue;
    if (hop.attempts.length === 0 || hop.admittedMs - Math.max(0, hop.routedMs) > outer.durationMs / 2) return hop;
  }
  return null;
}

/** What the sidecar noted: breakers, limits, hosts that got nothing. */
function surroundings({ record }: Hop): string[] {
  const lines = record.circumstances.map(sentence);
  const ejected = record.passedOver.map(({ host, why }) => `${host} ${why}`);
  if (ejected.length > 0) lines.push(sentence(`passed over: ${ejected.join('; ')}`));
  return lines;
}

/** What became of it on the way back to who asked. */
function consequences(guilty: OrderedHop): string[] {
  const lines: string[] = [];
  let call = guilty.hop;
  for (let at = guilty.parent; at !== null; at = at.parent) {
    const { hop } = at;
    if (hop.direction !== 'inbound') {
      call = hop;
      continue;
    }
    const { status } = hop.record;
    if (hop.flags.includes('DC')) {
      lines.push(`${hop.service} was waiting for it when its own caller went away.`);
      continue;
    }
    lines.push(`${hop.service}${whatItDid(hop, call)} ${status}.`);
  }
  return lines;
}

/** A service whose call came to this. */
function whatItDid(hop: Hop, call: Hop): string {
  const callRefused = call.broken || call.record.status >= 400;
  if (hop.broken) return callRefused ? ', which needed it, answered' : ' answered';
  if (hop.record.status >= 400)
    return callRefused && hop.record.status === call.record.status ? ' passed it on and answered' : ' answered';
  return callRefused ? ' made do without it and answered' : ' waited for it and answered';
}

/** The name of a cluster stays as it is. */
function sentence(text: string): string {
  const trimmed = text.trim().replace(/\.$/, '');
  if (/^[^\s|]+\|/.test(trimmed)) return `${trimmed}.`;
  return `${trimmed.slice(0, 1).toUpperCase()}${trimmed.slice(1)}.`;
}

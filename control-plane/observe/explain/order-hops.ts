/**
 * Puts the hops of one request in the order in which it passed them: who called whom, by spans where there are any, else by who calls what at a time within the other's. Clocks of machines differ by a little: what is
 * known otherwise counts more than times.
 */
import type { Hop } from './hop.ts';

export interface OrderedHop {
  readonly hop: Hop;
  readonly depth: number;
  /** Null: it is where the request came in, or nobody knows who sent it. */
  readonly parent: OrderedHop | null;
  readonly children: OrderedHop[];
}

/** Clocks of machines that are kept in time differ by less. */
const skewMs = 250;
/** Between a caller and whom it calls, where only times say that it does: no more than an event loop that was busy. */
const closeMs = 5;

export function orderHops(hops: readonly Hop[]): OrderedHop[] {
  const byTime = [...hops].sort(
    (a, b) => a.startedMs - b.startedMs || b.durationMs - a.durationMs || rank(a) - rank(b),
  );
  const parents = new Map<Hop, Hop>();
  // What is sure comes first: a guess must not take a caller's try from who has come of it.
  for (const find of [bySpan, byName, byTimes])
    for (const hop of byTime) {
      const parent = parents.has(hop) ? null : find(hop, byTime, parents);
      if (parent !== null && !leadsTo(parent, hop, parents)) parents.set(hop, parent);
    }
  const ordered: OrderedHop[] = [];
  const visit = (hop: Hop, parent: OrderedHop | null): void => {
    const node: OrderedHop = { hop, depth: parent === null ? 0 : parent.depth + 1, parent, children: [] };
    parent?.children.push(node);
    ordered.push(node);
    for (const child of byTime) if (parents.get(child) === hop) visit(child, node);
  };
  for (const hop of byTime) if (!parents.has(hop)) visit(hop, null);
  return ordered;
}

/** At one moment the caller's side is the first. */
function rank({ direction }: Hop): number {
  return direction === 'outbound' ? 0 : 1;
}

function bySpan({ record }: Hop, hops: readonly Hop[]): Hop | null {
  const { parentSpanId, traceId } = record;
  if (parentSpanId === '') return null;
  const found = hops.find(
    (other) =>
      other.record !== record &&
      other.record.traceId === traceId &&
      (other.record.spanId === parentSpanId || other.attempts.some(({ spanId }) => spanId === parentSpanId)),
  );
  return found ?? null;
}

type Calls = (other: Hop, hop: Hop, parents: ReadonlyMap<Hop, Hop>) => boolean;

/** An inbound hop is a try of its caller's; an outbound one is sent while its service handles a call. */
function byName(hop: Hop, hops: readonly Hop[], parents: ReadonlyMap<Hop, Hop>): Hop | null {
  return closest(hop, hops, parents, hop.direction === 'inbound' ? callsItByName : isHandledBy);
}

/**
 * A subset of a service has a name of its own on the caller's side, and without mTLS nobody says who called. It looks the same where a request comes in from outside: so the times have to be those of a call, within the
 * caller's and no longer, or the beginning would be taken for a call of its own end.
 */
function byTimes(hop: Hop, hops: readonly Hop[], parents: ReadonlyMap<Hop, Hop>): Hop | null {
  if (hop.direction !== 'inbound' || hop.record.source !== 'unknown') return null;
  return closest(
    hop,
    hops,
    parents,
    (other) =>
      mayCallMore(other, parents) &&
      other.record.service !== hop.record.service &&
      hop.startedMs >= other.startedMs - closeMs &&
      hop.durationMs <= other.durationMs + closeMs,
  );
}

function closest(hop: Hop, hops: readonly Hop[], parents: ReadonlyMap<Hop, Hop>, calls: Calls): Hop | null {
  let best: Hop | null = null;
  let bestMisfit = Infinity;
  for (const other of hops) {
    if (other === hop || !encloses(other, hop) || !calls(other, hop, parents) || leadsTo(other, hop, parents)) continue;
    const misfit = Math.abs(expectedStartMs(other, hop, parents) - hop.startedMs) + strangeness(other, hop);
    if (misfit < bestMisfit) {
      best = other;
      bestMisfit = misfit;
    }
  }
  return best;
}

function callsItByName(other: Hop, { record }: Hop, parents: ReadonlyMap<Hop, Hop>): boolean {
  const { destination, service } = other.record;
  return (
    mayCallMore(other, parents) &&
    (destination === record.service || (service !== record.service && record.source === service))
  );
}

/** A hop without attempts called nobody; each attempt arrives once. */
function mayCallMore(other: Hop, parents: ReadonlyMap<Hop, Hop>): boolean {
  return other.direction !== 'inbound' && arrivedOf(other, parents) < other.attempts.length;
}

function arrivedOf(caller: Hop, parents: ReadonlyMap<Hop, Hop>): number {
  let arrived = 0;
  for (const [hop, parent] of parents) if (parent === caller && hop.direction === 'inbound') arrived++;
  return arrived;
}

/** In milliseconds of misfit: what names agree on counts more than a moment. */
function strangeness(other: Hop, { direction, record }: Hop): number {
  if (direction !== 'inbound') return 0;
  const named = other.record.destination === record.service ? 0 : 1_000;
  return named + (record.source === 'unknown' || record.source === other.record.service ? 0 : 1_000);
}

function isHandledBy(other: Hop, { record }: Hop): boolean {
  return other.direction === 'inbound' && other.record.service === record.service;
}

/** Of its caller's tries the next that nobody has arrived of. */
function expectedStartMs(other: Hop, hop: Hop, parents: ReadonlyMap<Hop, Hop>): number {
  if (hop.direction !== 'inbound') return other.startedMs;
  const attempt = other.attempts[arrivedOf(other, parents)];
  return other.startedMs + Math.max(0, attempt?.sentMs ?? 0);
}

function encloses(outer: Hop, inner: Hop): boolean {
  return inner.startedMs >= outer.startedMs - skewMs && inner.startedMs <= outer.startedMs + outer.durationMs + skewMs;
}

/** No circle: what a proxy says of its spans may be anything. */
function leadsTo(from: Hop, to: Hop, parents: ReadonlyMap<Hop, Hop>): boolean {
  for (let hop: Hop | undefined = from; hop !== undefined; hop = parents.get(hop)) if (hop === to) return true;
  return false;
}

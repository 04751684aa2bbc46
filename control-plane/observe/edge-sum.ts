/** Sums of what sidecars report of an edge. Pure arithmetic. */
import type { EdgeFigures } from '../../proto/generated/outrigger/observe/v1/observe_pb.js';

/** What one report, or several together, say of one edge. */
export interface EdgeSum {
  requests: number;
  failures: number;
  retries: number;
  secured: number;
  active: number;
  readonly flags: Record<string, number>;
  readonly classes: Record<string, number>;
  durationSumSeconds: number;
  /** Counts by upper bound in seconds; Infinity: beyond all. As a map, as sidecars of another version may count by other bounds. */
  readonly durations: Map<number, number>;
  breaker: string;
}

/** The worst of several is told. */
const breakerStates = ['forced_open', 'open', 'half_open', 'forced_closed', 'closed'];

export function emptySum(): EdgeSum {
  return {
    ...{ requests: 0, failures: 0, retries: 0, secured: 0, active: 0 },
    flags: Object.create(null) as Record<string, number>,
    classes: Object.create(null) as Record<string, number>,
    durationSumSeconds: 0,
    durations: new Map(),
    breaker: '',
  };
}

export function sumOf(figures: EdgeFigures, boundsSeconds: readonly number[]): EdgeSum {
  const sum = emptySum();
  const { requests, failures, retries, secured, active, breaker, durationSumSeconds } = figures;
  addTo(sum, {
    ...{ requests: Number(requests), failures: Number(failures), retries: Number(retries), secured: Number(secured) },
    ...{ active, breaker, durationSumSeconds },
    flags: counts(figures.flags),
    classes: counts(figures.classes),
    durations: new Map(
      figures.durations.slice(0, mostNames).map((count, i) => [boundOf(boundsSeconds[i]), Number(count)] as const),
    ),
  });
  return sum;
}

/** Of `more` all or a share; what is so now (requests under way, breakers) has none. */
export function addTo(sum: EdgeSum, more: EdgeSum, share = 1): void {
  sum.requests += more.requests * share;
  sum.failures += more.failures * share;
  sum.retries += more.retries * share;
  sum.secured += more.secured * share;
  sum.durationSumSeconds += more.durationSumSeconds * share;
  for (const [flag, count] of Object.entries(more.flags)) sum.flags[flag] = (sum.flags[flag] ?? 0) + count * share;
  for (const [name, count] of Object.entries(more.classes))
    sum.classes[name] = (sum.classes[name] ?? 0) + count * share;
  for (const [bound, count] of more.durations)
    sum.durations.set(bound, (sum.durations.get(bound) ?? 0) + count * share);
  sum.active += more.active;
  sum.breaker = worseBreaker(sum.breaker, more.breaker);
}

export function worseBreaker(a: string, b: string): string {
  return breakerStates.find((state) => state === a || state === b) ?? '';
}

/** In milliseconds, interpolated inside its bucket as Prometheus' histogram_quantile does; null: nothing was counted. */
export function quantileMs(durations: ReadonlyMap<number, number>, quantile: number): number | null {
  const buckets = [...durations].sort(([a], [b]) => a - b);
  const total = buckets.reduce((sum, [, count]) => sum + count, 0);
  if (total <= 0) return null;
  const rank = quantile * total;
  let below = 0;
  let low = 0;
  for (const [bound, count] of buckets) {
    if (below + count >= rank && count > 0) {
      if (bound === Infinity) return low * 1_000;
      return (low + (bound - low) * ((rank - below) / count)) * 1_000;
    }
    below += count;
    low = bound;
  }
  return low * 1_000;
}

/** What a sidecar says may be anything: no more names than it can have. */
const mostNames = 64;

/** The last bucket has none. */
function boundOf(seconds: number | undefined): number {
  return seconds === undefined || !(seconds > 0) ? Infinity : seconds;
}

function counts(of: Readonly<Record<string, bigint>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(of)
      .slice(0, mostNames)
      .map(([name, count]) => [name, Number(count)]),
  );
}

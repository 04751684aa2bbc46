/** Reports of sidecars → figures of edges, or of routes. An edge is seen from both of its sides: the caller's view counts, as failures to reach the other side are seen there only; where no caller's sidecar tells, the other's does. */
import { addTo, type EdgeSum, emptySum, quantileMs } from './edge-sum.ts';
import type { FigureReport, ReportedEdge } from './figure-feed.ts';
import type { SameInstances } from './shared-instances.ts';
import { ToldByCallers } from './told-by-callers.ts';

export interface EdgeRow {
  readonly source: string;
  readonly destination: string;
  /** Only where rows are by route. */
  readonly route?: string;
  /** Whose view it is. */
  readonly direction: string;
  readonly requestsPerSecond: number;
  readonly failuresPerSecond: number;
  readonly retriesPerSecond: number;
  /** Null: nothing was counted. */
  readonly p50Ms: number | null;
  readonly p90Ms: number | null;
  readonly p99Ms: number | null;
  /** Of its requests under mTLS, 0 to 1; null: there were none. */
  readonly securedShare: number | null;
  /** Requests within the window, by flag, and by class. */
  readonly flags: Readonly<Record<string, number>>;
  readonly classes: Readonly<Record<string, number>>;
  readonly breaker: string;
  readonly active: number;
}

/** One side's view, over all sidecars of that side. */
interface Side {
  readonly edge: ReportedEdge;
  readonly sum: EdgeSum;
  requestsPerSecond: number;
  failuresPerSecond: number;
  retriesPerSecond: number;
}

/** `unknown` callers of a service are those that its callers' sidecars tell of already, where these call without mTLS: only a rest above this share of theirs is somebody else. */
const noise = 0.1;
const unknownSource = 'unknown';

/** `windows`: the reports of each sidecar. `serviceOf`: the service that has this account (`namespace/account`), as inbound sources are accounts. */
export function edgeRows(
  windows: ReadonlyArray<readonly FigureReport[]>,
  by: 'edge' | 'route',
  serviceOf: (account: string) => string,
  sameInstances: SameInstances = (service) => new Set([service]),
): EdgeRow[] {
  const outbound = new Map<string, Side>();
  const inbound = new Map<string, Side>();
  for (const reports of windows) addProxy(reports, by, serviceOf, outbound, inbound);
  const rows: EdgeRow[] = [];
  const told = new ToldByCallers();
  for (const [key, side] of outbound) {
    const { edge, sum, requestsPerSecond } = side;
    const plain = sum.requests > 0 ? requestsPerSecond * (1 - Math.min(1, sum.secured / sum.requests)) : 0;
    told.add(edge.source, edge.destination, plain);
    rows.push(rowOf(side, by, inbound.get(key)));
  }
  for (const [key, side] of inbound)
    if (!outbound.has(key) && !isToldByCallers(side, told, sameInstances)) rows.push(rowOf(side, by, side));
  return rows.sort((a, b) => (keyOf(a, by) < keyOf(b, by) ? -1 : 1));
}

function addProxy(
  reports: readonly FigureReport[],
  by: 'edge' | 'route',
  serviceOf: (account: string) => string,
  outbound: Map<string, Side>,
  inbound: Map<string, Side>,
): void {
  const seconds = reports.reduce((sum, { intervalMs }) => sum + intervalMs, 0) / 1_000;
  const last = reports.at(-1);
  /** What is so now, of this sidecar: by destination, whatever the route. */
  const active = new Map<Side, number>();
  for (const report of reports) {
    for (const reported of report.edges) {
      const isInbound = reported.direction === 'inbound';
      const edge = isInbound ? { ...reported, source: serviceOf(reported.source) } : reported;
      const sides = isInbound ? inbound : outbound;
      // An edge's routes as both sides know them are not the same: by route, sides are not matched.
      const key = keyOf(edge, by);
      let side = sides.get(key);
      if (side === undefined)
        sides.set(
          key,
          (side = { edge, sum: emptySum(), requestsPerSecond: 0, failuresPerSecond: 0, retriesPerSecond: 0 }),
        );
      const { sum } = reported;
      const isNow = report === last;
      addTo(side.sum, { ...sum, active: 0, breaker: isNow ? sum.breaker : '' });
      if (isNow) active.set(side, Math.max(active.get(side) ?? 0, sum.active));
      side.requestsPerSecond += sum.requests / seconds;
      side.failuresPerSecond += sum.failures / seconds;
      side.retriesPerSecond += sum.retries / seconds;
    }
  }
  for (const [side, count] of active) side.sum.active += count;
}

function keyOf({ source, destination, route = '' }: Partial<ReportedEdge>, by: 'edge' | 'route'): string {
  return by === 'edge' ? `${source}\0${destination}` : `${source}\0${destination}\0${route}`;
}

/** Calls without a name at a service whose callers tell of calls without mTLS are those. */
function isToldByCallers(
  { edge, requestsPerSecond }: Side,
  told: ToldByCallers,
  sameInstances: SameInstances,
): boolean {
  // The caller names its own routes, and the service as it knows it.
  const names = sameInstances(edge.destination);
  if (edge.source !== unknownSource) return told.tells(edge.source, names);
  const plain = told.plain(names);
  return plain > 0 && requestsPerSecond <= plain * (1 + noise) + 0.2;
}

/** `arrived`: the same at the other side. Whether calls were under mTLS is known where they arrive; the caller's sidecar knows it of its connections. */
function rowOf(side: Side, by: 'edge' | 'route', arrived: Side | undefined): EdgeRow {
  const { edge, sum } = side;
  const { source, destination, route, direction } = edge;
  const claimed = sum.requests > 0 ? Math.min(1, sum.secured / sum.requests) : null;
  const seen =
    arrived !== undefined && arrived.sum.requests > 0 ? Math.min(1, arrived.sum.secured / arrived.sum.requests) : null;
  return {
    source,
    destination,
    ...(by === 'route' ? { route } : {}),
    direction,
    requestsPerSecond: rounded(side.requestsPerSecond),
    failuresPerSecond: rounded(side.failuresPerSecond),
    retriesPerSecond: rounded(side.retriesPerSecond),
    p50Ms: roundedOrNull(quantileMs(sum.durations, 0.5)),
    p90Ms: roundedOrNull(quantileMs(sum.durations, 0.9)),
    p99Ms: roundedOrNull(quantileMs(sum.durations, 0.99)),
    securedShare: roundedOrNull(seen ?? claimed),
    flags: { ...sum.flags },
    classes: { ...sum.classes },
    breaker: sum.breaker,
    active: sum.active,
  };
}

function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}

function roundedOrNull(value: number | null): number | null {
  return value === null ? null : rounded(value);
}

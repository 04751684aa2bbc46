/** Rows of `top` and `edges`: figures as people read them. */
import type { EdgeRow } from '../../control-plane/observe/edge-view.ts';
import type { Column } from '../print-data.ts';

/** What /api/v1/edges and /api/v1/routes-live answer. */
export interface LiveFigures {
  readonly at: string;
  readonly windowSeconds: number;
  readonly edges?: readonly EdgeRow[];
  readonly routes?: readonly EdgeRow[];
  readonly proxies: number;
  readonly silent: readonly string[];
  /** Why there are none; a control plane of an older version says nothing. */
  readonly doubts?: readonly string[];
}

const rate = (perSecond: number): string => (perSecond >= 100 ? perSecond.toFixed(0) : perSecond.toFixed(1));

export function okText({ requestsPerSecond, failuresPerSecond }: EdgeRow): string {
  if (requestsPerSecond === 0) return '';
  const share = (100 * (requestsPerSecond - failuresPerSecond)) / requestsPerSecond;
  // 100 % is said only of all.
  return `${share === 100 ? '100' : share > 99.9 ? '99.9' : share.toFixed(1)} %`;
}

export function millisecondsText(value: number | null): string {
  if (value === null) return '';
  return value >= 1_000
    ? `${(value / 1_000).toFixed(2)} s`
    : `${value >= 100 ? value.toFixed(0) : value.toFixed(1)} ms`;
}

function securedText({ securedShare }: EdgeRow): string {
  if (securedShare === null) return '';
  return securedShare >= 0.995 ? 'yes' : securedShare <= 0.005 ? 'no' : `${Math.round(securedShare * 100)} %`;
}

/** The ones that occur most. */
function flagsText({ flags }: EdgeRow): string {
  return Object.entries(flags)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 3)
    .map(([flag, n]) => `${flag} ${Math.round(n)}`)
    .join(' ');
}

const figures: ReadonlyArray<Column<EdgeRow>> = [
  { heading: 'req/s', cell: (row) => rate(row.requestsPerSecond) },
  { heading: 'ok', cell: okText },
  { heading: 'p50', cell: (row) => millisecondsText(row.p50Ms) },
  { heading: 'p90', cell: (row) => millisecondsText(row.p90Ms) },
  { heading: 'p99', cell: (row) => millisecondsText(row.p99Ms) },
];

const state: ReadonlyArray<Column<EdgeRow>> = [
  { heading: 'active', cell: ({ active }) => (active === 0 ? '' : String(active)) },
  { heading: 'breaker', cell: ({ breaker }) => breaker.replace('_', '-') },
  { heading: 'flags', cell: flagsText },
];

export const edgeColumns: ReadonlyArray<Column<EdgeRow>> = [
  { heading: 'edge', cell: ({ source, destination }) => `${source} → ${destination}` },
  ...figures,
  { heading: 'mTLS', cell: securedText },
  ...state,
];

/** A route is seen from its caller's side, and from the side of who is called. */
export const routeColumns: ReadonlyArray<Column<EdgeRow>> = [
  { heading: 'route', cell: ({ route = '' }) => route || '(none)' },
  { heading: 'from', cell: ({ source }) => source },
  { heading: 'to', cell: ({ destination }) => destination },
  { heading: 'side', cell: ({ direction }) => (direction === 'inbound' ? 'in' : 'out') },
  ...figures,
  { heading: 'retries/s', cell: ({ retriesPerSecond }) => (retriesPerSecond === 0 ? '' : rate(retriesPerSecond)) },
  ...state,
];

/** The busiest first. */
export function byRate(rows: readonly EdgeRow[]): EdgeRow[] {
  return rows.toSorted((a, b) => b.requestsPerSecond - a.requestsPerSecond);
}

/** For stderr; '': everybody tells. */
export function silentText({ silent }: Pick<LiveFigures, 'silent'>): string {
  if (silent.length === 0) return '';
  const shown = silent.slice(0, 3).join(', ');
  return `${silent.length} ${silent.length === 1 ? 'sidecar does' : 'sidecars do'} not answer: ${shown}${silent.length > 3 ? ', …' : ''}`;
}

export function nothingText({ proxies, windowSeconds, doubts = [] }: LiveFigures): string {
  if (proxies === 0) return 'no sidecar has told of its traffic yet: outrigger status shows those that are connected';
  return doubts.length > 0
    ? doubts.join('; ')
    : `nothing has passed in the last ${windowSeconds} s, as ${proxies} ${proxies === 1 ? 'sidecar says' : 'sidecars say'}`;
}

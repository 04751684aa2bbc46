/** Live figures of the demo's edges, from the metrics of the callers' sidecars. */
import { request } from 'node:http';

export interface EdgeFigures {
  readonly source: string;
  readonly destination: string;
  readonly requestsPerSecond: number;
  readonly okShare: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Calls of this caller arrive over mutual TLS, with its identity: the sidecars of the services say so. Of all its calls together, as subsets (payments-v1) are a caller's names, unknown to the instances. */
  readonly mutualTls: boolean;
}

/** Sums since the sidecar started, of one edge. */
interface EdgeTotals {
  requests: number;
  failed: number;
  /** Of them, those that the other side's sidecar took from this verified identity. */
  proven: number;
  /** Cumulative counts by upper bound in seconds. */
  readonly buckets: Map<number, number>;
}

const line = /^(outrigger_requests_total|outrigger_request_duration_seconds_bucket)\{([^}]*)\} (\S+)$/;

/** Reads Prometheus text into totals by `source → destination`; outbound edges only. */
export function readTotals(text: string, totals: Map<string, EdgeTotals>): void {
  for (const each of text.split('\n')) {
    const match = line.exec(each);
    if (match === null) continue;
    const labels = Object.fromEntries(
      [...match[2]!.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name!, value!]),
    );
    const inbound = labels['direction'] === 'inbound';
    if (labels['source'] === 'unknown' || labels['destination'] === 'unknown') continue;
    if (!inbound && labels['direction'] !== 'outbound') continue;
    const key = `${labels['source']} → ${inbound ? arrivals : labels['destination']}`;
    let edge = totals.get(key);
    if (edge === undefined) {
      edge = { requests: 0, failed: 0, proven: 0, buckets: new Map() };
      totals.set(key, edge);
    }
    const value = Number(match[3]);
    if (inbound) {
      if (match[1] === 'outrigger_requests_total') edge.proven += value;
      continue;
    }
    if (match[1] === 'outrigger_requests_total') {
      edge.requests += value;
      if (failed(labels)) edge.failed += value;
    } else {
      const bound = labels['le'] === '+Inf' ? Infinity : Number(labels['le']);
      edge.buckets.set(bound, (edge.buckets.get(bound) ?? 0) + value);
    }
  }
}

/** In the place of a destination: what arrived anywhere, with the caller's verified identity. */
const arrivals = '*';

function failed(labels: Record<string, string>): boolean {
  return Number(labels['code']) >= 500 || (labels['grpc_status'] ?? '') > '0' || labels['flags'] !== '';
}

/** Figures of the time between two readings. */
export function edgeFigures(
  before: ReadonlyMap<string, EdgeTotals>,
  after: ReadonlyMap<string, EdgeTotals>,
  seconds: number,
): EdgeFigures[] {
  const figures: EdgeFigures[] = [];
  for (const [key, now] of after) {
    if (key.endsWith(` → ${arrivals}`)) continue;
    const then = before.get(key);
    const requests = now.requests - (then?.requests ?? 0);
    if (requests <= 0) continue;
    const failures = now.failed - (then?.failed ?? 0);
    const [source = '', destination = ''] = key.split(' → ');
    const counts = [...now.buckets]
      .sort(([a], [b]) => a - b)
      .map(([bound, count]) => ({ bound, count: count - (then?.buckets.get(bound) ?? 0) }));
    figures.push({
      source: source.split('/').at(-1)!,
      destination: destination.split('/').at(-1)!,
      requestsPerSecond: requests / seconds,
      okShare: 1 - failures / requests,
      p50Ms: quantileMs(counts, 0.5),
      p99Ms: quantileMs(counts, 0.99),
      mutualTls: arrivesProven(source, after),
    });
  }
  return figures.sort((a, b) => (`${a.source} ${a.destination}` < `${b.source} ${b.destination}` ? -1 : 1));
}

/** Since the start; at any moment some are on their way. */
function arrivesProven(source: string, totals: ReadonlyMap<string, EdgeTotals>): boolean {
  let sent = 0;
  for (const [key, { requests }] of totals) if (key.startsWith(`${source} → `)) sent += requests;
  return sent > 0 && (totals.get(`${source} → ${arrivals}`)?.proven ?? 0) >= 0.95 * sent;
}

/** Interpolated inside its bucket, as Prometheus' histogram_quantile does. */
function quantileMs(counts: ReadonlyArray<{ readonly bound: number; readonly count: number }>, q: number): number {
  const total = counts.at(-1)?.count ?? 0;
  const rank = q * total;
  let low = 0;
  let below = 0;
  for (const { bound, count } of counts) {
    if (count >= rank && count > below)
      return bound === Infinity ? low * 1000 : (low + (bound - low) * ((rank - below) / (count - below))) * 1000;
    low = bound;
    below = count;
  }
  return low * 1000;
}

/** GET over loopback, as text; '' when the process is not there. */
export function getText(hostPort: string, path: string): Promise<string> {
  const [host, port] = hostPort.split(':');
  return new Promise((resolve) => {
    const call = request({ host, port, path, timeout: 2_000, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve(body));
    });
    call.on('timeout', () => call.destroy());
    call.on('error', () => resolve(''));
    call.end();
  });
}

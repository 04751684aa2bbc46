/** Live figures of the demo's edges, from the metrics of the callers' sidecars. */
import { request } from 'node:http';

export interface EdgeFigures {
  readonly source: string;
  readonly destination: string;
  readonly requestsPerSecond: number;
  readonly okShare: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Sums since the sidecar started, of one edge. */
interface EdgeTotals {
  requests: number;
  failed: number;
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
    if (labels['direction'] !== 'outbound' || labels['destination'] === 'unknown') continue;
    const key = `${labels['source']} → ${labels['destination']}`;
    let edge = totals.get(key);
    if (edge === undefined) {
      edge = { requests: 0, failed: 0, buckets: new Map() };
      totals.set(key, edge);
    }
    const value = Number(match[3]);
    if (match[1] === 'outrigger_requests_total') {
      edge.requests += value;
      if (failed(labels)) edge.failed += value;
    } else {
      const bound = labels['le'] === '+Inf' ? Infinity : Number(labels['le']);
      edge.buckets.set(bound, (edge.buckets.get(bound) ?? 0) + value);
    }
  }
}

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
      destination: destination.split('.')[0]!,
      requestsPerSecond: requests / seconds,
      okShare: 1 - failures / requests,
      p50Ms: quantileMs(counts, 0.5),
      p99Ms: quantileMs(counts, 0.99),
    });
  }
  return figures.sort((a, b) => (`${a.source} ${a.destination}` < `${b.source} ${b.destination}` ? -1 : 1));
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

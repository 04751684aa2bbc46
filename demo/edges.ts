/** Live figures of the demo's edges, from the metrics of the callers' sidecars. */
import { request } from 'node:http';

export interface EdgeFigures {
  readonly source: string;
  readonly destination: string;
  readonly requestsPerSecond: number;
  readonly okShare: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Calls of this caller arrive over mutual TLS, with its identity: the sidecars of the services say so, of the last looks. Of all its calls together, as subsets (payments-v1) are a caller's names, unknown to the instances. */
  readonly mutualTls: boolean;
}

/** Of one edge: sums since a sidecar started, or of the time between two looks. */
interface EdgeTotals {
  requests: number;
  failed: number;
  /** Requests that went out. */
  sent: number;
  /** Those that the other side's sidecar took from this verified identity. */
  proven: number;
  /** Cumulative counts by upper bound in seconds. */
  readonly buckets: Map<number, number>;
}

/** By `source → destination`. */
type Totals = ReadonlyMap<string, EdgeTotals>;

/** Looks that mutual TLS is told by: requests are on their way while sidecars are asked one after the other. */
const provenByLooks = 10;
/** Requests that may be on their way. */
const underWay = 2;

/** Looks at the same sidecars again and again. Each is compared with itself: one that is gone takes nothing away from the sum of the others. */
export class EdgeWatch {
  #before: ReadonlyArray<Totals | null> = [];
  /** The last ones. */
  readonly #looks: Totals[] = [];

  /** What happened since the last look. `texts`: of each sidecar, in the same order every time; '' : it does not answer. */
  look(texts: readonly string[], seconds: number): EdgeFigures[] {
    const before = this.#before;
    const after = texts.map((text) => (text === '' ? null : readTotals(text)));
    this.#before = after;
    const changes = new Map<string, EdgeTotals>();
    let isWhole = true;
    for (const [at, now] of after.entries()) {
      const then = before[at] ?? null;
      if (now !== null && then !== null) isWhole = addChanges(then, now, changes) && isWhole;
      else if (now !== then) isWhole = false;
    }
    // What a sidecar took before it ended, nobody says any more: such a look proves nothing.
    if (isWhole) this.#looks.push(changes);
    if (this.#looks.length > provenByLooks) this.#looks.shift();
    return edgeFigures(changes, seconds, (source) => this.#arrivesProven(source));
  }

  #arrivesProven(source: string): boolean {
    let sent = 0;
    let proven = 0;
    for (const look of this.#looks)
      for (const [key, edge] of look)
        if (key.startsWith(`${source} → `)) {
          sent += edge.sent;
          proven += edge.proven;
        }
    return proven > 0 && proven >= 0.95 * sent - underWay;
  }
}

/** False: the sidecar was started anew in between; what it has now is all that is known. */
function addChanges(before: Totals, after: Totals, changes: Map<string, EdgeTotals>): boolean {
  const isSame = [...before].every(([key, then]) => {
    const now = after.get(key);
    return now !== undefined && now.requests >= then.requests && now.proven >= then.proven;
  });
  for (const [key, now] of after) {
    const then = isSame ? before.get(key) : undefined;
    const sum = edgeOf(changes, key);
    sum.requests += now.requests - (then?.requests ?? 0);
    sum.failed += now.failed - (then?.failed ?? 0);
    sum.sent += now.sent - (then?.sent ?? 0);
    sum.proven += now.proven - (then?.proven ?? 0);
    for (const [bound, count] of now.buckets)
      sum.buckets.set(bound, (sum.buckets.get(bound) ?? 0) + count - (then?.buckets.get(bound) ?? 0));
  }
  return isSame;
}

function edgeOf(totals: Map<string, EdgeTotals>, key: string): EdgeTotals {
  let edge = totals.get(key);
  if (edge === undefined) {
    edge = { requests: 0, failed: 0, sent: 0, proven: 0, buckets: new Map() };
    totals.set(key, edge);
  }
  return edge;
}

const line = /^(outrigger_requests_total|outrigger_request_duration_seconds_bucket)\{([^}]*)\} (\S+)$/;

/** From Prometheus text: outbound edges, and what arrived. */
function readTotals(text: string): Totals {
  const totals = new Map<string, EdgeTotals>();
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
    const edge = edgeOf(totals, key);
    const value = Number(match[3]);
    if (inbound) {
      if (match[1] === 'outrigger_requests_total') edge.proven += value;
      continue;
    }
    if (match[1] === 'outrigger_requests_total') {
      edge.requests += value;
      if (failed(labels)) edge.failed += value;
      if (wentOut(labels['flags'] ?? '')) edge.sent += value;
    } else {
      const bound = labels['le'] === '+Inf' ? Infinity : Number(labels['le']);
      edge.buckets.set(bound, (edge.buckets.get(bound) ?? 0) + value);
    }
  }
  return totals;
}

/** In the place of a destination: what arrived anywhere, with the caller's verified identity. */
const arrivals = '*';

function failed(labels: Record<string, string>): boolean {
  return Number(labels['code']) >= 500 || (labels['grpc_status'] ?? '') > '0' || labels['flags'] !== '';
}

/** The caller's sidecar answered itself, or its connection broke: such a request has not arrived, or nobody lives who could say so. */
const neverArrived: ReadonlySet<string> = new Set(['UH', 'UO', 'CB', 'UF', 'UC', 'UR', 'NC', 'FI', 'RL']);

/** URX stands before the flag that says why; what follows is told of an answer that came. */
function wentOut(flags: string): boolean {
  const [first = ''] = flags.split(',').filter((flag) => flag !== 'URX');
  return !neverArrived.has(first);
}

function edgeFigures(changes: Totals, seconds: number, arrivesProven: (source: string) => boolean): EdgeFigures[] {
  const figures: EdgeFigures[] = [];
  for (const [key, { requests, failed: failures, buckets }] of changes) {
    if (key.endsWith(` → ${arrivals}`) || requests <= 0) continue;
    const [source = '', destination = ''] = key.split(' → ');
    const counts = [...buckets].sort(([a], [b]) => a - b).map(([bound, count]) => ({ bound, count }));
    figures.push({
      source: source.split('/').at(-1)!,
      destination: destination.split('/').at(-1)!,
      requestsPerSecond: requests / seconds,
      okShare: 1 - failures / requests,
      p50Ms: quantileMs(counts, 0.5),
      p99Ms: quantileMs(counts, 0.99),
      mutualTls: arrivesProven(source),
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

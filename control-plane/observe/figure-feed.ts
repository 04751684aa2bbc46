/** Asks every sidecar that attends for the figures of its edges, again and again, and keeps what they said for a while. */
import type { Answer, EdgeFigures } from '../../proto/generated/outrigger/observe/v1/observe_pb.js';
import type { AttendingProxy } from './attending-proxy.ts';
import { type EdgeSum, sumOf } from './edge-sum.ts';
import type { ObserveHub } from './observe-hub.ts';

/** One report of one sidecar. */
export interface FigureReport {
  readonly proxy: AttendingProxy;
  /** When it came, by the control plane's clock that only grows. */
  readonly atMs: number;
  readonly intervalMs: number;
  readonly edges: readonly ReportedEdge[];
  /** Null: it did not say. */
  readonly used: { readonly residentBytes: number; readonly cpuSeconds: number; readonly uptimeSeconds: number } | null;
}

export interface ReportedEdge extends Pick<EdgeFigures, 'direction' | 'source' | 'destination' | 'route'> {
  readonly sum: EdgeSum;
}

/** What sidecars said and was not taken. */
export interface FiguresLeftOut {
  /** That came too soon after the one before. */
  reports: number;
  /** Of reports that were taken. */
  edges: number;
}

export interface FigureFeedInit {
  readonly hub: ObserveHub;
  readonly intervalMs: number;
  /** How long reports are kept. */
  readonly keepMs: number;
  readonly nowMs: () => number;
  readonly leftOut: FiguresLeftOut;
  readonly onReport?: (report: FigureReport) => void;
}

const mostName = 512;
/** In one report. */
const mostEdges = 2_000;
/** What is kept of one sidecar, by estimate: a minute, a second each, of a hundred edges with a usual histogram. Of one that tells more it is for a shorter time. */
const mostKeptBytes = 12 * 1024 * 1024;
/** As measured: an edge with nothing counted, a number of its histogram, and one that has a name. */
const edgeBytes = 832;
const numberBytes = 32;
const namedBytes = 96;
const mostIntervalMs = 3_600_000;

interface KeptReport extends FigureReport {
  readonly bytes: number;
}

export class FigureFeed {
  readonly #init: FigureFeedInit;
  readonly #reports = new Map<AttendingProxy, KeptReport[]>();
  readonly #stops = new Map<AttendingProxy, () => void>();
  readonly #unwatch: () => void;

  constructor(init: FigureFeedInit) {
    this.#init = init;
    this.#unwatch = init.hub.watch({
      onCome: (proxy) => this.#ask(proxy),
      onGone: (proxy) => {
        this.#reports.delete(proxy);
        this.#stops.delete(proxy);
      },
    });
  }

  /** Of the last so many seconds, by sidecar; at least its last one, where that is not too old. Sidecars that said nothing lately are not in it. */
  window(windowMs: number): Array<readonly FigureReport[]> {
    const { nowMs, intervalMs } = this.#init;
    const now = nowMs();
    const found: Array<readonly FigureReport[]> = [];
    for (const reports of this.#reports.values()) {
      const last = reports.at(-1);
      if (last === undefined || last.atMs < now - Math.max(windowMs, 2.5 * intervalMs)) continue;
      const within = reports.filter(({ atMs }) => atMs > now - windowMs);
      found.push(within.length === 0 ? [last] : within);
    }
    return found;
  }

  /** Node ids of those that attend and said nothing lately; sorted. */
  silent(): string[] {
    const { hub, nowMs, intervalMs } = this.#init;
    const sinceMs = nowMs() - 2.5 * intervalMs;
    return [...hub.proxies]
      .filter((proxy) => (this.#reports.get(proxy)?.at(-1)?.atMs ?? -Infinity) < sinceMs)
      .map(({ nodeId }) => nodeId)
      .sort();
  }

  close(): void {
    this.#unwatch();
    for (const stop of this.#stops.values()) stop();
    this.#stops.clear();
    this.#reports.clear();
  }

  #ask(proxy: AttendingProxy): void {
    const { intervalMs } = this.#init;
    const interval = { seconds: BigInt(Math.floor(intervalMs / 1_000)), nanos: (intervalMs % 1_000) * 1_000_000 };
    const stop = proxy.ask(
      { case: 'startFigures', value: { interval } },
      { onAnswer: (answer) => this.#take(proxy, answer), onGone: () => {} },
    );
    this.#stops.set(proxy, stop);
  }

  /** A sidecar is asked for one report each interval: half of it leaves room for one that was held up on its way. */
  #take(proxy: AttendingProxy, answer: Answer): void {
    const { intervalMs, keepMs, nowMs, leftOut, onReport } = this.#init;
    const atMs = nowMs();
    let reports = this.#reports.get(proxy);
    if (reports === undefined) this.#reports.set(proxy, (reports = []));
    const before = reports.at(-1);
    if (before !== undefined && atMs - before.atMs < intervalMs / 2) {
      leftOut.reports++;
      return;
    }
    const { footprint } = answer;
    const said = answer.edges[0]?.interval;
    const saidMs = said === undefined ? 0 : Number(said.seconds) * 1_000 + said.nanos / 1_000_000;
    const { edges, bytes } = takenEdges(answer);
    leftOut.edges += answer.edges.length - edges.length;
    const report: KeptReport = {
      proxy,
      atMs,
      // A sidecar whose stream was full tells of a longer time.
      intervalMs: Math.min(Math.max(saidMs, intervalMs / 2), mostIntervalMs),
      edges,
      bytes,
      used:
        footprint === undefined
          ? null
          : {
              residentBytes: Number(footprint.residentBytes),
              cpuSeconds: footprint.cpuSeconds,
              uptimeSeconds: Number(footprint.uptime?.seconds ?? 0n),
            },
    };
    reports.push(report);
    let keptBytes = reports.reduce((sum, each) => sum + each.bytes, 0);
    while (reports.length > 1 && (reports[0]!.atMs < atMs - keepMs || keptBytes > mostKeptBytes))
      keptBytes -= reports.shift()!.bytes;
    onReport?.(report);
  }
}

/** As many as a report may have. */
function takenEdges({ edges, durationBoundsSeconds }: Answer): {
  readonly edges: ReportedEdge[];
  readonly bytes: number;
} {
  const taken: ReportedEdge[] = [];
  let bytes = 0;
  for (const edge of edges.slice(0, mostEdges)) {
    const { direction, source, destination, route } = edge;
    const sum = sumOf(edge, durationBoundsSeconds);
    bytes += bytesOf(edge, sum);
    if (bytes > mostKeptBytes) break;
    taken.push({
      direction: direction === 'inbound' ? direction : 'outbound',
      source: source.slice(0, mostName),
      destination: destination.slice(0, mostName),
      route: route.slice(0, mostName),
      sum,
    });
  }
  return { edges: taken, bytes: Math.min(bytes, mostKeptBytes) };
}

/** Of names the whole: what is cut off of a text stays in memory with it. */
function bytesOf({ source, destination, route, breaker }: EdgeFigures, { durations, flags, classes }: EdgeSum): number {
  let bytes = edgeBytes + source.length + destination.length + route.length + breaker.length;
  bytes += durations.size * numberBytes;
  for (const counts of [flags, classes]) for (const name of Object.keys(counts)) bytes += namedBytes + name.length;
  return bytes;
}

/**
 * Figures of edges from the metrics of requests, which are counted anyhow: each look gives what has been counted since the last one. Nothing is done per request, and nothing is kept while nobody looks. It is one
 * reader's: two have a memory each.
 */

import type { BreakerStatus } from '../circuit-breaker/breaker-status.ts';
import { overflowLabel } from '../connection-manager/request-metric-bounds.ts';
import { destinationLabel } from '../connection-manager/request-metrics.ts';
import { isFailure } from '../recorder/request-record.ts';
import { bucketBoundsMs, type Histogram, type StatLabels, type StatStore } from '../stats/stat-store.ts';

export interface EdgeSources {
  readonly stats: () => StatStore;
  readonly breakers: () => readonly BreakerStatus[];
  /** Names of clusters whose connections show our certificate. */
  readonly clustersWithCertificate: () => readonly string[];
}

export interface EdgeFigure {
  readonly direction: string;
  readonly source: string;
  readonly destination: string;
  readonly route: string;
  requests: number;
  failures: number;
  retries: number;
  readonly flags: Record<string, number>;
  readonly classes: Record<string, number>;
  readonly durations: number[];
  durationSumSeconds: number;
  active: number;
  secured: number;
  breaker: string;
}

/** Upper bounds of {@link EdgeFigure.durations}. */
export const durationBoundsSeconds: readonly number[] = bucketBoundsMs.map((ms) => ms / 1_000);

/** The worst of several is told. */
const breakerStates = ['forced_open', 'open', 'half_open', 'forced_closed', 'closed'];

export class EdgeReader {
  readonly #sources: EdgeSources;
  #before = new Map<string, number>();
  #sumsBefore = new Map<string, readonly number[]>();

  constructor(sources: EdgeSources) {
    this.#sources = sources;
    this.look();
  }

  /** Edges where something was counted, is under way, or is kept from passing. */
  look(): EdgeFigure[] {
    const edges = new Map<string, EdgeFigure>();
    this.#readCounters(edges);
    this.#readDurations(edges);
    this.#addState(edges);
    return [...edges.values()].filter(
      ({ requests, retries, active, breaker }) =>
        requests > 0 || retries > 0 || active > 0 || (breaker !== '' && breaker !== 'closed'),
    );
  }

  #readCounters(edges: Map<string, EdgeFigure>): void {
    const seen = new Map<string, number>();
    for (const [key, { family, labels, value }] of this.#sources.stats().counters) {
      if (family !== 'outrigger_requests_total' && family !== 'outrigger_retries_total') continue;
      seen.set(key, value);
      const edge = edgeOf(edges, labels);
      const more = since(value, this.#before.get(key));
      if (more === 0) continue;
      if (family === 'outrigger_retries_total') edge.retries += more;
      else addRequests(edge, labels, more);
    }
    this.#before = seen;
  }

  #readDurations(edges: Map<string, EdgeFigure>): void {
    const seen = new Map<string, readonly number[]>();
    for (const [key, histogram] of this.#sources.stats().histograms) {
      if (histogram.family !== 'outrigger_request_duration_seconds') continue;
      seen.set(key, [...histogram.counts, histogram.sum]);
      addDurations(edgeOf(edges, histogram.labels), histogram, this.#sumsBefore.get(key));
    }
    this.#sumsBefore = seen;
  }

  /** What is so now, by destination. */
  #addState(edges: Map<string, EdgeFigure>): void {
    const { breakers, clustersWithCertificate } = this.#sources;
    const stats = this.#sources.stats();
    const active = new Map<string, number>();
    for (const { name, value } of stats.gauges.values()) {
      if (value === 0 || !name.startsWith('cluster.') || !name.endsWith('.upstream_rq_active')) continue;
      add(active, destinationLabel(name.slice('cluster.'.length, -'.upstream_rq_active'.length)), value);
    }
    const connections = new Map<string, number>();
    const handshakes = new Map<string, number>();
    for (const name of clustersWithCertificate()) {
      const counted = (counter: string): number => stats.counters.get(`cluster.${name}.${counter}`)?.value ?? 0;
      add(connections, destinationLabel(name), counted('upstream_cx_total'));
      add(handshakes, destinationLabel(name), counted('ssl.handshake'));
    }
    const all = breakers();
    for (const edge of edges.values()) {
      if (edge.direction === 'inbound') {
        // A label there is only for callers that proved who they are.
        if (edge.source !== 'unknown') edge.secured = edge.requests;
        continue;
      }
      const { destination, route } = edge;
      edge.active = active.get(destination) ?? 0;
      const made = connections.get(destination) ?? 0;
      if (made > 0) edge.secured = Math.round(edge.requests * Math.min(1, (handshakes.get(destination) ?? 0) / made));
      edge.breaker = worst(all.filter((each) => isOn(each, destination, route)).map(stateText));
    }
  }
}

function edgeOf(edges: Map<string, EdgeFigure>, labels: StatLabels): EdgeFigure {
  const { direction = '', source = '', destination = '', route = '' } = labels;
  const key = `${direction}\0${source}\0${destination}\0${route}`;
  let edge = edges.get(key);
  if (edge === undefined) {
    edge = {
      ...{ direction, source, destination, route },
      ...{ requests: 0, failures: 0, retries: 0, flags: {}, classes: {} },
      durations: Array.from({ length: bucketBoundsMs.length + 1 }, () => 0),
      ...{ durationSumSeconds: 0, active: 0, secured: 0, breaker: '' },
    };
    edges.set(key, edge);
  }
  return edge;
}

function addRequests(edge: EdgeFigure, labels: StatLabels, more: number): void {
  const { code = '', grpc_status: grpcStatus = '', flags = '' } = labels;
  edge.requests += more;
  // How these were answered is not counted: that they failed would be made up.
  if (code === overflowLabel) return;
  if (isFailure(Number(code), grpcStatus, flags)) edge.failures += more;
  for (const flag of flags === '' ? [] : flags.split(',')) edge.flags[flag] = (edge.flags[flag] ?? 0) + more;
  const byClass = `${code.slice(0, 1)}xx`;
  edge.classes[byClass] = (edge.classes[byClass] ?? 0) + more;
}

function addDurations(edge: EdgeFigure, { counts, sum }: Histogram, before: readonly number[] | undefined): void {
  for (let i = 0; i < counts.length; i++) edge.durations[i]! += since(counts[i]!, before?.[i]);
  edge.durationSumSeconds += since(sum, before?.[counts.length]) / 1_000;
}

/** A counter that was set to 0 meanwhile has counted what it has. */
function since(value: number, before = 0): number {
  return value >= before ? value - before : value;
}

function add(sums: Map<string, number>, key: string, value: number): void {
  sums.set(key, (sums.get(key) ?? 0) + value);
}

function isOn({ scope, name }: BreakerStatus, destination: string, route: string): boolean {
  return scope === 'cluster' ? destinationLabel(name) === destination : name.endsWith(`/${route}`);
}

function stateText({ state, heldByOperator }: BreakerStatus): string {
  return heldByOperator ? `forced_${state === 'open' ? 'open' : 'closed'}` : state.replace('-', '_');
}

function worst(states: readonly string[]): string {
  return breakerStates.find((state) => states.includes(state)) ?? '';
}

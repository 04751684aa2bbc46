/** Fifteen minutes of every edge in steps of five seconds: a few numbers each, made when a step is over. Edges that nobody calls any more go after that time. */

import { countedOnce, type StepSide } from './counted-once.ts';
import { addTo, type EdgeSum, emptySum, quantileMs } from './edge-sum.ts';
import type { FigureReport } from './figure-feed.ts';
import type { SameInstances } from './shared-instances.ts';

export const stepMs = 5_000;
const steps = 180;
/** With the edges' numbers in 4 bytes each it is 12 MiB at most. */
const mostEdges = 4_000;
/** Of them for what one service's sidecars tell: who makes names up takes no other's place. */
const mostOfOneService = mostEdges / 4;
const numbersOfStep = 4;

export interface HistoryPoint {
  /** When the step began. RFC 3339. */
  readonly at: string;
  readonly requestsPerSecond: number;
  readonly failuresPerSecond: number;
  /** Null: nothing was counted. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

/** Fifteen minutes of numbers. */
interface EndLine {
  readonly numbers: Float32Array;
  lastStep: number;
}

interface Line {
  /** The service whose sidecar told of it first. */
  readonly of: string;
  readonly direction: string;
  readonly source: string;
  readonly destination: string;
  readonly numbers: Float32Array;
  /** Not over yet, by step. */
  readonly open: Map<number, EdgeSum>;
  /** The last step with a request. */
  lastStep: number;
}

interface SummedSide extends StepSide {
  readonly sum: EdgeSum;
}

export class EdgeHistory {
  readonly #nowMs: () => number;
  readonly #wallMs: () => number;
  readonly #lines = new Map<string, Line>();
  /** How many are of each service. */
  readonly #linesOf = new Map<string, number>();
  /** All calls to a service, and all of one: by endKey. */
  readonly #ends = new Map<string, EndLine>();
  readonly #sameInstances: SameInstances;
  /** The first that is not closed. */
  #openStep: number;
  /** Edges of reports that found no place. */
  overflow = 0;

  /** `nowMs`: as reports have it. */
  constructor(
    nowMs: () => number,
    wallMs: () => number,
    sameInstances: SameInstances = (service) => new Set([service]),
  ) {
    this.#nowMs = nowMs;
    this.#sameInstances = sameInstances;
    this.#wallMs = wallMs;
    this.#openStep = Math.floor(nowMs() / stepMs);
  }

  /** What it says is spread evenly over the time that it is for. */
  add({ proxy, atMs, intervalMs, edges }: FigureReport, serviceOf: (account: string) => string): void {
    this.#closeSteps();
    const fromMs = atMs - intervalMs;
    for (const { direction, source, destination, sum } of edges) {
      const line = this.#line(
        proxy.service,
        direction,
        direction === 'inbound' ? serviceOf(source) : source,
        destination,
      );
      if (line === null) continue;
      for (
        let step = Math.max(this.#openStep, Math.floor(fromMs / stepMs));
        step <= Math.floor(atMs / stepMs);
        step++
      ) {
        const overlapMs = Math.min(atMs, (step + 1) * stepMs) - Math.max(fromMs, step * stepMs);
        if (overlapMs <= 0) continue;
        let open = line.open.get(step);
        if (open === undefined) line.open.set(step, (open = emptySum()));
        addTo(open, sum, overlapMs / intervalMs);
        line.lastStep = step;
      }
    }
  }

  /** '' for source or destination: all of them together. The caller's view, where there is one. Oldest first; the steps that are not over yet are not in it. */
  points(source: string, destination: string, seconds: number): HistoryPoint[] {
    this.#closeSteps();
    const line =
      source === '' || destination === ''
        ? this.#ends.get(endKey(source, destination))
        : (this.#lines.get(keyOf('outbound', source, destination)) ??
          this.#lines.get(keyOf('inbound', source, destination)));
    if (line === undefined) return [];
    const wallOffsetMs = this.#wallMs() - this.#nowMs();
    const points: HistoryPoint[] = [];
    const count = Math.min(steps, Math.ceil((seconds * 1_000) / stepMs));
    for (let step = Math.max(0, this.#openStep - count); step < this.#openStep; step++) {
      const at = (step % steps) * numbersOfStep;
      const [requests = 0, failures = 0, p50 = -1, p99 = -1] = line.numbers.subarray(at, at + numbersOfStep);
      points.push({
        at: new Date(Math.round(step * stepMs + wallOffsetMs)).toISOString(),
        requestsPerSecond: rounded(requests),
        failuresPerSecond: rounded(failures),
        p50Ms: p50 < 0 ? null : rounded(p50),
        p99Ms: p99 < 0 ? null : rounded(p99),
      });
    }
    return points;
  }

  #line(of: string, direction: string, source: string, destination: string): Line | null {
    const key = keyOf(direction, source, destination);
    let line = this.#lines.get(key);
    if (line !== undefined) return line;
    const linesOf = this.#linesOf.get(of) ?? 0;
    if (this.#lines.size >= mostEdges || linesOf >= mostOfOneService) {
      this.overflow++;
      return null;
    }
    this.#linesOf.set(of, linesOf + 1);
    line = { of, direction, source, destination, numbers: nothing(), open: new Map(), lastStep: this.#openStep };
    this.#lines.set(key, line);
    return line;
  }

  /** A step is over when the reports that reach into it have come: those of the step after it. */
  #closeSteps(): void {
    const until = Math.floor(this.#nowMs() / stepMs) - 1;
    if (until - this.#openStep > steps) this.#openStep = until - steps;
    for (; this.#openStep < until; this.#openStep++) {
      const step = this.#openStep;
      this.#closeEnds(step);
      for (const [key, line] of this.#lines) {
        if (step - line.lastStep > steps) this.#forget(key, line);
        else this.#closeStep(line, step);
      }
    }
  }

  #forget(key: string, { of }: Line): void {
    this.#lines.delete(key);
    const left = this.#linesOf.get(of)! - 1;
    if (left === 0) this.#linesOf.delete(of);
    else this.#linesOf.set(of, left);
  }

  #closeStep({ numbers, open }: Line, step: number): void {
    write(numbers, step, open.get(step));
    open.delete(step);
  }

  /** Of a step whose edges are whole: their sums by each end, histograms added up, so that quantiles are those of all calls together. */
  #closeEnds(step: number): void {
    const sums = new Map<string, EdgeSum>();
    const add = (key: string, sum: EdgeSum): void => {
      let end = sums.get(key);
      if (end === undefined) sums.set(key, (end = emptySum()));
      addTo(end, sum);
    };
    const sides: SummedSide[] = [];
    for (const { direction, source, destination, open } of this.#lines.values()) {
      const sum = open.get(step);
      if (sum !== undefined) sides.push({ direction, source, destination, sum });
    }
    const once = (end: 'source' | 'destination'): SummedSide[] => countedOnce(sides, end, this.#sameInstances);
    for (const { destination, sum } of once('destination')) add(endKey('', destination), sum);
    for (const { source, sum } of once('source')) add(endKey(source, ''), sum);
    for (const key of sums.keys())
      if (!this.#ends.has(key) && this.#ends.size < mostEdges)
        this.#ends.set(key, { numbers: nothing(), lastStep: step });
    for (const [key, end] of this.#ends) {
      const sum = sums.get(key);
      if (sum !== undefined) end.lastStep = step;
      if (step - end.lastStep > steps) this.#ends.delete(key);
      else write(end.numbers, step, sum);
    }
  }
}

function write(numbers: Float32Array, step: number, sum: EdgeSum | undefined): void {
  const at = (step % steps) * numbersOfStep;
  const seconds = stepMs / 1_000;
  numbers[at] = (sum?.requests ?? 0) / seconds;
  numbers[at + 1] = (sum?.failures ?? 0) / seconds;
  numbers[at + 2] = (sum === undefined ? null : quantileMs(sum.durations, 0.5)) ?? -1;
  numbers[at + 3] = (sum === undefined ? null : quantileMs(sum.durations, 0.99)) ?? -1;
}

function endKey(source: string, destination: string): string {
  return `${source}\0${destination}`;
}

function nothing(): Float32Array {
  const numbers = new Float32Array(steps * numbersOfStep);
  for (let at = 0; at < numbers.length; at += numbersOfStep) numbers.set([0, 0, -1, -1], at);
  return numbers;
}

function keyOf(direction: string, source: string, destination: string): string {
  return `${direction}\0${source}\0${destination}`;
}

function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}

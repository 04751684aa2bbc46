/** What a simulation found: plain values, the same for the same seed to the byte. What `-o json` prints. */
import type { SimulationEvent } from './event-list.ts';

export interface SimulationResult {
  readonly name: string;
  readonly seed: number;
  readonly durationMs: number;
  readonly intervalMs: number;
  readonly variants: readonly VariantResult[];
}

export interface VariantResult {
  readonly name: string;
  readonly edges: readonly EdgeTotal[];
  readonly services: readonly ServiceTotal[];
  readonly timeline: readonly Moment[];
  readonly events: readonly SimulationEvent[];
  /** That were not kept. */
  readonly moreEvents: number;
}

/** What was seen in the time up to `atMs`, since the moment before. */
export interface Moment {
  readonly atMs: number;
  readonly edges: readonly EdgeMoment[];
}

interface EdgeFigures {
  readonly from: string;
  readonly to: string;
  /** That ended. */
  readonly calls: number;
  readonly callsPerSecond: number;
  /** Of calls: answered below 500, and not refused by a limit (429). 100 when there was none. */
  readonly successPercent: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Requests that went out for one call, retries and hedges too: the extra load that this caller makes. 1 when there was none. */
  readonly attemptsPerCall: number;
  /** Retries that had no place: of the budget, or of a limit. */
  readonly retriesRefused: number;
  /** Requests that a limit of the caller's sidecar refused. */
  readonly overflows: number;
}

export interface EdgeMoment extends EdgeFigures {
  /** Hosts that the caller's sidecars do not use at this moment, as a mean over them: ejected; found unhealthy by checks or ejected. */
  readonly ejected: number;
  readonly unhealthy: number;
  /** Circuit breakers on the way that are open or half open, as a mean over the caller's sidecars. */
  readonly breakersOpen: number;
}

export interface EdgeTotal extends EdgeFigures {
  /** Ejections, over all sidecars of the caller. */
  readonly ejections: number;
  /** Times that a circuit breaker opened, over all sidecars of the caller. */
  readonly breakerOpenings: number;
  /** Most hosts that one sidecar had ejected when it was looked at. */
  readonly mostEjected: number;
  /** By status and response flag. */
  readonly failures: ReadonlyArray<{ readonly what: string; readonly count: number }>;
}

export interface ServiceTotal {
  readonly service: string;
  readonly endpoints: number;
  readonly received: number;
  readonly receivedPerSecond: number;
  readonly succeeded: number;
  /** Answered by the sidecar before it, by limits, adaptive concurrency or faults, without the application. */
  readonly refused: number;
  /** Answered 503 because its queue was full. */
  readonly turnedAway: number;
  /** Worked on though the caller had given it up. */
  readonly inVain: number;
  /** At the moments of the table. */
  readonly mostServing: number;
  readonly mostWaiting: number;
}

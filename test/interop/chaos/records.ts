/** What the parts of the chaos test write down: one JSON object a line, joined by check-chaos.ts at the end. Times are milliseconds of the machine's monotonic clock, the same in every process. */

/** One request of a caller's application, once it is over. */
export interface ClientRecord {
  /** Its x-request-id too. */
  readonly id: string;
  readonly method: string;
  readonly service: string;
  /** Pod of the caller. */
  readonly caller: string;
  readonly startMs: number;
  readonly endMs: number;
  /** 0: no answer; `error` says why. */
  readonly status: number;
  readonly error: string;
  /** The response flag of an answer that the mesh made up, or ''. */
  readonly flag: string;
  /** Pod of the application that answered, or ''. */
  readonly instance: string;
}

/** What a service's application did of a request. `started` is written when its head is there, before anything else. */
export interface ServiceRecord {
  readonly id: string;
  readonly method: string;
  readonly instance: string;
  readonly event: 'started' | 'finished';
  readonly atMs: number;
}

/** A line of a sidecar's access log: where it sent the request last. */
export interface AccessRecord {
  readonly id: string;
  /** Pod of the sidecar. */
  readonly pod: string;
  /** Pod that it was sent to; '' when there was none. */
  readonly upstream: string;
  readonly status: number;
  readonly flag: string;
  readonly details: string;
  readonly attempts: number;
}

export type FaultKind = 'kill' | 'stop' | 'partition' | 'slow' | 'restart';

/** `starved`: not by the script; the machine gave the part's process no core (starvation-watch.ts). */
export type RecordedKind = FaultKind | 'starved';

/** `pod`: application and sidecar together. `link`: the pod's network; with `peer`, the way between two pods only. */
export type PartKind = 'app' | 'sidecar' | 'pod' | 'link' | 'control-plane';

export interface Part {
  readonly kind: PartKind;
  readonly pod: string;
  /** '' for none. */
  readonly peer: string;
}

export interface FaultRecord {
  /** 0: not of the script. */
  readonly number: number;
  readonly kind: RecordedKind;
  readonly part: Part;
  readonly startMs: number;
  /** When the part was well again: its network whole, its process going on, or a new one ready. */
  readonly endMs: number;
}

export function nowMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

/** Requests of one priority that wait, in the order in which they came; served from the front, or, under overload, from the back. Joining and leaving cost the same wherever a request stands. */

import { OverloadWatch } from './overload-watch.ts';
import type { RequestCount } from './request-count.ts';

/** What a request may be worth, the first served first. */
export const priorities = ['critical', 'default', 'sheddable'] as const;
export type Priority = (typeof priorities)[number];

/** A request, for those that count it. */
export interface CountedRequest {
  /** Null: its caller is not counted. */
  readonly caller: RequestCount | null;
  /** Null: it is of no route with a limit. */
  readonly route: RequestCount | null;
  readonly priority: Priority;
}

/** Who waits. The fields are the line's own. */
export interface WaitingRequest {
  readonly counted: CountedRequest;
  sinceMs: number;
  /** Null: it waits no more. */
  line: WaitingLine | null;
  earlier: WaitingRequest | null;
  later: WaitingRequest | null;
}

export class WaitingLine {
  readonly #watch: OverloadWatch;
  oldest: WaitingRequest | null = null;
  newest: WaitingRequest | null = null;

  constructor(targetMs: number, intervalMs: number) {
    this.#watch = new OverloadWatch(targetMs, intervalMs);
  }

  /** As of the last look. */
  get overloaded(): boolean {
    return this.#watch.overloaded;
  }

  /** Whether the newest is served first. */
  isOverloaded(nowMs: number): boolean {
    return this.#watch.look(this.oldest === null ? -1 : this.oldest.sinceMs, nowMs);
  }

  /** The one to be served first and, after it, by {@link after}, the others. */
  first(nowMs: number): WaitingRequest | null {
    return this.isOverloaded(nowMs) ? this.newest : this.oldest;
  }

  after(request: WaitingRequest): WaitingRequest | null {
    return this.overloaded ? request.earlier : request.later;
  }

  /** The one that would be served last and, before it, by {@link before}, the others. */
  last(nowMs: number): WaitingRequest | null {
    return this.isOverloaded(nowMs) ? this.oldest : this.newest;
  }

  before(request: WaitingRequest): WaitingRequest | null {
    return this.overloaded ? request.later : request.earlier;
  }

  add(request: WaitingRequest, nowMs: number): void {
    this.isOverloaded(nowMs);
    request.sinceMs = nowMs;
    request.line = this;
    request.earlier = this.newest;
    request.later = null;
    if (this.newest === null) this.oldest = request;
    else this.newest.later = request;
    this.newest = request;
  }

  remove(request: WaitingRequest, nowMs: number): void {
    this.isOverloaded(nowMs);
    const { earlier, later } = request;
    if (earlier === null) this.oldest = later;
    else earlier.later = later;
    if (later === null) this.newest = earlier;
    else later.earlier = earlier;
    request.line = null;
    request.earlier = null;
    request.later = null;
    this.isOverloaded(nowMs);
  }
}

/** Figures of edges, again and again. While the stream is full it leaves a report out: the next one is for the whole time. */
import type { Clock } from '../runtime/clock.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import { durationBoundsSeconds, EdgeReader, type EdgeSources } from './edge-reader.ts';
import { encodeEdge } from './encode-edge.ts';
import { duration } from './encode-record.ts';
import type { Footprint } from './own-footprint.ts';
import type { AnswerStream, RunningQuery } from './running-query.ts';

export interface FigureSources extends EdgeSources {
  readonly footprint: () => Footprint;
}

export class FigureReports implements RunningQuery, TimerTarget {
  readonly #reader: EdgeReader;
  readonly #footprint: () => Footprint;
  readonly #intervalMs: number;
  readonly #stream: AnswerStream;
  readonly #clock: Clock;
  readonly #wheel: TimerWheel;
  readonly #timer: WheelTimer;
  #sinceMs: number;

  constructor(sources: FigureSources, intervalMs: number, stream: AnswerStream, clock: Clock, wheel: TimerWheel) {
    this.#reader = new EdgeReader(sources);
    this.#footprint = sources.footprint;
    this.#intervalMs = intervalMs;
    this.#stream = stream;
    this.#clock = clock;
    this.#wheel = wheel;
    this.#timer = new WheelTimer(this);
    this.#sinceMs = clock.nowMs();
    wheel.arm(this.#timer, intervalMs);
  }

  stop(): void {
    this.#wheel.disarm(this.#timer);
  }

  onTimer(): void {
    this.#wheel.arm(this.#timer, this.#intervalMs);
    if (this.#stream.blocked) return;
    const now = this.#clock.nowMs();
    const elapsedMs = now - this.#sinceMs;
    this.#sinceMs = now;
    const { residentBytes, cpuSeconds, uptimeSeconds } = this.#footprint();
    // Also when there is nothing: who listens knows then that nothing has passed.
    this.#stream.answer({
      edges: this.#reader.look().map((edge) => encodeEdge(edge, elapsedMs)),
      durationBoundsSeconds: [...durationBoundsSeconds],
      footprint: { residentBytes: BigInt(residentBytes), cpuSeconds, uptime: duration(uptimeSeconds * 1_000) },
    });
  }
}

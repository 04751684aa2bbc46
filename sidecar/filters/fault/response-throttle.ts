/**
 * Sends the body of one answer no faster than so many KiB a second: in slices of a sixteenth of a second's bytes, of which at most a second's worth gathers while nothing comes. What waits is
 * bounded: past that the upstream is not read.
 */
import { ChunkQueue } from '../../codec/chunk-queue.ts';
import type { HeaderFields } from '../../codec/header-fields.ts';
import type { Clock } from '../../runtime/clock.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../../runtime/timer-wheel.ts';
import type { ResponseShaper, ShapedStream } from '../request-gate.ts';

const slicesPerSecond = 16;
const sliceMs = 1000 / slicesPerSecond;
const highWatermarkBytes = 64 * 1024;
const lowWatermarkBytes = 16 * 1024;

export class ResponseThrottle implements ResponseShaper, TimerTarget {
  readonly #stream: ShapedStream;
  readonly #clock: Clock;
  readonly #wheel: TimerWheel;
  readonly #timer: WheelTimer;
  readonly #bytesPerMs: number;
  readonly #mostBytes: number;
  readonly #queue = new ChunkQueue();
  /** What may be sent now; grows with time. */
  #allowance: number;
  #filledMs: number;
  #ended = false;
  #trailers: HeaderFields | null = null;
  #blocked = false;
  #holding = false;
  #over = false;

  constructor(stream: ShapedStream, kibPerSecond: number, clock: Clock, wheel: TimerWheel) {
    const bytesPerSecond = kibPerSecond * 1024;
    this.#stream = stream;
    this.#clock = clock;
    this.#wheel = wheel;
    this.#timer = new WheelTimer(this);
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#mostBytes = bytesPerSecond;
    this.#allowance = bytesPerSecond / slicesPerSecond;
    this.#filledMs = clock.nowMs();
  }

  onData(chunk: Buffer, endStream: boolean): void {
    if (chunk.length > 0) this.#queue.push(Buffer.from(chunk));
    this.#ended = endStream;
    if (!this.#timer.armed) this.#send();
    if (!this.#over && !this.#holding && !this.#ended && this.#queue.bytes > highWatermarkBytes) {
      this.#holding = true;
      this.#stream.holdResponse();
    }
  }

  onTrailers(trailers: HeaderFields): void {
    this.#trailers = trailers;
    this.#ended = true;
    if (!this.#timer.armed) this.#send();
  }

  onWriteBlocked(): void {
    this.#blocked = true;
  }

  onWriteReady(): void {
    this.#blocked = false;
    if (!this.#timer.armed) this.#send();
  }

  onStreamOver(): void {
    this.#over = true;
    this.#wheel.disarm(this.#timer);
    this.#queue.clear();
  }

  onTimer(): void {
    this.#send();
  }

  #send(): void {
    if (this.#over || this.#blocked) return;
    const nowMs = this.#clock.nowMs();
    this.#allowance = Math.min(this.#mostBytes, this.#allowance + (nowMs - this.#filledMs) * this.#bytesPerMs);
    this.#filledMs = nowMs;
    while (this.#queue.bytes > 0 && this.#allowance >= 1 && !this.#blocked) {
      const piece = this.#queue.take(Math.floor(this.#allowance));
      this.#allowance -= piece.length;
      this.#stream.deliverData(piece, this.#ended && this.#trailers === null && this.#queue.bytes === 0);
      if (this.#over) return;
    }
    if (this.#queue.bytes > 0) {
      if (!this.#blocked) this.#wheel.arm(this.#timer, sliceMs);
    } else if (this.#ended) {
      if (this.#trailers !== null) this.#stream.deliverTrailers(this.#trailers);
      else this.#stream.deliverData(emptyChunk, true);
      return;
    }
    if (this.#holding && this.#queue.bytes <= lowWatermarkBytes) {
      this.#holding = false;
      this.#stream.resumeResponse();
    }
  }
}

const emptyChunk = Buffer.alloc(0);

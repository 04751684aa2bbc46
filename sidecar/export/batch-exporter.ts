/**
 * What waits to be sent to a collector: encoded items within bounds (encoded-queue.ts), cut into batches that go one at a time. A batch that could not be delivered is tried again where that may help, with pauses that grow;
 * meanwhile the queue fills, and what does not fit is dropped and counted. Nothing here waits for a collector but the batch that is under way. Knows neither what items are (spans, entries of an access log) nor how they are sent.
 */
import type { Random } from '../runtime/clock.ts';
import { growingPauseMs } from '../runtime/growing-pause.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import { EncodedQueue, type QueueBounds } from './encoded-queue.ts';

/** What became of one try. */
export type ExportOutcome =
  /** `rejected`: items that the collector did not take of those that it got; `why`: its words. */
  | { readonly kind: 'taken'; readonly rejected: number; readonly why: string }
  /** `retry`: the same may work later. `afterMs`: not before, as the collector said; 0: it said nothing. */
  | {
      readonly kind: 'failed';
      readonly reason: ExportFailure;
      readonly why: string;
      readonly retry: boolean;
      readonly afterMs: number;
    };

/** `cluster`: there is none of that name. `connection`: no connection, or it broke. `status`: the collector refused. `answer`: what it said makes no sense. */
export type ExportFailure = 'cluster' | 'connection' | 'timeout' | 'status' | 'answer';

export interface ExportTransport {
  /** The message of a batch: once, however often it is sent. `items` stand one behind the other, in pieces that may begin and end within one. */
  encode(items: readonly Buffer[]): Buffer;
  /** The collector has answered that it took the message of the last encode(): its memory may be written to. Not called where a try has failed, parts of which may still be on their way. One that answers before it has read all gets the rest of that call
   * as other bytes of ours, which it no longer looks at. */
  release(): void;
  /** One try. `done` is called once, perhaps from inside; not after cancel(). */
  send(message: Buffer, done: (outcome: ExportOutcome) => void): { cancel(): void };
}

export interface ExportObserver {
  /** Items the collector took. */
  sent(items: number): void;
  dropped(items: number, reason: DropReason): void;
  /** The collector did not take some of a batch; `why`: its words. They count as dropped too. */
  rejected(items: number, why: string): void;
  failed(reason: ExportFailure, why: string): void;
  /** A batch goes although it is not full, as it has waited long enough. */
  flushedByTimer(): void;
}

/** `queue`: no room. `rejected`: by the collector. `failed`: tried in vain as often as is tried. `shutdown`: not sent when the time for it was over. */
export type DropReason = 'queue' | 'rejected' | 'failed' | 'shutdown';

export interface ExportQueueBounds extends QueueBounds {
  /** No more go as one message, unless a single one is longer. So many are sent without waiting for more. */
  readonly batchItems: number;
  readonly batchBytes: number;
  /** So many bytes are sent without waiting for more. */
  readonly flushBytes: number;
  /** After which those that wait are sent though they are fewer. */
  readonly delayMs: number;
}

/** For `batchBytes`: gRPC servers take 4 MiB at a time unless they are told otherwise. */
export const mostBatchBytes = 3 * 1024 * 1024;

export interface BatchExporterInit {
  readonly transport: ExportTransport;
  readonly queue: ExportQueueBounds;
  /** For one try. */
  readonly timeoutMs: number;
  readonly observer: ExportObserver;
  readonly wheel: TimerWheel;
  readonly random: Random;
}

const firstPauseMs = 1_000;
const longestPauseMs = 30_000;
/** A collector may not stop us for longer, whatever it says. */
const longestToldPauseMs = 60_000;
const mostTries = 5;
const nothing = { cancel: () => undefined };

interface Batch {
  readonly message: Buffer;
  readonly items: number;
  tries: number;
}

export class BatchExporter implements TimerTarget {
  readonly #init: BatchExporterInit;
  readonly #waiting: EncodedQueue;
  /** Under way, or between two tries. */
  #batch: Batch | null = null;
  #call: { cancel(): void } | null = null;
  /** Counts tries, so that an answer to one that is over is nobody's. */
  #try = 0;
  readonly #delayTimer = new WheelTimer(this);
  readonly #timeoutTimer = new WheelTimer(this);
  readonly #pauseTimer = new WheelTimer(this);
  readonly #closeTimer = new WheelTimer(this);
  #onClosed: (() => void) | null = null;
  #closed = false;

  constructor(init: BatchExporterInit) {
    this.#init = init;
    this.#waiting = new EncodedQueue(init.queue);
  }

  /** Items that wait, with those of the batch under way. */
  get held(): number {
    return this.#waiting.items + (this.#batch?.items ?? 0);
  }

  /** Without the batch under way. */
  get waitingBytes(): number {
    return this.#waiting.bytes;
  }

  /** Nothing more is taken for now: who has something need not make it. */
  get full(): boolean {
    return this.#closing || this.#waiting.full;
  }

  /** Counts what is not offered, as there is no room. */
  turnAway(items: number): void {
    this.#init.observer.dropped(items, this.#closing ? 'shutdown' : 'queue');
  }

  /** Copies an encoded item. False: there is no room, which is counted. */
  offer(item: Uint8Array): boolean {
    const { queue, wheel } = this.#init;
    if (this.#closing || !this.#waiting.push(item)) {
      this.turnAway(1);
      return false;
    }
    if (this.#batch !== null) return true;
    // Not from inside: who offers has just answered a request.
    if (this.#enough) wheel.arm(this.#delayTimer, 0);
    else if (!this.#delayTimer.armed) wheel.arm(this.#delayTimer, queue.delayMs);
    return true;
  }

  /** Sends what waits, without pauses, for at most `limitMs`; then what is left is dropped and counted. `onClosed` perhaps from inside. */
  close(limitMs: number, onClosed: () => void): void {
    if (this.#closing) {
      onClosed();
      return;
    }
    this.#onClosed = onClosed;
    const { wheel } = this.#init;
    wheel.disarm(this.#delayTimer);
    if (this.#pauseTimer.armed) {
      // It failed just now; once more is all there is time for.
      wheel.disarm(this.#pauseTimer);
      this.#send();
    } else if (this.#batch === null) this.#next();
    if (!this.#closed) wheel.arm(this.#closeTimer, limitMs);
  }

  onTimer(timer: WheelTimer): void {
    if (timer === this.#delayTimer) {
      if (this.#batch !== null) return;
      if (!this.#enough) this.#init.observer.flushedByTimer();
      this.#next();
    } else if (timer === this.#pauseTimer) this.#send();
    else if (timer === this.#closeTimer) this.#finish();
    else {
      this.#call?.cancel();
      const why = `no answer within ${this.#init.timeoutMs} ms`;
      this.#onOutcome({ kind: 'failed', reason: 'timeout', why, retry: true, afterMs: 0 });
    }
  }

  get #closing(): boolean {
    return this.#onClosed !== null || this.#closed;
  }

  /** For a batch that goes at once. */
  get #enough(): boolean {
    const { batchItems, flushBytes } = this.#init.queue;
    return this.#waiting.items >= batchItems || this.#waiting.bytes >= flushBytes;
  }

  #next(): void {
    if (this.#waiting.items === 0) {
      if (this.#onClosed !== null) this.#finish();
      return;
    }
    const { queue, transport } = this.#init;
    const { items, pieces } = this.#waiting.take(queue.batchItems, queue.batchBytes);
    this.#batch = { message: transport.encode(pieces), items, tries: 0 };
    this.#send();
  }

  #send(): void {
    const batch = this.#batch!;
    const { transport, wheel, timeoutMs } = this.#init;
    const which = ++this.#try;
    batch.tries++;
    this.#call = nothing;
    wheel.arm(this.#timeoutTimer, timeoutMs);
    const call = transport.send(batch.message, (outcome) => {
      if (which === this.#try && this.#call !== null) this.#onOutcome(outcome);
    });
    // It may have been answered from inside, and the next be under way.
    if (which === this.#try && this.#call !== null) this.#call = call;
  }

  #onOutcome(outcome: ExportOutcome): void {
    const { observer, wheel } = this.#init;
    const batch = this.#batch!;
    this.#call = null;
    wheel.disarm(this.#timeoutTimer);
    if (outcome.kind === 'taken') {
      const rejected = Math.min(batch.items, outcome.rejected);
      if (batch.tries === 1) this.#init.transport.release();
      observer.sent(batch.items - rejected);
      if (rejected > 0) {
        observer.dropped(rejected, 'rejected');
        observer.rejected(rejected, outcome.why);
      }
    } else {
      observer.failed(outcome.reason, outcome.why);
      if (outcome.retry && batch.tries < mostTries && this.#onClosed === null) {
        wheel.arm(this.#pauseTimer, this.#pauseMs(batch.tries, outcome.afterMs));
        return;
      }
      observer.dropped(batch.items, this.#onClosed === null ? 'failed' : 'shutdown');
      // What follows would meet the same.
      if (this.#onClosed !== null && outcome.retry) {
        this.#batch = null;
        this.#finish();
        return;
      }
    }
    this.#batch = null;
    this.#afterBatch();
  }

  #afterBatch(): void {
    const { wheel, queue } = this.#init;
    // Never from inside of the answer to the last: with a cluster that answers at once it would go deeper and deeper.
    if (this.#onClosed !== null) {
      if (this.#waiting.items === 0) this.#finish();
      else wheel.arm(this.#delayTimer, 0);
    } else if (this.#waiting.items > 0) wheel.arm(this.#delayTimer, this.#enough ? 0 : queue.delayMs);
  }

  /** No shorter than the collector said. */
  #pauseMs(tries: number, toldMs: number): number {
    const pauseMs = growingPauseMs(tries - 1, firstPauseMs, longestPauseMs, this.#init.random);
    return Math.max(Math.min(toldMs, longestToldPauseMs), pauseMs);
  }

  #finish(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { wheel, observer } = this.#init;
    for (const timer of [this.#delayTimer, this.#timeoutTimer, this.#pauseTimer, this.#closeTimer]) wheel.disarm(timer);
    this.#call?.cancel();
    this.#call = null;
    const left = this.held;
    if (left > 0) observer.dropped(left, 'shutdown');
    this.#waiting.take(Infinity, Infinity);
    this.#batch = null;
    const onClosed = this.#onClosed;
    this.#onClosed = null;
    onClosed?.();
  }
}

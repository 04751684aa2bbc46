/**
 * One direction of a proxied connection: what comes from one socket goes to the other as it comes, without a copy. When the other side takes nothing more than a bounded buffer, nothing more is
 * read (backpressure); when the first side has ended, so does the other in that direction (half-close).
 */
import type { Socket } from 'node:net';
import { loan, returnBytes } from '../transport/read-loan.ts';

export interface PipeOwner {
  /** So many bytes were handed on. */
  onMoved(pipe: Pipe, bytes: number): void;
  /** The other side takes nothing for now / again. Calls alternate. */
  onPaused(pipe: Pipe): void;
  onResumed(pipe: Pipe): void;
  /** The first side has said all. */
  onEnded(pipe: Pipe): void;
}

export class Pipe {
  readonly from: Socket;
  readonly to: Socket;
  readonly #owner: PipeOwner;
  readonly #highWatermarkBytes: number;
  /** TLS encrypts (or copies) what it is handed before the call returns. */
  readonly #copiesAtOnce: boolean;
  #paused = false;
  /** The first side has said all. */
  ended = false;
  bytes = 0;

  constructor(from: Socket, to: Socket, owner: PipeOwner, highWatermarkBytes: number) {
    this.from = from;
    this.to = to;
    this.#owner = owner;
    this.#highWatermarkBytes = highWatermarkBytes;
    this.#copiesAtOnce = (to as { encrypted?: boolean }).encrypted === true;
  }

  /** `first`: what was read of it before; null: nothing. `ended`: and that was all. */
  start(first: Buffer | null, ended: boolean): void {
    if (first !== null) this.#onData(first);
    if (ended) {
      this.#onEnd();
      return;
    }
    this.from.on('data', this.#onData);
    this.from.on('end', this.#onEnd);
    // It may have been stopped while it waited for the other side.
    if (this.#paused) this.from.pause();
    else this.from.resume();
  }

  readonly #onData = (chunk: Buffer): void => {
    const { to } = this;
    if (to.destroyed || to.writableEnded) return;
    this.bytes += chunk.length;
    const waitedBytes = to.writableLength;
    const blocking = waitedBytes + chunk.length > this.#highWatermarkBytes;
    to.write(chunk, blocking ? this.#onWritten : undefined);
    // 0 right after write(): the kernel took it all; 0 right before it: TLS was not busy and has encrypted it.
    if (loan.bytes !== null && (to.writableLength === 0 || (this.#copiesAtOnce && waitedBytes === 0)))
      returnBytes(chunk);
    if (blocking && !this.#paused && to.writableLength > this.#highWatermarkBytes) {
      this.#paused = true;
      this.from.pause();
      this.#owner.onPaused(this);
    }
    this.#owner.onMoved(this, chunk.length);
  };

  /** Of a write behind which nothing more was read: when it is done nothing waits. */
  readonly #onWritten = (): void => {
    if (!this.#paused || this.to.writableLength > this.#highWatermarkBytes / 4) return;
    this.#paused = false;
    this.from.resume();
    this.#owner.onResumed(this);
  };

  readonly #onEnd = (): void => {
    this.ended = true;
    this.#owner.onEnded(this);
    if (!this.to.destroyed) this.to.end();
  };
}

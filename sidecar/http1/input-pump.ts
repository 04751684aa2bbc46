/**
 * Brings the bytes of a socket to a codec piece by piece, and keeps what the codec can't take yet: then the socket is not read, so that no
 * more than one read waits. Also the counted pause of a stream, and the peer's FIN, which comes only after all bytes. Knows nothing of HTTP.
 */
import type { Socket } from 'node:net';

/** What {@link InputSink.takeInput} gives when it takes nothing now. */
export const hold = -1;

export interface InputSink {
  /** Takes some of `bytes` from `at` on; gives the index behind what it took (more than `at`), or {@link hold}: then `retry` is called later. */
  takeInput(bytes: Buffer, at: number): number;
  /** The peer sent FIN, and every byte before it was taken. Once. */
  onInputEnd(): void;
}

export class InputPump {
  readonly #socket: Socket;
  readonly #sink: InputSink;
  readonly #continue = (): void => this.#goOn();
  #held: Buffer | null = null;
  #heldAt = 0;
  #pauses = 0;
  #socketPaused = false;
  #pumping = false;
  #scheduled = false;
  #stopped = false;
  /** FIN came; `onInputEnd` may still be owed. */
  ended = false;
  #endOwed = false;

  constructor(socket: Socket, sink: InputSink) {
    this.#socket = socket;
    this.#sink = sink;
    socket.on('data', (bytes: Buffer) => this.#offer(bytes));
    socket.on('end', () => {
      this.ended = true;
      this.#endOwed = true;
      this.#afterPumping();
    });
    // Who had the socket before may have paused it.
    if (socket.isPaused()) socket.resume();
  }

  /** Bytes wait that the sink has not taken. */
  get holding(): boolean {
    return this.#held !== null;
  }

  /** Bytes read before the socket became ours. They are taken after the current call is over. */
  prepend(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#hold(bytes, 0);
    this.retry();
  }

  /** Counted: nothing is taken until as many resumes. */
  pause(): void {
    this.#pauses++;
    this.#updateSocket();
  }

  resume(): void {
    if (this.#pauses === 0) return;
    this.#pauses--;
    if (this.#pauses === 0) this.#released();
  }

  /** The stream that paused is over: its pauses count no more. */
  clearPauses(): void {
    if (this.#pauses === 0) return;
    this.#pauses = 0;
    this.#released();
  }

  /** The sink can take more than it could: what is held is offered again, after the current call is over. */
  retry(): void {
    if (this.#held === null || this.#pumping || this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(this.#continue);
  }

  /** Nothing is taken any more; what waits is dropped. */
  stop(): void {
    this.#stopped = true;
    this.#held = null;
  }

  #released(): void {
    if (this.#held !== null) this.retry();
    else this.#updateSocket();
  }

  #goOn(): void {
    this.#scheduled = false;
    const bytes = this.#held;
    if (bytes === null || this.#stopped || this.#pauses > 0) return;
    this.#held = null;
    this.#pump(bytes, this.#heldAt);
  }

  #offer(bytes: Buffer): void {
    if (this.#stopped) return;
    if (this.#held !== null) {
      // The socket was asked to pause; what was on its way is little.
      this.#hold(Buffer.concat([this.#held.subarray(this.#heldAt), bytes]), 0);
      return;
    }
    if (this.#pauses > 0) this.#hold(bytes, 0);
    else this.#pump(bytes, 0);
  }

  #pump(bytes: Buffer, at: number): void {
    const { length } = bytes;
    this.#pumping = true;
    while (at < length) {
      const next = this.#pauses > 0 ? hold : this.#sink.takeInput(bytes, at);
      if (this.#stopped) break;
      if (next === hold) {
        this.#hold(bytes, at);
        break;
      }
      at = next;
    }
    this.#pumping = false;
    if (this.#socketPaused) this.#updateSocket();
    if (this.#endOwed) this.#afterPumping();
  }

  #hold(bytes: Buffer, at: number): void {
    this.#held = bytes;
    this.#heldAt = at;
    this.#updateSocket();
  }

  #afterPumping(): void {
    if (!this.#endOwed || this.#held !== null || this.#pumping || this.#stopped) return;
    this.#endOwed = false;
    this.#sink.onInputEnd();
  }

  #updateSocket(): void {
    const pause = this.#held !== null || this.#pauses > 0;
    if (pause === this.#socketPaused) return;
    this.#socketPaused = pause;
    if (pause) this.#socket.pause();
    else this.#socket.resume();
  }
}

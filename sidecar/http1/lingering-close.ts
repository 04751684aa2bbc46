/**
 * Ends a server connection so that the client sees the answer: FIN first, then what the client still sends is read and dropped for a while. Closing at once
 * would send RST while its bytes are unread, and RST makes the client's kernel drop the answer (RFC 9112 9.6).
 */
import type { Socket } from 'node:net';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import type { SocketWriter } from '../transport/socket-writer.ts';

/** How long to wait for the client's FIN once it could have ours. Envoy `delayed_close_timeout` is 1 s. */
const periodMs = 1000;
/** Periods in which the client takes nothing of what is left to write. */
const maxStalledPeriods = 30;
const maxDroppedBytes = 8 * 1024 * 1024;

export class LingeringClose implements TimerTarget {
  readonly #socket: Socket;
  readonly #wheel: TimerWheel;
  readonly #timer: WheelTimer;
  #droppedBytes = 0;
  #waitingBytes = 0;
  #stalledPeriods = 0;
  #flushed = false;

  constructor(socket: Socket, writer: SocketWriter, wheel: TimerWheel) {
    this.#socket = socket;
    this.#wheel = wheel;
    this.#timer = new WheelTimer(this);
    writer.end();
    wheel.arm(this.#timer, periodMs);
  }

  /** Input came and was dropped. */
  onDropped(bytes: number): void {
    this.#droppedBytes += bytes;
    if (this.#droppedBytes > maxDroppedBytes) this.#socket.destroy();
  }

  /** The connection is gone. */
  stop(): void {
    this.#wheel.disarm(this.#timer);
  }

  onTimer(): void {
    const waiting = this.#socket.writableLength;
    if (waiting === 0) {
      if (this.#flushed) {
        this.#socket.destroy();
        return;
      }
      this.#flushed = true;
    } else if (waiting === this.#waitingBytes) {
      if (++this.#stalledPeriods >= maxStalledPeriods) {
        this.#socket.destroy();
        return;
      }
    } else {
      this.#waitingBytes = waiting;
      this.#stalledPeriods = 0;
    }
    this.#wheel.arm(this.#timer, periodMs);
  }
}

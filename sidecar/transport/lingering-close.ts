/**
 * Ends a connection so that the peer gets what was written: FIN behind it, then what the peer still sends is read and dropped for a while. Closing at once
 * would send RST while its bytes are unread, and RST makes the peer's kernel drop what it has not read yet (RFC 9112 9.6).
 */
import type { Socket } from 'node:net';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import type { SocketWriter } from './socket-writer.ts';
import { untakenBytes } from './untaken-bytes.ts';

/** How long to wait for the peer's FIN once it could have ours. Envoy `delayed_close_timeout` is 1 s. */
const periodMs = 1000;
/** Periods in which the peer takes nothing of what is left to write. */
const maxStalledPeriods = 30;
/** Periods after everything was taken in which the peer goes on sending. */
const maxTalkingPeriods = 30;
const maxDroppedBytes = 8 * 1024 * 1024;

export interface LingerOptions {
  /**
   * The peer's bytes say that it still reads what the kernels hold, as WINDOW_UPDATE does: while they come, the connection stays, since to answer them by RST
   * would take the rest away.
   */
  readonly inputIsProgress: boolean;
  /** A peer that broke the protocol is waited for only while it takes something. */
  readonly faulty: boolean;
}

export class LingeringClose implements TimerTarget {
  readonly #socket: Socket;
  readonly #wheel: TimerWheel;
  readonly #inputIsProgress: boolean;
  readonly #maxStalledPeriods: number;
  readonly #timer: WheelTimer;
  #droppedBytes = 0;
  #droppedBefore = 0;
  #waiting: number;
  #stalledPeriods = 0;
  #talkingPeriods = 0;

  constructor(socket: Socket, writer: SocketWriter, wheel: TimerWheel, options: LingerOptions) {
    this.#socket = socket;
    this.#wheel = wheel;
    this.#inputIsProgress = options.inputIsProgress;
    this.#maxStalledPeriods = options.faulty ? 1 : maxStalledPeriods;
    this.#timer = new WheelTimer(this);
    writer.end();
    this.#waiting = untakenBytes(socket);
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
    const waiting = untakenBytes(this.#socket);
    if (waiting !== this.#waiting) {
      this.#waiting = waiting;
      this.#stalledPeriods = 0;
    } else if (waiting > 0) {
      if (++this.#stalledPeriods >= this.#maxStalledPeriods) {
        this.#socket.destroy();
        return;
      }
    } else if (!this.#peerTalks || ++this.#talkingPeriods >= maxTalkingPeriods) {
      this.#socket.destroy();
      return;
    }
    this.#droppedBefore = this.#droppedBytes;
    this.#wheel.arm(this.#timer, periodMs);
  }

  get #peerTalks(): boolean {
    return this.#inputIsProgress && this.#droppedBytes > this.#droppedBefore;
  }
}

/** Keep-alive PINGs (Envoy `connection_keepalive`): one per interval, and the connection is given up when nothing comes back in time. */
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';

interface PingingConnection {
  /** Time of the last read. */
  readonly nowMs: number;
  writePing(number: number): void;
  onKeepAliveTimeout(): void;
}

export class KeepAlive implements TimerTarget {
  readonly #connection: PingingConnection;
  readonly #wheel: TimerWheel;
  readonly #intervalMs: number;
  readonly #timeoutMs: number;
  readonly #timer: WheelTimer;
  #waiting = false;
  #readAtPingMs = 0;
  /** 1 is the drain's PING. */
  #number = 2;

  constructor(connection: PingingConnection, wheel: TimerWheel, intervalMs: number, timeoutMs: number) {
    this.#connection = connection;
    this.#wheel = wheel;
    this.#intervalMs = intervalMs;
    this.#timeoutMs = timeoutMs > 0 ? timeoutMs : intervalMs;
    this.#timer = new WheelTimer(this);
    wheel.arm(this.#timer, intervalMs);
  }

  onTimer(): void {
    const connection = this.#connection;
    if (this.#waiting && connection.nowMs === this.#readAtPingMs) {
      connection.onKeepAliveTimeout();
      return;
    }
    if (this.#waiting) {
      // Something else came meanwhile: the peer lives.
      this.onAck();
      return;
    }
    this.#waiting = true;
    this.#readAtPingMs = connection.nowMs;
    connection.writePing(this.#number++ & 0x7fff_ffff);
    this.#wheel.arm(this.#timer, this.#timeoutMs);
  }

  onAck(): void {
    this.#waiting = false;
    this.#wheel.arm(this.#timer, this.#intervalMs);
  }

  stop(): void {
    this.#wheel.disarm(this.#timer);
  }
}

/**
 * Keeps an instance out of the registry until its application listens: the sidecar is ready first, and a call that came between the two would be answered 503 `UF`.
 * Looks only until the first connection is taken; it is no health check.
 */
import { connect, type Socket } from 'node:net';
import type { Clock } from '../sidecar/runtime/clock.ts';
import type { Log } from '../sidecar/runtime/log.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../sidecar/runtime/timer-wheel.ts';

const lookMs = 50;
const warnMs = 10_000;

export interface ApplicationGateOptions {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly log: Log;
  /** Told once. */
  readonly onListening: () => void;
}

export class ApplicationGate implements TimerTarget {
  readonly #port: number;
  readonly #options: ApplicationGateOptions;
  readonly #timer: WheelTimer;
  readonly #warnAtMs: number;
  #socket: Socket | null = null;
  #warned = false;
  #stopped = false;

  /** Begins to look at once, on 127.0.0.1:`port`. */
  constructor(port: number, options: ApplicationGateOptions) {
    this.#port = port;
    this.#options = options;
    this.#timer = new WheelTimer(this);
    this.#warnAtMs = options.clock.nowMs() + warnMs;
    this.onTimer();
  }

  /** Looks no more, and tells nobody. */
  stop(): void {
    this.#stopped = true;
    this.#options.wheel.disarm(this.#timer);
    this.#socket?.destroy();
  }

  onTimer(): void {
    const socket = connect({ host: '127.0.0.1', port: this.#port });
    this.#socket = socket;
    socket.once('connect', () => {
      socket.destroy();
      if (this.#stopped) return;
      this.stop();
      this.#options.onListening();
    });
    socket.once('error', () => this.#again());
  }

  #again(): void {
    if (this.#stopped) return;
    const { clock, wheel, log } = this.#options;
    if (!this.#warned && clock.nowMs() >= this.#warnAtMs) {
      this.#warned = true;
      log.warn(
        `the application does not listen on 127.0.0.1:${this.#port} after ${warnMs / 1000} s; this instance gets no calls until it does`,
      );
    }
    wheel.arm(this.#timer, lookMs);
  }
}

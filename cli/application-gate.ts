/**
 * Keeps an instance out of the registry while its application does not listen: before it begins to, as the sidecar is ready first, and after it crashed, as calls would be answered 503 `UF`.
 * Looks until a connection is taken, and again from when one was refused to the sidecar; between the two it does nothing. It is no health check.
 */
import { connect, type Socket } from 'node:net';
import type { Clock } from '../sidecar/runtime/clock.ts';
import type { Log } from '../sidecar/runtime/log.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../sidecar/runtime/timer-wheel.ts';

const lookMs = 50;
/** Who does not answer has not refused: a full queue of connections, say. */
const lookTimeoutMs = 1_000;
const warnMs = 10_000;
/** For one that stays away for long. */
const slowLookMs = 250;
/** One that was lost has to listen without a break for this long, twice as long for each loss soon after the one before: one that crashes again and again does not flap. */
const firstSteadyMs = 250;
const maxSteadyMs = 8_000;
const forgetLossesMs = 60_000;

export interface ApplicationGateOptions {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly log: Log;
  /** Told at every change, first when it listens. */
  readonly onChange: (listens: boolean) => void;
}

export class ApplicationGate implements TimerTarget {
  readonly #port: number;
  readonly #options: ApplicationGateOptions;
  readonly #timer: WheelTimer;
  #socket: Socket | null = null;
  #open = false;
  /** Since when it does not listen, or did at first. */
  #sinceMs: number;
  /** Since when every look was good; -1: the last was not. */
  #goodSinceMs = -1;
  #losses = 0;
  #warned = false;
  #stopped = false;

  /** Begins to look at once, on 127.0.0.1:`port`. */
  constructor(port: number, options: ApplicationGateOptions) {
    this.#port = port;
    this.#options = options;
    this.#timer = new WheelTimer(this);
    this.#sinceMs = options.clock.nowMs();
    this.onTimer();
  }

  /** A connection to the application was refused: it is looked at now, unless that is under way. */
  refused(): void {
    if (this.#open && this.#socket === null && !this.#stopped) this.onTimer();
  }

  /** A look is under way. */
  get looking(): boolean {
    return this.#socket !== null;
  }

  /** Looks no more, and tells nobody. */
  stop(): void {
    this.#stopped = true;
    this.#options.wheel.disarm(this.#timer);
    this.#socket?.destroy();
    this.#socket = null;
  }

  onTimer(): void {
    if (this.#socket !== null) {
      this.#socket.destroy();
      this.#looked(null);
      return;
    }
    const socket = connect({ host: '127.0.0.1', port: this.#port });
    this.#socket = socket;
    this.#options.wheel.arm(this.#timer, lookTimeoutMs);
    socket.once('connect', () => {
      // A port that the system gives to outgoing connections may be given to this very one, which then meets itself.
      const itself = socket.localPort === this.#port;
      socket.destroy();
      this.#looked(!itself);
    });
    // Without a descriptor or a port of our own nothing is known of the application.
    socket.once('error', ({ code }: NodeJS.ErrnoException) => this.#looked(code === 'ECONNREFUSED' ? false : null));
  }

  /** Null: it could not be found out. */
  #looked(listens: boolean | null): void {
    if (this.#stopped || this.#socket === null) return;
    this.#socket = null;
    this.#options.wheel.disarm(this.#timer);
    const now = this.#options.clock.nowMs();
    if (this.#open) {
      if (listens === false) this.#lose(now);
    } else if (listens === true) {
      if (this.#goodSinceMs < 0) this.#goodSinceMs = now;
      if (now - this.#goodSinceMs >= this.#steadyMs) this.#take(now);
    } else {
      this.#goodSinceMs = -1;
      this.#warnOnce(now);
    }
    if (this.#open) return;
    this.#options.wheel.arm(this.#timer, now - this.#sinceMs < warnMs ? lookMs : slowLookMs);
  }

  get #steadyMs(): number {
    return this.#losses === 0 ? 0 : Math.min(maxSteadyMs, firstSteadyMs * 2 ** Math.min(this.#losses - 1, 10));
  }

  #take(nowMs: number): void {
    // As loud as the line before it: who saw the one waits for the other.
    if (this.#losses > 0)
      this.#options.log.warn(
        `the application listens on 127.0.0.1:${this.#port} again; this instance gets calls again`,
      );
    this.#open = true;
    this.#sinceMs = nowMs;
    this.#options.onChange(true);
  }

  #lose(nowMs: number): void {
    this.#losses = nowMs - this.#sinceMs >= forgetLossesMs ? 1 : this.#losses + 1;
    this.#open = false;
    this.#sinceMs = nowMs;
    this.#goodSinceMs = -1;
    // What follows says it.
    this.#warned = true;
    this.#options.log.warn(
      `the application does not listen on 127.0.0.1:${this.#port} any more; this instance gets no calls until it does`,
    );
    this.#options.onChange(false);
  }

  #warnOnce(nowMs: number): void {
    if (this.#warned || nowMs - this.#sinceMs < warnMs) return;
    this.#warned = true;
    this.#options.log.warn(
      `the application does not listen on 127.0.0.1:${this.#port} after ${warnMs / 1000} s; this instance gets no calls until it does`,
    );
  }
}

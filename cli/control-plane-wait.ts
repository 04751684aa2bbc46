/** Says every 10 s that a sidecar still waits for its control plane, and why, as far as a connection tells. For as long as the sidecar has not served; afterwards its log has what happens. */
import { connect } from 'node:net';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../sidecar/runtime/timer-wheel.ts';
import { lookUpFault, lookUpHost } from '../sidecar/transport/host-name.ts';
import { formatHostPort, type HostPort } from './host-port.ts';

const everyMs = 10_000;
const lookTimeoutMs = 1_000;

export class ControlPlaneWait implements TimerTarget {
  readonly #address: HostPort;
  readonly #socket: string | null;
  readonly #wheel: TimerWheel;
  readonly #tell: (address: string, why: string) => void;
  readonly #timer: WheelTimer;
  #stopped = false;

  /** `socket`: the Unix socket that leads there; null: none does. */
  constructor(
    address: HostPort,
    wheel: TimerWheel,
    tell: (address: string, why: string) => void,
    socket: string | null = null,
  ) {
    this.#address = address;
    this.#socket = socket;
    this.#wheel = wheel;
    this.#tell = tell;
    this.#timer = new WheelTimer(this);
    wheel.arm(this.#timer, everyMs);
  }

  onTimer(): void {
    void whyNot(this.#address, this.#socket).then((why) => {
      if (this.#stopped) return;
      this.#tell(formatHostPort(this.#address), why);
      this.#wheel.arm(this.#timer, everyMs);
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#wheel.disarm(this.#timer);
  }
}

function whyNot(address: HostPort, path: string | null): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(
      path === null ? { ...address, timeout: lookTimeoutMs, lookup: lookUpHost } : { path, timeout: lookTimeoutMs },
    );
    const settle = (why: string): void => {
      socket.destroy();
      resolve(why);
    };
    socket.once('connect', () => settle('it takes connections, but has not sent everything yet'));
    socket.once('timeout', () => settle('no answer'));
    socket.once('error', ({ code, message }: NodeJS.ErrnoException) =>
      settle(code === 'ECONNREFUSED' ? 'connection refused' : lookUpFault(code ?? '') || message),
    );
  });
}

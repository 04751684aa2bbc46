/** The application's probes behind the port for scrapers and probes: anybody may ask there, so only so many are made at a time, and of an answer nobody learns more than whether it was good. */
import type { Clock } from '../runtime/clock.ts';
import type { TimerWheel } from '../runtime/timer-wheel.ts';
import type { AppProbe } from './app-probe.ts';
import { askApplication, type ProbeOutcome } from './ask-application.ts';

export interface AppHealthOptions {
  readonly probes: ReadonlyMap<string, AppProbe>;
  /** '' when it is not known. */
  readonly podAddress: string;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
}

/** The kubelet asks one at a time. */
const maxInFlightOfOne = 8;
const maxUserAgentLength = 128;

export class AppHealth {
  readonly #options: AppHealthOptions;
  readonly #inFlight = new Map<string, number>();

  constructor(options: AppHealthOptions) {
    this.#options = options;
  }

  /** Null: there is no such probe. `userAgent`: of whoever asks; the kubelet's own goes on to the application, which may know it. */
  async ask(path: string, userAgent: string): Promise<ProbeOutcome | null> {
    const { probes, podAddress, clock, wheel } = this.#options;
    const probe = probes.get(path);
    if (probe === undefined) return null;
    const before = this.#inFlight.get(path) ?? 0;
    if (before >= maxInFlightOfOne)
      return { passed: false, text: `${maxInFlightOfOne} of these probes are under way, and none has an answer` };
    this.#inFlight.set(path, before + 1);
    try {
      const agent = /^kube-probe\/[\x20-\x7e]*$/.test(userAgent)
        ? userAgent.slice(0, maxUserAgentLength)
        : 'kube-probe/outrigger';
      return await askApplication(probe, { clock, wheel, podAddress, userAgent: agent });
    } finally {
      this.#inFlight.set(path, this.#inFlight.get(path)! - 1);
    }
  }
}

/**
 * Warns in the log of certificates in use that come to their end: once when a quarter of their life is left, once at a tenth, and once when they have expired; inline ones, files and SDS alike. Of trusted CAs only a
 * tenth (or 30 days) and the end, of the last one. The sidecar's own identity warns by itself (identity/identity-log.ts), as it knows why a renewal failed.
 */
import { type Lifetime, lifetimesInUse } from './certificates.ts';
import type { Configuration } from './config/configuration.ts';
import type { Clock } from './runtime/clock.ts';
import type { Log } from './runtime/log.ts';
import { spanText } from './runtime/span-text.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from './runtime/timer-wheel.ts';
import type { SecretStore } from './secret/secret-store.ts';

export interface ExpiryWarningsInit {
  readonly configuration: () => Configuration;
  readonly secrets: SecretStore;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly log: Log;
}

/** Later ones are worse. */
const stages = ['fresh', 'quarter', 'tenth', 'expired'] as const;
type Stage = (typeof stages)[number];

interface Told {
  /** Of the certificate: when it ends, so another one begins anew. */
  readonly notAfterMs: number;
  readonly stage: Stage;
}

/** Changes come in bursts. */
const settleMs = 100;
const longestSleepMs = 60_000;
const shortestSleepMs = 1_000;
const longestTenthOfCaMs = 30 * 86_400_000;

export class ExpiryWarnings implements TimerTarget {
  readonly #init: ExpiryWarningsInit;
  readonly #timer: WheelTimer;
  readonly #stopObserving: () => void;
  #told = new Map<string, Told>();

  constructor(init: ExpiryWarningsInit) {
    this.#init = init;
    this.#timer = new WheelTimer(this);
    this.#stopObserving = init.secrets.observe(() => this.changed());
  }

  /** Another configuration, or another version of a secret. */
  changed(): void {
    this.#init.wheel.arm(this.#timer, settleMs);
  }

  close(): void {
    this.#stopObserving();
    this.#init.wheel.disarm(this.#timer);
  }

  onTimer(): void {
    const { configuration, secrets, clock, wheel } = this.#init;
    const nowMs = clock.wallMs();
    const told = new Map<string, Told>();
    let nextMs = longestSleepMs;
    for (const [key, lifetime] of lifetimesInUse(configuration(), secrets)) {
      const ends = stageEnds(lifetime);
      const stage = stages[ends.filter((endMs) => nowMs >= endMs).length]!;
      const { notAfterMs } = lifetime;
      const before = this.#told.get(key);
      const known = before?.notAfterMs === notAfterMs ? before.stage : 'fresh';
      if (stages.indexOf(stage) > stages.indexOf(known)) this.#tell(lifetime, stage, nowMs);
      told.set(key, { notAfterMs, stage: stages.indexOf(stage) > stages.indexOf(known) ? stage : known });
      for (const endMs of ends) if (endMs > nowMs) nextMs = Math.min(nextMs, endMs - nowMs);
    }
    this.#told = told;
    // Where there are none, the next configuration or secret wakes it.
    if (told.size > 0) wheel.arm(this.#timer, Math.max(shortestSleepMs, nextMs));
  }

  #tell({ kind, name, source, notAfterMs }: Lifetime, stage: Stage, nowMs: number): void {
    const { log } = this.#init;
    const what = `${kind === 'ca' ? 'the trusted CAs' : 'the certificate'} ${places[source](name)}`;
    const until = new Date(notAfterMs).toISOString();
    if (stage === 'expired') {
      const effect = kind === 'ca' ? 'nobody is believed by them' : 'peers refuse it';
      log.error(`${what} expired at ${until}: ${effect}; ${remedies[source]}`);
    } else {
      const share = stage === 'tenth' ? 'less than a tenth' : 'less than a quarter';
      log.warn(
        `${what}: ${share} of its life is left (${spanText(notAfterMs - nowMs)}, until ${until}); ${remedies[source]}`,
      );
    }
  }
}

/** When each stage but the first begins. */
function stageEnds({ kind, notBeforeMs, notAfterMs }: Lifetime): readonly [number, number, number] {
  const lifeMs = Math.max(0, notAfterMs - notBeforeMs);
  if (kind === 'certificate') return [notAfterMs - lifeMs / 4, notAfterMs - lifeMs / 10, notAfterMs];
  const tenthMs = notAfterMs - Math.min(longestTenthOfCaMs, lifeMs / 10);
  return [tenthMs, tenthMs, notAfterMs];
}

const places: Readonly<Record<Lifetime['source'], (name: string) => string>> = {
  inline: (owner) => `of the ${owner} (in its configuration)`,
  file: (path) => `in the file ${JSON.stringify(path)}`,
  sds: (name) => `of the secret ${JSON.stringify(name)} (SDS)`,
};

const remedies: Readonly<Record<Lifetime['source'], string>> = {
  inline: 'put a new one into the configuration',
  file: 'replace the file, it is watched',
  sds: 'whoever serves it by SDS has to send a new one',
};

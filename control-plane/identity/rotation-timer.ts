/** Goes on with a root rotation when the mesh is ready for the next step. After a start it first waits as long as a phase lasts at least: proxies need a moment to come back, and who is not here yet must not be overlooked. */
import type { Logger } from 'pino';
import type { CertificateAuthority } from '../../certs/authority/certificate-authority.ts';
import type { FleetEvidence, RotationTiming } from '../../certs/rotation/root-rotation.ts';
import type { BundleWatchers } from './bundle-watchers.ts';

export interface RotationTimerOptions {
  readonly authority: CertificateAuthority;
  readonly watchers: BundleWatchers;
  readonly timing: Omit<RotationTiming, 'leafLifetimeMs'>;
  readonly log: Logger;
  readonly nowMs: () => number;
  readonly after: (delayMs: number, callback: () => void) => () => void;
}

const maxPeriodMs = 5_000;
/** Short, so that leaves of a few seconds (tests, drills) see their rotations through. */
const maxMinPhaseMs = 60_000;
const maxSkewMs = 5 * 60_000;

/** Phases and allowances in proportion to a leaf's life, at most what they are for leaves of a day. */
export function rotationTiming(leafLifetimeMs: number): Omit<RotationTiming, 'leafLifetimeMs'> {
  return { minPhaseMs: Math.min(maxMinPhaseMs, leafLifetimeMs / 2), skewMs: Math.min(maxSkewMs, leafLifetimeMs) };
}

export class RotationTimer {
  readonly #options: RotationTimerOptions;
  readonly #startedMs: number;
  #cancel: () => void = () => {};

  constructor(options: RotationTimerOptions) {
    this.#options = options;
    this.#startedMs = options.nowMs();
    this.#schedule();
  }

  close(): void {
    this.#cancel();
  }

  /** One look. Public for tests. */
  look(): void {
    const { authority, log } = this.#options;
    try {
      if (authority.advance(this.#evidence())) log.info(`root rotation: ${authority.status().words}`);
    } catch (error) {
      log.error(`root rotation: ${(error as Error).message}; trying again`);
    }
  }

  #evidence(): FleetEvidence {
    const { authority, watchers, nowMs, timing } = this.#options;
    // To look at all of them is for rotations only.
    if (authority.status().state.phase === 'steady' || nowMs() - this.#startedMs < timing.minPhaseMs)
      return { holders: 1, withBundle: 0, moved: 0 };
    return watchers.evidence(authority.bundle().sequence ?? 0, authority.signingId);
  }

  #schedule(): void {
    const periodMs = Math.min(maxPeriodMs, Math.max(100, this.#options.timing.minPhaseMs / 4));
    this.#cancel = this.#options.after(periodMs, () => {
      this.look();
      this.#schedule();
    });
  }
}

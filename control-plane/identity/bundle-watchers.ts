/**
 * Who holds leaves of ours and which trust bundle each has: what a root rotation waits for. Who leaves is waited for a while longer, as it may be a proxy that comes back in a moment and has not heard of the next root;
 * one who comes under the same identity takes its place.
 */
import type { FleetEvidence } from '../../certs/rotation/root-rotation.ts';

export interface BundleWatcher {
  readonly identity: string;
  /** 0: none yet. */
  readonly appliedSequence: number;
  /** Of the certificate in use. Empty: not said. */
  readonly certificateAuthorityId: string;
  /** Sends the bundles as they are now. */
  send(): void;
}

interface Departed {
  readonly watcher: BundleWatcher;
  readonly untilMs: number;
}

/** Identities that are waited for at most; a flood of them must not fill the memory. */
const maxDeparted = 20_000;
/** Of one identity at a time: more would be one proxy that comes again and again. */
const maxWatchersOfOne = 1_000;

export class BundleWatchers {
  readonly #watchers = new Set<BundleWatcher>();
  readonly #countOf = new Map<string, number>();
  /** One of each identity, whatever number of its watchers left: else who comes and goes could hold up a rotation. */
  readonly #departed = new Map<string, Departed>();
  readonly #nowMs: () => number;
  readonly #lingerMs: number;

  /** `lingerMs`: how long who has left is waited for. */
  constructor(nowMs: () => number, lingerMs: number) {
    this.#nowMs = nowMs;
    this.#lingerMs = lingerMs;
  }

  /** False: this identity has too many, and this one is not counted. */
  add(watcher: BundleWatcher): boolean {
    const count = this.#countOf.get(watcher.identity) ?? 0;
    if (count >= maxWatchersOfOne) return false;
    this.#countOf.set(watcher.identity, count + 1);
    this.#watchers.add(watcher);
    this.#departed.delete(watcher.identity);
    return true;
  }

  delete(watcher: BundleWatcher): void {
    if (!this.#watchers.delete(watcher)) return;
    const { identity } = watcher;
    const count = (this.#countOf.get(identity) ?? 0) - 1;
    if (count <= 0) this.#countOf.delete(identity);
    else this.#countOf.set(identity, count);
    if (this.#departed.has(identity) || this.#departed.size < maxDeparted)
      this.#departed.set(identity, { watcher, untilMs: this.#nowMs() + this.#lingerMs });
  }

  sendAll(): void {
    for (const watcher of this.#watchers) watcher.send();
  }

  /** For CertificateAuthority.advance. */
  evidence(sequence: number, signingId: string): FleetEvidence {
    this.#forget();
    let holders = 0;
    let withBundle = 0;
    let moved = 0;
    const count = ({ appliedSequence, certificateAuthorityId }: BundleWatcher): void => {
      holders++;
      if (appliedSequence >= sequence) withBundle++;
      if (certificateAuthorityId === signingId) moved++;
    };
    for (const watcher of this.#watchers) count(watcher);
    for (const { watcher } of this.#departed.values()) count(watcher);
    return { holders, withBundle, moved };
  }

  /** Identities that a rotation waits for, some of them: who has not the newest bundle, or (`moved`) not a certificate of who signs now. */
  waitedFor(sequence: number, signingId: string, phase: 'bundle' | 'moved', most: number): string[] {
    this.#forget();
    const found = new Set<string>();
    const look = ({ identity, appliedSequence, certificateAuthorityId }: BundleWatcher): void => {
      if (phase === 'bundle' ? appliedSequence < sequence : certificateAuthorityId !== signingId) found.add(identity);
    };
    for (const watcher of this.#watchers) look(watcher);
    for (const { watcher } of this.#departed.values()) look(watcher);
    return [...found].slice(0, most);
  }

  #forget(): void {
    const nowMs = this.#nowMs();
    for (const [identity, { untilMs }] of this.#departed) if (nowMs >= untilMs) this.#departed.delete(identity);
  }
}

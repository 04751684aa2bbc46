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

/** So many at most are waited for; a flood of identities must not fill the memory. */
const maxDeparted = 20_000;

export class BundleWatchers {
  readonly #watchers = new Set<BundleWatcher>();
  readonly #departed = new Map<string, Departed[]>();
  readonly #nowMs: () => number;
  readonly #lingerMs: number;
  #departedCount = 0;

  /** `lingerMs`: how long who has left is waited for. */
  constructor(nowMs: () => number, lingerMs: number) {
    this.#nowMs = nowMs;
    this.#lingerMs = lingerMs;
  }

  add(watcher: BundleWatcher): void {
    this.#watchers.add(watcher);
    const before = this.#departed.get(watcher.identity);
    if (before === undefined) return;
    before.shift();
    this.#departedCount--;
    if (before.length === 0) this.#departed.delete(watcher.identity);
  }

  delete(watcher: BundleWatcher): void {
    if (!this.#watchers.delete(watcher) || this.#departedCount >= maxDeparted) return;
    const list = this.#departed.get(watcher.identity) ?? [];
    list.push({ watcher, untilMs: this.#nowMs() + this.#lingerMs });
    this.#departed.set(watcher.identity, list);
    this.#departedCount++;
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
    for (const list of this.#departed.values()) for (const { watcher } of list) count(watcher);
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
    for (const list of this.#departed.values()) for (const { watcher } of list) look(watcher);
    return [...found].slice(0, most);
  }

  #forget(): void {
    const nowMs = this.#nowMs();
    for (const [identity, list] of this.#departed) {
      const waited = list.filter(({ untilMs }) => nowMs < untilMs);
      this.#departedCount -= list.length - waited.length;
      if (waited.length === 0) this.#departed.delete(identity);
      else if (waited.length < list.length) this.#departed.set(identity, waited);
    }
  }
}

/** Who watches the trust bundles, and which one each has: what a root rotation waits for. */
import type { FleetEvidence } from '../../certs/rotation/root-rotation.ts';

export interface BundleWatcher {
  /** 0: none yet. */
  appliedSequence: number;
  /** Of the certificate in use. Empty: not said. */
  certificateAuthorityId: string;
  /** Sends the bundles as they are now. */
  send(): void;
}

export class BundleWatchers {
  readonly #watchers = new Set<BundleWatcher>();

  add(watcher: BundleWatcher): void {
    this.#watchers.add(watcher);
  }

  delete(watcher: BundleWatcher): void {
    this.#watchers.delete(watcher);
  }

  get size(): number {
    return this.#watchers.size;
  }

  sendAll(): void {
    for (const watcher of this.#watchers) watcher.send();
  }

  /** For CertificateAuthority.advance; to be added to that of other holders, as proxies that get their certificates by SDS. */
  evidence(sequence: number, signingId: string): FleetEvidence {
    let withBundle = 0;
    let moved = 0;
    for (const watcher of this.#watchers) {
      if (watcher.appliedSequence >= sequence) withBundle++;
      if (watcher.certificateAuthorityId === signingId) moved++;
    }
    return { holders: this.#watchers.size, withBundle, moved };
  }
}

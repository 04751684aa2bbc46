/**
 * What holders of our leaves say on their streams: which trust bundle each has, and whose certificate it uses. With who is not here and has a certificate that has not expired (certs/rotation/leaf-holders.ts), that
 * is what a root rotation waits for: a proxy that is away may come back any moment, and must not have missed a root by then. One that has said goodbye (it serves nobody any more) is not waited for, unless it comes back.
 */
import type { HolderReport, LeafHolders } from '../../certs/rotation/leaf-holders.ts';
import type { FleetEvidence } from '../../certs/rotation/root-rotation.ts';

export interface BundleWatcher extends HolderReport {
  readonly identity: string;
  /** Which of the proxies of this identity it is, as LeafHolders has it. */
  readonly holder: string;
  /** It ends in order, and is not to be waited for when its stream has ended. */
  readonly leaving: boolean;
  /** Sends the bundles as they are now. */
  send(): void;
}

/** Somebody whom a rotation waits for. */
export interface Awaited {
  readonly identity: string;
  /** When its certificate ends, and so the waiting for it; null: it is here. */
  readonly awayUntilMs: number | null;
}

/** Of one identity at a time: more would be one proxy that comes again and again. */
const maxWatchersOfOne = 1_000;

export class BundleWatchers {
  readonly #holders: LeafHolders;
  readonly #nowMs: () => number;
  readonly #lingerMs: number;
  readonly #watchers = new Set<BundleWatcher>();
  readonly #byHolder = new Map<string, Set<BundleWatcher>>();
  readonly #countOf = new Map<string, number>();

  /** `lingerMs`: how long who has left is waited for when nothing is known of its leaves: as long as one lives. */
  constructor(holders: LeafHolders, nowMs: () => number, lingerMs: number) {
    this.#holders = holders;
    this.#nowMs = nowMs;
    this.#lingerMs = lingerMs;
  }

  /** False: this identity has too many, and this one is not counted as being here. */
  add(watcher: BundleWatcher): boolean {
    const { identity, holder } = watcher;
    const count = this.#countOf.get(identity) ?? 0;
    if (count >= maxWatchersOfOne) return false;
    this.#countOf.set(identity, count + 1);
    this.#watchers.add(watcher);
    this.#holders.returned(holder);
    const ofHolder = this.#byHolder.get(holder);
    if (ofHolder === undefined) this.#byHolder.set(holder, new Set([watcher]));
    else ofHolder.add(watcher);
    return true;
  }

  delete(watcher: BundleWatcher): void {
    if (!this.#watchers.delete(watcher)) return;
    const { identity, holder, leaving, appliedSequence, certificateAuthorityId } = watcher;
    const count = (this.#countOf.get(identity) ?? 0) - 1;
    if (count <= 0) this.#countOf.delete(identity);
    else this.#countOf.set(identity, count);
    const ofHolder = this.#byHolder.get(holder)!;
    ofHolder.delete(watcher);
    if (ofHolder.size > 0) return;
    this.#byHolder.delete(holder);
    if (leaving) {
      this.#holders.departed(holder);
      return;
    }
    if (!this.#holders.has(holder)) this.#holders.keep(holder, identity, '', this.#nowMs() + this.#lingerMs);
    // A stream that ended before its first word takes nothing back.
    if (appliedSequence !== 0 || certificateAuthorityId !== '')
      this.#holders.reported(holder, { appliedSequence, certificateAuthorityId });
  }

  sendAll(): void {
    for (const watcher of this.#watchers) watcher.send();
  }

  /** For CertificateAuthority.advance. */
  evidence(sequence: number, signingId: string): FleetEvidence {
    let holders = 0;
    let withBundle = 0;
    let moved = 0;
    this.#look(sequence, signingId, (_, hasBundle, hasMoved) => {
      holders++;
      if (hasBundle) withBundle++;
      if (hasMoved) moved++;
    });
    return { holders, withBundle, moved };
  }

  /** Some of whom a rotation waits for: who has not the newest bundle, or (`moved`) not a certificate of who signs now. Each identity once, those that are away first, as they take longest. */
  waitedFor(sequence: number, signingId: string, phase: 'bundle' | 'moved', most: number): Awaited[] {
    const found = new Map<string, Awaited>();
    this.#look(sequence, signingId, (awaited, hasBundle, hasMoved) => {
      if (phase === 'bundle' ? hasBundle : hasMoved) return;
      const known = found.get(awaited.identity);
      if (known === undefined || (awaited.awayUntilMs ?? 0) > (known.awayUntilMs ?? 0))
        found.set(awaited.identity, awaited);
    });
    return [...found.values()].sort((a, b) => (b.awayUntilMs ?? 0) - (a.awayUntilMs ?? 0)).slice(0, most);
  }

  #look(
    sequence: number,
    signingId: string,
    tell: (awaited: Awaited, hasBundle: boolean, hasMoved: boolean) => void,
  ): void {
    for (const { identity, appliedSequence, certificateAuthorityId } of this.#watchers)
      tell({ identity, awayUntilMs: null }, appliedSequence >= sequence, certificateAuthorityId === signingId);
    for (const { id, identity, untilMs, report, mayUseOther } of this.#holders) {
      if (this.#byHolder.has(id)) continue;
      const hasBundle = report !== null && report.appliedSequence >= sequence;
      const hasMoved = report?.certificateAuthorityId === signingId || !mayUseOther(signingId);
      tell({ identity, awayUntilMs: untilMs }, hasBundle, hasMoved);
    }
    const { unknownUntilMs } = this.#holders;
    if (unknownUntilMs > this.#nowMs())
      tell({ identity: 'certificates from before that are not known here', awayUntilMs: unknownUntilMs }, false, false);
  }
}

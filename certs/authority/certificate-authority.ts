/**
 * The authority of a trust domain as the control plane uses it: signs leaves and logs them, says what is to be trusted, and changes its root without losing a request. Whom to sign for is decided by its
 * callers; when to look again (`advance`) too: it has no timers.
 */
import { join } from 'node:path';
import { IdentityFault } from '../identity-fault.ts';
import { LeafHolders } from '../rotation/leaf-holders.ts';
import { leafLife, longestLeafMs } from '../rotation/leaf-life.ts';
import {
  advanceRotation,
  beginRotation,
  defaultRotationTiming,
  describeRotation,
  type FleetEvidence,
  forceRotation,
  type RotationState,
  type RotationTiming,
  revertRotation,
  trustedAuthorities,
} from '../rotation/root-rotation.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import { makeTrustBundle, type TrustBundle } from '../spiffe/trust-bundle.ts';
import { type Certificate, isSignedBy, sameBytes } from '../x509/certificate.ts';
import { subjectKeyIdentifier } from '../x509/public-key.ts';
import { AuthorityStore, type StoredAuthorities } from './authority-store.ts';
import { createRoot, defaultRootLifetimeMs } from './create-root.ts';
import type { IssuingClock } from './issuing-clock.ts';
import { IssuingLog } from './issuing-log.ts';
import { readIssued } from './read-issued.ts';
import { defaultLeafLifetimeMs, type IssuedLeaf, signLeaf } from './sign-leaf.ts';
import type { SigningAuthority } from './signing-authority.ts';

export interface CertificateAuthorityOptions {
  /** Keys, state and the issuing log live here, for the owner only. */
  readonly folder: string;
  readonly trustDomain: string;
  readonly clock: IssuingClock;
  /** Default 24 h. */
  readonly leafLifetimeMs?: number;
  /** Of roots that are made here. Default 10 years. */
  readonly rootLifetimeMs?: number;
  /** Default: {@link defaultRotationTiming}; its leaf lifetime is always the one above, or what is left of a longer one from before. */
  readonly rotationTiming?: Omit<RotationTiming, 'leafLifetimeMs'>;
  /** The operator's own; null: a root is made on first start. It is kept in the folder, as rotation needs the one before. */
  readonly operatorAuthority: SigningAuthority | null;
  /** An operator's authority from before gives way to a root made here, by a rotation; false: without it nothing starts. Default false. */
  readonly ownInstead?: boolean;
}

/** On what ground somebody gets a certificate, for the log. */
export interface IssuingReason {
  readonly proof: 'join_token' | 'kubernetes_token' | 'certificate' | 'control_plane';
  /** An address, or what else says where the request came from. */
  readonly peer: string;
  /** The serial number of the leaf that it takes the place of: then its holder is the same. */
  readonly renews?: string;
  /** Whose leaf it is, where that is known by other means; else it is told by the key. */
  readonly holder?: string;
}

const maxRetired = 64;

export class CertificateAuthority {
  readonly #clock: IssuingClock;
  readonly #trustDomain: string;
  readonly #leafLifetimeMs: number;
  readonly #rootLifetimeMs: number;
  readonly #rotationTiming: Omit<RotationTiming, 'leafLifetimeMs'>;
  readonly #store: AuthorityStore;
  readonly #log: IssuingLog;
  /** Who may use a leaf now; not this control plane, which renews at once by itself. */
  readonly holders: LeafHolders;
  /** No operator's authority: then nobody else would think of it. */
  readonly #rotatesItself: boolean;
  readonly #listeners = new Set<() => void>();
  /** Certificates that signed and count no more, since this started. */
  #retired: readonly Certificate[] = [];
  /** What signedByRetired said, by the leaf, as long as the above is the same: a call asks for the same leaf every second. */
  #retiredVerdicts = new WeakMap<Certificate, boolean>();
  /** The operator's, when a rotation has to end first. */
  #waiting: SigningAuthority | null = null;
  #stored: StoredAuthorities;
  #bundle: TrustBundle;

  /** Throws IdentityFault when what is stored or given can't be used, and the system's errors. */
  constructor(options: CertificateAuthorityOptions) {
    this.#clock = options.clock;
    this.#trustDomain = options.trustDomain;
    this.#leafLifetimeMs = options.leafLifetimeMs ?? defaultLeafLifetimeMs;
    this.#rootLifetimeMs = options.rootLifetimeMs ?? defaultRootLifetimeMs;
    this.#rotationTiming = options.rotationTiming ?? defaultRotationTiming;
    this.#rotatesItself = options.operatorAuthority === null;
    this.#store = new AuthorityStore(options.folder, options.trustDomain);
    const loaded = this.#store.load();
    this.#stored = loaded ?? this.#firstStart(options.operatorAuthority);
    this.#noteLeafLife();
    this.#bundle = this.#makeBundle();
    this.holders = new LeafHolders(() => options.clock.nowMs());
    const logFile = join(options.folder, 'issuing.log');
    if (loaded !== null) this.#recallHolders(logFile);
    this.#log = new IssuingLog(logFile);
    if (options.operatorAuthority !== null) this.use(options.operatorAuthority);
    else if (options.ownInstead === true) this.#leaveOperators();
    else this.#checkNotOperators(options.folder);
  }

  get trustDomain(): string {
    return this.#trustDomain;
  }

  /** {@link SigningAuthority.id} of who signs now: holders of leaves of another one should renew. */
  get signingId(): string {
    return this.#stored.state.signing;
  }

  /** Everything that peers have to trust now; the same object until it changes. */
  bundle(): TrustBundle {
    return this.#bundle;
  }

  /**
   * A logged leaf for this public key (SubjectPublicKeyInfo, from a request that was verified) and identity. `dnsNames`: of a server of our own that is called by name. Throws IdentityFault `wrong-trust-domain`, `not-a-leaf`, `expired` or `log-failed`.
   */
  sign(publicKey: Uint8Array, id: SpiffeId, reason: IssuingReason, dnsNames: readonly string[] = []): IssuedLeaf {
    const { state, authorities } = this.#stored;
    const leaf = signLeaf(authorities.get(state.signing)!, publicKey, id, this.#leafLifetimeMs, this.#clock, dnsNames);
    const { serial, notAfterMs, authorityId } = leaf;
    const holder = reason.proof === 'control_plane' ? '' : this.#holderFor(publicKey, reason);
    this.#log.append({
      timeMs: this.#clock.nowMs(),
      serial,
      spiffeId: id.text,
      notAfterMs,
      authorityId,
      proof: reason.proof,
      peer: reason.peer,
      holder,
    });
    if (holder !== '') this.holders.issued({ holder, identity: id.text, serial, notAfterMs, authorityId });
    return leaf;
  }

  /**
   * Whether who signed this leaf has been taken out of trust since this started: a connection from before goes on after its handshake, and must not count for longer than its root. (Handshakes judge by the
   * bundle themselves.) Costs a signature's check only where names and key identifiers fit, and once for each object.
   */
  signedByRetired(leaf: Certificate): boolean {
    if (this.#retired.length === 0) return false;
    let verdict = this.#retiredVerdicts.get(leaf);
    if (verdict === undefined) {
      verdict = this.#retired.some((old) => isKeyedBy(leaf, old) && isSignedBy(leaf, old));
      this.#retiredVerdicts.set(leaf, verdict);
    }
    return verdict;
  }

  /** Starts a rotation to a new root of our own. Throws IdentityFault `rotation-state`. */
  rotate(): void {
    this.#begin(createRoot(this.#trustDomain, this.#clock, this.#rootLifetimeMs), false);
  }

  /**
   * Takes over an operator's authority: at once when it has the same roots (an intermediate that was renewed), else by a rotation, after the one that is under way. Nothing happens when it is the one in
   * use, or on its way. Throws IdentityFault `wrong-trust-domain`.
   */
  use(authority: SigningAuthority): void {
    this.#checkTrustDomain(authority);
    const { state, authorities } = this.#stored;
    this.#waiting = null;
    if (authority.id === state.signing || (state.phase === 'distributing' && authority.id === state.next)) {
      this.#noteOperators(authority.id);
      return;
    }
    if (state.phase !== 'steady') {
      this.#waiting = authority;
      return;
    }
    if (sameRoots(authority, authorities.get(state.signing)!))
      this.#replace({
        state: { phase: 'steady', signing: authority.id },
        authorities: new Map([[authority.id, authority]]),
        operators: [authority.id],
      });
    else this.#begin(authority, true);
  }

  /**
   * Goes on with a rotation when it is time, and begins one when a root of our own has come to the last tenth of its life, or the operator's is to give way to it. True when something changed. Call it every few seconds, and when proxies have
   * acknowledged.
   */
  advance(fleet: FleetEvidence): boolean {
    const nowMs = this.#clock.nowMs();
    const { state } = this.#stored;
    if (state.phase === 'steady' && this.#mustGo(state.signing) !== '') {
      this.rotate();
      return true;
    }
    const moved = this.#move(advanceRotation(state, fleet, nowMs, this.#timing));
    if (moved && this.#waiting !== null) this.use(this.#waiting);
    return moved;
  }

  /** The next step of a rotation now. Throws IdentityFault `rotation-state`. */
  force(): void {
    this.#move(forceRotation(this.#stored.state, this.#clock.nowMs(), this.#timing));
  }

  /** Backs out of a rotation. Throws IdentityFault `rotation-state` when none is under way, or another would begin at once. */
  revert(): void {
    const back = revertRotation(this.#stored.state, this.#clock.nowMs(), this.#timing);
    const why = this.#mustGo(back.signing);
    if (why !== '')
      throw new IdentityFault(
        'rotation-state',
        `there is no way back to ${back.signing}: ${why}, and the rotation would begin again at once`,
      );
    this.#move(back);
  }

  /** For `identity show` and metrics. */
  status(): {
    readonly state: RotationState;
    readonly words: string;
    readonly authorities: ReadonlyArray<{
      readonly id: string;
      /** Of the certificate that signs. */
      readonly notBeforeMs: number;
      readonly notAfterMs: number;
    }>;
    readonly leafLifetimeMs: number;
  } {
    const { state, authorities } = this.#stored;
    return {
      state,
      words: describeRotation(state, this.#clock.nowMs()),
      authorities: [...authorities.values()].map(({ id, chain, notAfterMs }) => ({
        id,
        notBeforeMs: chain[0]!.notBeforeMs,
        notAfterMs,
      })),
      leafLifetimeMs: this.#leafLifetimeMs,
    };
  }

  /** Called after who signs or what is trusted has changed. Gives the function that stops it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#log.close();
  }

  get #timing(): RotationTiming {
    const { leafLife: life } = this.#stored;
    return { ...this.#rotationTiming, leafLifetimeMs: longestLeafMs(life!, this.#clock.nowMs()) };
  }

  /** Before the first leaf is signed: a start that comes after must know how long it lives. */
  #noteLeafLife(): void {
    const { leafLife: before } = this.#stored;
    const now = leafLife(before, this.#leafLifetimeMs, this.#clock.nowMs());
    if (now === before) return;
    this.#stored = { ...this.#stored, leafLife: now };
    this.#store.save(this.#stored);
  }

  #firstStart(operatorAuthority: SigningAuthority | null): StoredAuthorities {
    const authority = operatorAuthority ?? createRoot(this.#trustDomain, this.#clock, this.#rootLifetimeMs);
    this.#checkTrustDomain(authority);
    const stored: StoredAuthorities = {
      state: { phase: 'steady', signing: authority.id },
      sequence: 1,
      operators: operatorAuthority === null ? [] : [authority.id],
      leafLife: leafLife(null, this.#leafLifetimeMs, this.#clock.nowMs()),
      authorities: new Map([[authority.id, authority]]),
    };
    this.#store.save(stored);
    return stored;
  }

  #holderFor(publicKey: Uint8Array, { holder, renews }: IssuingReason): string {
    const known = holder ?? (renews === undefined ? null : this.holders.holderOf(renews));
    return known ?? Buffer.from(subjectKeyIdentifier(publicKey)).toString('hex').slice(0, 32);
  }

  /** Who got a leaf before this start, as far as the log goes back. */
  #recallHolders(logFile: string): void {
    const { issued, complete } = readIssued(logFile, this.#clock.nowMs(), this.#timing.leafLifetimeMs);
    for (const leaf of issued) this.holders.issued(leaf);
    if (!complete) this.holders.unknownUntil(this.#clock.nowMs() + this.#timing.leafLifetimeMs);
  }

  #checkTrustDomain(authority: SigningAuthority): void {
    if (authority.trustDomain !== this.#trustDomain)
      throw new IdentityFault(
        'wrong-trust-domain',
        `the authority ${authority.id} is of the trust domain ${authority.trustDomain}, and this is ${this.#trustDomain}`,
      );
  }

  /** Why an authority can't stay, when nobody but us thinks of it; ''. */
  #mustGo(id: string): string {
    if (!this.#rotatesItself) return '';
    if (this.#stored.operators.includes(id)) return "it is the operator's, and a root made here is to take its place";
    const { chain, notAfterMs } = this.#stored.authorities.get(id)!;
    const lifeMs = notAfterMs - chain[0]!.notBeforeMs;
    return notAfterMs - this.#clock.nowMs() < lifeMs / 10 ? 'it has come to the last tenth of its life' : '';
  }

  /** The authority that signs, or is about to, when that is the operator's; null. */
  get #operatorsInUse(): string | null {
    const { state, operators } = this.#stored;
    const id = state.phase === 'distributing' ? state.next : state.signing;
    return operators.includes(id) ? id : null;
  }

  #checkNotOperators(folder: string): void {
    const id = this.#operatorsInUse;
    if (id === null) return;
    this.#log.close();
    throw new IdentityFault(
      'not-allowed',
      `the authority ${id} in ${folder} is your own (--ca-certificate), and that flag is missing; start with it and --ca-key again, or with --ca-own for a root made here, which takes its place by a rotation`,
    );
  }

  #leaveOperators(): void {
    if (this.#operatorsInUse === null) return;
    const { state } = this.#stored;
    if (state.phase === 'distributing') this.#move(revertRotation(state, this.#clock.nowMs(), this.#timing));
    const { phase, signing } = this.#stored.state;
    // One that is draining comes to its end first (advance).
    if (phase === 'steady' && this.#mustGo(signing) !== '') this.rotate();
  }

  #noteOperators(id: string): void {
    const { operators } = this.#stored;
    if (operators.includes(id)) return;
    this.#stored = { ...this.#stored, operators: [...operators, id] };
    this.#store.save(this.#stored);
  }

  #begin(next: SigningAuthority, isOperators: boolean): void {
    const { state, authorities, operators } = this.#stored;
    const begun = beginRotation(state, next.id, this.#clock.nowMs(), this.#timing);
    this.#replace({
      state: begun,
      authorities: new Map([...authorities, [next.id, next]]),
      operators: isOperators ? [...operators, next.id] : operators,
    });
  }

  #move(state: RotationState): boolean {
    if (state === this.#stored.state) return false;
    const authorities = new Map(trustedAuthorities(state).map((id) => [id, this.#stored.authorities.get(id)!]));
    const operators = this.#stored.operators.filter((id) => authorities.has(id));
    this.#replace({ state, authorities, operators });
    return true;
  }

  /** On the disk first: what was told to anybody must still be so after a crash. */
  #replace(next: Pick<StoredAuthorities, 'state' | 'authorities' | 'operators'>): void {
    const previous = this.#stored;
    this.#stored = { ...previous, ...next, sequence: previous.sequence + 1 };
    try {
      this.#store.save(this.#stored);
    } catch (error) {
      this.#stored = previous;
      throw error;
    }
    this.#bundle = this.#makeBundle();
    this.#retire(previous, next);
    for (const listener of this.#listeners) listener();
  }

  #retire(previous: StoredAuthorities, next: Pick<StoredAuthorities, 'authorities'>): void {
    const trusted = [...next.authorities.values()];
    // By name and key: a root that was made anew for the same key is the same signer, and what it signed is good.
    const counts = ({ subject, publicKeyDer }: Certificate): boolean =>
      trusted.some(({ chain, roots }) =>
        [chain[0]!, ...roots].some(
          (one) => sameBytes(one.subject, subject) && sameBytes(one.publicKeyDer, publicKeyDer),
        ),
      );
    // An intermediate that was renewed under the same root is replaced, not distrusted.
    const gone = [...previous.authorities.values()].filter(({ roots }) => !counts(roots[0]!));
    this.#retired = [...this.#retired.filter((old) => !counts(old)), ...gone.map(({ chain }) => chain[0]!)].slice(
      -maxRetired,
    );
    this.#retiredVerdicts = new WeakMap();
    for (const { id } of gone) this.holders.forgetAuthority(id);
  }

  #makeBundle(): TrustBundle {
    const roots = trustedAuthorities(this.#stored.state).flatMap((id) => this.#stored.authorities.get(id)!.roots);
    return makeTrustBundle(
      this.#trustDomain,
      roots,
      this.#stored.sequence,
      Math.max(60, Math.floor(this.#leafLifetimeMs / 4000)),
    );
  }
}

/** False: by the key identifiers it is another key's (RFC 5280 4.2.1.1). Who says none may be anybody. */
function isKeyedBy(
  { extensions: { authorityKeyId } }: Certificate,
  { extensions, publicKeyDer }: Certificate,
): boolean {
  return (
    authorityKeyId === null || sameBytes(authorityKeyId, extensions.subjectKeyId ?? subjectKeyIdentifier(publicKeyDer))
  );
}

function sameRoots(a: SigningAuthority, b: SigningAuthority): boolean {
  return (
    a.roots.length === b.roots.length &&
    a.roots.every((root) => b.roots.some((known) => sameBytes(known.der, root.der)))
  );
}

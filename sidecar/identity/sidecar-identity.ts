/**
 * The sidecar's own identity at work: keeps the state of identity-state.ts, makes the calls that it asks for, puts certificate and roots into the store of secrets under their local names, and watches the
 * trust bundles. Keys are made here and kept in memory; they are never written or sent. Loaded only by a sidecar that is to have an identity.
 */
import { generateKeyPairSync } from 'node:crypto';
import { type TrustBundle, trustBundleFromPem } from '../../certs/spiffe/trust-bundle.ts';
import { writePem } from '../../certs/x509/pem.ts';
import type { ClusterLookup } from '../cluster/upstream.ts';
import type { Clock, Random } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import type { SecretStore } from '../secret/secret-store.ts';
import type { StatStore } from '../stats/stat-store.ts';
import type { WatchBundleResponse } from '../xds/api/outrigger/identity/v1/identity_pb.js';
import { BundleWatch } from './bundle-watch.ts';
import type { IdentityConfig } from './identity-config.ts';
import { IdentityLog } from './identity-log.ts';
import {
  defaultIdentityTiming,
  dueMs,
  type IdentityEvent,
  type IdentityState,
  type IdentityTiming,
  type Proof,
  step,
} from './identity-state.ts';
import { type IdentityStatus, identityStatus } from './identity-status.ts';
import { certificateSecret, firstContactSecret, trustSecret } from './local-secrets.ts';
import type { Issued, OwnCertificate, OwnKey } from './own-certificate.ts';
import { readBundles, trustValue } from './received-bundles.ts';
import { SignCall, type SignInit, type SignOutcome } from './sign-call.ts';

export interface SidecarIdentityInit {
  readonly config: IdentityConfig;
  readonly secrets: SecretStore;
  readonly clusters: ClusterLookup;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log: Log;
  readonly stats: StatStore;
  /** The first certificate is there. Called once. */
  readonly onFirstCertificate: () => void;
  /** There is no certificate, and by this proof there never will be one; `why` is a whole reason. Attempts go on all the same. */
  readonly onProofDenied?: (why: string) => void;
  /** Another certificate is there: connections to the control plane are to get successors. */
  readonly onRenewed: () => void;
}

/** Certificates go by the wall clock, timers do not: what is due is looked at this often at least. */
const longestSleepMs = 30_000;
/** The control plane may break a connection off for other reasons: so many in a row, without an answer between, are taken as a word on our certificate or its own. */
const mostDoubts = 3;
/** Between two attempts to get another certificate because of that. */
const distrustPauseMs = 60_000;

export class SidecarIdentity implements TimerTarget {
  readonly #init: SidecarIdentityInit;
  readonly #timing: IdentityTiming;
  readonly #timer: WheelTimer;
  readonly #watch: BundleWatch;
  readonly #log: IdentityLog;
  #state: IdentityState<OwnCertificate> = { kind: 'new' };
  #call: SignCall | null = null;
  /** What the call under way shows as proof, for people. */
  #shown = '';
  /** Kept while attempts fail: a join token counts a key once, so an answer that got lost costs no second use. */
  #key: OwnKey | null = null;
  /** The last that there was, expired or not. */
  #certificate: OwnCertificate | null = null;
  #bundles: readonly TrustBundle[] = [];
  #lastFailure = '';
  #doubts = 0;
  #distrustedMs = -Infinity;

  constructor(init: SidecarIdentityInit) {
    const { authorityWindowMs, wantedId, clusterName } = init.config;
    this.#init = init;
    this.#timing = { ...defaultIdentityTiming, ...(authorityWindowMs === undefined ? {} : { authorityWindowMs }) };
    this.#timer = new WheelTimer(this);
    this.#log = new IdentityLog(init.log, wantedId);
    this.#watch = new BundleWatch({
      ...init,
      clusterName,
      certificateAuthorityId: () => this.#certificate?.authorityId ?? '',
      take: (response) => this.#takeWatched(response),
      onRefused: (why) => this.doubt(why),
    });
  }

  start(): void {
    this.#apply({ kind: 'start' });
  }

  /** The sidecar ends, and serves nobody any more: see BundleWatch.leave. Nothing is renewed from here on. */
  leave(onLeft: () => void): void {
    this.#apply({ kind: 'close' });
    this.#watch.leave(onLeft);
  }

  onTimer(): void {
    this.#apply({ kind: 'time' });
  }

  /** Something that the certificate may be the reason of: a stream to the control plane was refused, or no TLS came about with it. */
  doubt(why: string): void {
    const { clock, log, config } = this.#init;
    if (++this.#doubts < mostDoubts || clock.nowMs() - this.#distrustedMs < distrustPauseMs) return;
    const before = this.#state.kind;
    if (before !== 'valid' && before !== 'retrying') return;
    this.#doubts = 0;
    this.#distrustedMs = clock.nowMs();
    log.warn(
      `the control plane and this sidecar do not trust each other any more (${why}): asking for another certificate by ${config.proof.what}`,
    );
    this.#apply({ kind: 'distrusted' });
  }

  status(): IdentityStatus {
    const { config, clock, secrets } = this.#init;
    const facts = {
      state: this.#state,
      certificate: this.#certificate,
      issuer: (secrets.get(certificateSecret)?.certificates[0]?.issuer ?? '').replaceAll('\n', ', '),
      trustDomain: config.trustDomain,
      lastFailure: this.#lastFailure,
      bundles: this.#bundles,
    };
    return identityStatus(facts, clock.wallMs());
  }

  #apply(event: IdentityEvent<OwnCertificate>): void {
    const { clock, random, wheel, config } = this.#init;
    const nowMs = clock.wallMs();
    const before = this.#state;
    const { state, command } = step(before, event, { nowMs, random, timing: this.#timing });
    this.#state = state;
    if (state.kind === 'asking' && 'certificate' in before) this.#log.expired(before.certificate, config.proof.what);
    if (command.do !== 'nothing') this.#call?.cancel();
    if (command.do !== 'nothing') this.#call = null;
    const due = dueMs(state);
    if (due === Infinity) wheel.disarm(this.#timer);
    else wheel.arm(this.#timer, Math.min(Math.max(0, due - nowMs), longestSleepMs));
    if (command.do === 'sign') this.#sign(command.proof);
  }

  #sign(proof: Proof): void {
    const { config } = this.#init;
    const first = proof === 'first';
    this.#shown = first ? config.proof.what : 'its current certificate';
    let shown: SignInit['proof'];
    try {
      shown = first ? this.#firstProof() : { case: 'connectionCertificate', value: {} };
    } catch (error) {
      this.#onOutcome({ ok: false, refused: false, why: (error as Error).message });
      return;
    }
    this.#key ??= generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const init = {
      ...this.#init,
      clusterName: first ? config.firstContactClusterName : config.clusterName,
      key: this.#key,
      trustDomain: config.trustDomain,
      // Who had an identity gets no other.
      wantedId: this.#certificate?.id ?? config.wantedId,
      proof: shown,
    };
    this.#call = new SignCall(init, (outcome) => this.#onOutcome(outcome));
    this.#call.start();
  }

  #firstProof(): SignInit['proof'] {
    const { proof } = this.#init.config;
    this.#trustAtFirstContact();
    const value = proof.read();
    return proof.kind === 'join-token' ? { case: 'joinToken', value } : { case: 'kubernetesToken', value };
  }

  /**
   * The roots in the operator's file as it is now, and those that were received: if all of these were replaced while we were away, the file has the new ones. An old root in a file that nobody keeps up
   * opens no more than it does at a restart, when the file is all that there is.
   */
  #trustAtFirstContact(): void {
    const { config, secrets } = this.#init;
    const received = this.#bundles[0]?.roots ?? [];
    let given: TrustBundle['roots'] = [];
    try {
      given = trustBundleFromPem(config.trustDomain, config.readTrustBundle()).roots;
    } catch (error) {
      if (received.length === 0) throw error;
    }
    const trustedCaPem = writePem('CERTIFICATE', ...[...received, ...given].map(({ der }) => der));
    secrets.set(firstContactSecret, firstContactSecret, '', { kind: 'validation', trustedCaPem, subjectAltNames: [] });
  }

  #onOutcome(outcome: SignOutcome): void {
    const result = outcome.ok ? 'ok' : outcome.refused ? 'refused' : 'failed';
    this.#call = null;
    this.#init.stats.counter('identity.renewals', 'outrigger_identity_renewals_total', { result }).increment();
    if (outcome.ok) this.#onSigned(outcome);
    else this.#onFailed(outcome.refused, outcome.why, outcome.proofDenied === true);
  }

  #onSigned({ certificate, bundles }: Issued): void {
    const { secrets, onFirstCertificate, onRenewed } = this.#init;
    const first = this.#certificate === null;
    this.#key = null;
    this.#lastFailure = '';
    this.#certificate = certificate;
    const { chainPem, keyPem, serial } = certificate;
    secrets.set(certificateSecret, certificateSecret, serial, { kind: 'certificate', chainPem, keyPem });
    // The watch may have brought newer ones while this answer was on its way.
    if ((bundles[0]!.sequence ?? Infinity) >= (this.#bundles[0]?.sequence ?? 0)) this.#trust(bundles);
    this.#apply({ kind: 'signed', certificate });
    this.#log.signed(certificate, first, this.#shown, dueMs(this.#state));
    if (first) onFirstCertificate();
    else {
      this.#watch.certificateChanged();
      onRenewed();
    }
    this.#watch.start();
  }

  #onFailed(refused: boolean, why: string, proofDenied: boolean): void {
    const { config, onProofDenied } = this.#init;
    const shown = this.#shown;
    this.#lastFailure = `by ${shown}: ${why}`;
    this.#apply({ kind: 'failed', refused });
    if (proofDenied && config.proof.final === true && this.#certificate === null && onProofDenied !== undefined) {
      onProofDenied(why);
      return;
    }
    const state = this.#state;
    if (state.kind !== 'waiting' && state.kind !== 'retrying') return;
    const nowMs = this.#init.clock.wallMs();
    const attempt = { failures: state.failures, shown, why, refused, retryInMs: state.dueMs - nowMs, nowMs };
    if (state.kind === 'waiting') this.#log.failedToGet(attempt);
    else this.#log.failedToRenew(state.certificate, attempt);
  }

  /** Gives the sequence of our own bundle that is in use. Throws when what came cannot be used. */
  #takeWatched({ bundles, authorityId }: WatchBundleResponse): bigint {
    this.#doubts = 0;
    this.#trust(readBundles(bundles, this.#init.config.trustDomain));
    this.#apply({ kind: 'authority', authorityId });
    return BigInt(this.#bundles[0]!.sequence ?? 0);
  }

  #trust(bundles: readonly TrustBundle[]): void {
    this.#bundles = bundles;
    this.#init.secrets.set(trustSecret, trustSecret, String(bundles[0]!.sequence ?? ''), trustValue(bundles));
  }
}

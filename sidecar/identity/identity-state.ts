/**
 * The life of the sidecar's own certificate, as arithmetic: what may follow what, when to ask again and with which proof. Knows neither keys nor calls, and no time but what it is given;
 * sidecar-identity.ts keeps the state and does what it says.
 *
 *   ┌─────┐ start   ┌────────┐ signed                                ┌───────┐
 *   │ new │ ──────→ │ asking │ ────────────────────────────────────→ │ valid │ ←───────────────┐
 *   └─────┘         └────────┘                                       └───────┘                 │
 *             failed ↓     ↑ time                  half-life, or another │ authority's turn    │
 *                   ┌─────────┐                                          ↓                     │ signed
 *                   │ waiting │                                     ┌──────────┐ ──────────────┘
 *                   └─────────┘             or it is distrusted     │ renewing │
 *                          ↑                                        └──────────┘
 *                                                              failed ↓      ↑ time
 *       asking ←───── the certificate has expired ───────────────── ┌──────────┐
 *       (from valid, renewing and retrying)                         │ retrying │
 *                                                                   └──────────┘
 *   any ── close ──→ closed
 *
 * In `asking` and `renewing` exactly one Sign is under way, in the others none. `asking` proves itself with the first proof (a token); `renewing` with the certificate, and now and then with the
 * first proof too: a control plane that lost its authority knows the certificate no more, and half a certificate's life would be long to wait.
 */

/** What the arithmetic has to know of a certificate. */
export interface Expiring {
  readonly notAfterMs: number;
  /** Who signed. */
  readonly authorityId: string;
}

export type Proof = 'first' | 'certificate';

export type IdentityState<C extends Expiring> =
  | { readonly kind: 'new' }
  | { readonly kind: 'asking'; readonly failures: number }
  | { readonly kind: 'waiting'; readonly failures: number; readonly dueMs: number }
  | {
      readonly kind: 'valid';
      readonly certificate: C;
      /** By its life alone. */
      readonly halfLifeMs: number;
      /** When it is renewed: sooner, when another authority signs now. */
      readonly dueMs: number;
    }
  | {
      readonly kind: 'renewing';
      readonly certificate: C;
      readonly failures: number;
      readonly proof: Proof;
      /** Who was said to sign while the call was under way; '' when nothing was said. */
      readonly announced: string;
    }
  | {
      readonly kind: 'retrying';
      readonly certificate: C;
      readonly failures: number;
      readonly proof: Proof;
      readonly dueMs: number;
    }
  | { readonly kind: 'closed' };

export type IdentityEvent<C extends Expiring> =
  | { readonly kind: 'start' }
  | { readonly kind: 'signed'; readonly certificate: C }
  /** `refused`: it was answered with no; to ask the same again soon is of no use. */
  | { readonly kind: 'failed'; readonly refused: boolean }
  /** It may be time; nothing happens when it is not. */
  | { readonly kind: 'time' }
  /** The control plane does not take the certificate any more, or we do not trust it any more: half a certificate's life would be long to wait. */
  | { readonly kind: 'distrusted' }
  /** Who signs now, as the control plane says. */
  | { readonly kind: 'authority'; readonly authorityId: string }
  | { readonly kind: 'close' };

/** `sign`: begin a Sign; one that is under way is given up. `cancel`: give up the one under way. */
export type IdentityCommand = { readonly do: 'nothing' | 'cancel' } | { readonly do: 'sign'; readonly proof: Proof };

export interface IdentityTiming {
  readonly firstBackoffMs: number;
  /** Between attempts without a certificate, and with one. */
  readonly maxBackoffMs: number;
  readonly maxRenewalBackoffMs: number;
  /** When another authority signs, all renew, but not all at once: at a random moment of this. */
  readonly authorityWindowMs: number;
}

export const defaultIdentityTiming: IdentityTiming = {
  firstBackoffMs: 250,
  maxBackoffMs: 10_000,
  maxRenewalBackoffMs: 60_000,
  authorityWindowMs: 60_000,
};

export interface Moment {
  readonly nowMs: number;
  readonly random: () => number;
  readonly timing: IdentityTiming;
}

export interface Step<C extends Expiring> {
  readonly state: IdentityState<C>;
  readonly command: IdentityCommand;
}

/** Of every so many attempts in a row that fail, the next shows the first proof. */
const firstProofEvery = 3;
const shortestRetryMs = 50;

/** When something is due without anything being told; Infinity: never. */
export function dueMs<C extends Expiring>(state: IdentityState<C>): number {
  switch (state.kind) {
    case 'waiting':
    case 'retrying':
    case 'valid':
      return state.dueMs;
    case 'renewing':
      return state.certificate.notAfterMs;
    default:
      return Infinity;
  }
}

export function step<C extends Expiring>(
  state: IdentityState<C>,
  event: IdentityEvent<C>,
  { nowMs, random, timing }: Moment,
): Step<C> {
  const under = state.kind === 'asking' || state.kind === 'renewing';
  switch (event.kind) {
    case 'close':
      return { state: { kind: 'closed' }, command: { do: under ? 'cancel' : 'nothing' } };
    case 'start':
      return state.kind === 'new' ? ask(0) : unchanged(state);
    case 'signed': {
      if (!under) return unchanged(state);
      const { certificate } = event;
      const halfLife = nowMs + (certificate.notAfterMs - nowMs) * (0.45 + 0.1 * random());
      const announced = state.kind === 'renewing' ? state.announced : '';
      const next = { kind: 'valid', certificate, halfLifeMs: halfLife, dueMs: halfLife } as const;
      return unchanged(announced === '' ? next : heard(next, announced, nowMs + random() * timing.authorityWindowMs));
    }
    case 'failed': {
      if (!under) return unchanged(state);
      const failures = state.failures + 1;
      const backoffMs = (mostMs: number): number => {
        const grownMs = event.refused ? mostMs : timing.firstBackoffMs * 2 ** Math.min(failures - 1, 20);
        return Math.min(mostMs, grownMs) * (0.5 + random() / 2);
      };
      if (state.kind === 'asking')
        return unchanged({ kind: 'waiting', failures, dueMs: nowMs + backoffMs(timing.maxBackoffMs) });
      const { certificate } = state;
      const leftMs = certificate.notAfterMs - nowMs;
      if (leftMs <= 0) return ask(failures);
      // Several attempts fit into what is left, however short it is.
      const delayMs = Math.min(backoffMs(timing.maxRenewalBackoffMs), Math.max(shortestRetryMs, leftMs / 4));
      const due = Math.min(nowMs + delayMs, certificate.notAfterMs);
      return unchanged({ kind: 'retrying', certificate, failures, proof: nextProof(state, event.refused), dueMs: due });
    }
    case 'time':
      return isDue(state, nowMs, timing) ? onDue(state, nowMs) : unchanged(state);
    case 'distrusted':
      if (state.kind === 'valid') return renew(state.certificate, 0, 'first');
      // What is under way or due anyway goes by its own time, but not by a proof that is not taken.
      return unchanged(state.kind === 'retrying' ? { ...state, proof: 'first' } : state);
    case 'authority':
      if (event.authorityId === '') return unchanged(state);
      if (state.kind === 'valid')
        return unchanged(heard(state, event.authorityId, nowMs + random() * timing.authorityWindowMs));
      return unchanged(state.kind === 'renewing' ? { ...state, announced: event.authorityId } : state);
  }
}

/** A wall clock that was set back must not turn a short wait into a long one. */
function isDue<C extends Expiring>(state: IdentityState<C>, nowMs: number, timing: IdentityTiming): boolean {
  const waitMs = dueMs(state) - nowMs;
  if (state.kind === 'waiting') return waitMs <= 0 || waitMs > timing.maxBackoffMs;
  if (state.kind === 'retrying') return waitMs <= 0 || waitMs > timing.maxRenewalBackoffMs;
  return waitMs <= 0;
}

function onDue<C extends Expiring>(state: IdentityState<C>, nowMs: number): Step<C> {
  switch (state.kind) {
    case 'waiting':
      return ask(state.failures);
    case 'valid':
    case 'retrying': {
      const { certificate } = state;
      const failures = state.kind === 'retrying' ? state.failures : 0;
      // A machine that slept through it.
      if (nowMs >= certificate.notAfterMs) return ask(failures);
      return renew(certificate, failures, state.kind === 'retrying' ? state.proof : 'certificate');
    }
    case 'renewing':
      return ask(state.failures);
    default:
      return unchanged(state);
  }
}

function renew<C extends Expiring>(certificate: C, failures: number, proof: Proof): Step<C> {
  return { state: { kind: 'renewing', certificate, failures, proof, announced: '' }, command: { do: 'sign', proof } };
}

function ask<C extends Expiring>(failures: number): Step<C> {
  return { state: { kind: 'asking', failures }, command: { do: 'sign', proof: 'first' } };
}

function unchanged<C extends Expiring>(state: IdentityState<C>): Step<C> {
  return { state, command: { do: 'nothing' } };
}

/** Another authority's turn brings the renewal forward; that of the one that signed (a rotation that was taken back) leaves it where it was. */
function heard<C extends Expiring>(
  state: IdentityState<C> & { readonly kind: 'valid' },
  authorityId: string,
  inWindowMs: number,
): IdentityState<C> {
  const due = authorityId === state.certificate.authorityId ? state.halfLifeMs : Math.min(state.dueMs, inWindowMs);
  return { ...state, dueMs: due };
}

function nextProof(state: { readonly failures: number; readonly proof: Proof }, refused: boolean): Proof {
  if (refused) return state.proof === 'certificate' ? 'first' : 'certificate';
  return (state.failures + 1) % firstProofEvery === 0 ? 'first' : 'certificate';
}

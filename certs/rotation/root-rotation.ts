/**
 * Replacing the root without losing a request, as arithmetic: states, what may follow, and when. Knows neither files nor certificates, and no time but what it is given; the authority keeps the state
 * and does what it says.
 *
 *                 begin                 all have the bundle                  all have moved
 *   ┌──────────┐ ───────→ ┌─────────────┐ ───────────────→ ┌──────────┐ ───────────────────→ ┌──────────┐
 *   │  steady  │          │ distributing│                  │ draining │                      │  steady  │
 *   │ signs: A │ ←─────── │ signs: A    │                  │ signs: B │                      │ signs: B │
 *   └──────────┘  abandon │ trusts: A B │                  │ trusts: A B                     └──────────┘
 *                         └─────────────┘                  └──────────┘ ⟲ revert: the same with A and B exchanged
 *
 * "All" is whoever holds a certificate that has not expired: those that are connected say how far they are, and those that are not are waited for until they come back and say so, or their certificates have
 * expired, after which no step can hurt them (leaf-holders.ts).
 */
import { IdentityFault } from '../identity-fault.ts';

export type RotationState =
  | { readonly phase: 'steady'; readonly signing: string }
  | {
      readonly phase: 'distributing';
      readonly signing: string;
      readonly next: string;
      readonly sinceMs: number;
      /** From here on, whoever has not fetched the bundle has no valid certificate either. */
      readonly byMs: number;
    }
  | {
      readonly phase: 'draining';
      readonly signing: string;
      readonly old: string;
      readonly sinceMs: number;
      /** From here on, every leaf that the old one signed has expired. */
      readonly byMs: number;
    };

/** What the control plane knows about its proxies. */
export interface FleetEvidence {
  /** Who holds a leaf of ours that has not expired, connected or not. */
  readonly holders: number;
  /** Of these, who has confirmed a bundle with both roots. */
  readonly withBundle: number;
  /** Of these, who uses a leaf of the authority that signs now. */
  readonly moved: number;
}

export interface RotationTiming {
  /** The longest that a leaf lives. */
  readonly leafLifetimeMs: number;
  /** How long a phase lasts at least, for holders that come and go. */
  readonly minPhaseMs: number;
  /** Added to leaf lifetimes, for clocks that differ. */
  readonly skewMs: number;
}

export const defaultRotationTiming: RotationTiming = {
  leafLifetimeMs: 24 * 3_600_000,
  minPhaseMs: 60_000,
  skewMs: 5 * 60_000,
};

/** Starts to distribute `next`. Throws IdentityFault `rotation-state`. */
export function beginRotation(
  state: RotationState,
  next: string,
  nowMs: number,
  timing: RotationTiming,
): RotationState {
  if (state.phase !== 'steady')
    throw new IdentityFault(
      'rotation-state',
      `a rotation is under way (${describeRotation(state, nowMs)}); one at a time, so that nobody misses a root`,
    );
  if (next === state.signing) throw new IdentityFault('rotation-state', `the authority ${next} signs already`);
  return {
    phase: 'distributing',
    signing: state.signing,
    next,
    sinceMs: nowMs,
    byMs: nowMs + timing.leafLifetimeMs + timing.skewMs,
  };
}

/** The next state when it is time for it, else the same object. */
export function advanceRotation(
  state: RotationState,
  fleet: FleetEvidence,
  nowMs: number,
  timing: RotationTiming,
): RotationState {
  if (state.phase === 'steady') return state;
  const seen = nowMs - state.sinceMs >= timing.minPhaseMs;
  if (state.phase === 'distributing')
    return nowMs >= state.byMs || (seen && fleet.withBundle >= fleet.holders)
      ? switchOver(state, nowMs, timing)
      : state;
  return nowMs >= state.byMs || (seen && fleet.moved >= fleet.holders)
    ? { phase: 'steady', signing: state.signing }
    : state;
}

/** The next state now, whatever the fleet says: for a root whose key is known to others. Requests of holders that are not ready will fail. Throws IdentityFault `rotation-state`. */
export function forceRotation(state: RotationState, nowMs: number, timing: RotationTiming): RotationState {
  if (state.phase === 'steady') throw new IdentityFault('rotation-state', 'no rotation is under way');
  return state.phase === 'distributing'
    ? switchOver(state, nowMs, timing)
    : { phase: 'steady', signing: state.signing };
}

/** Back out: before the switch, the new authority is dropped; after it, the old one signs again and the new one drains. Throws IdentityFault `rotation-state`. */
export function revertRotation(state: RotationState, nowMs: number, timing: RotationTiming): RotationState {
  if (state.phase === 'steady')
    throw new IdentityFault('rotation-state', 'no rotation is under way, and the root before this one is gone');
  if (state.phase === 'distributing') return { phase: 'steady', signing: state.signing };
  return {
    phase: 'draining',
    signing: state.old,
    old: state.signing,
    sinceMs: nowMs,
    byMs: nowMs + timing.leafLifetimeMs + timing.skewMs,
  };
}

/** Every authority whose roots have to be trusted; the one that signs first. */
export function trustedAuthorities(state: RotationState): readonly string[] {
  if (state.phase === 'steady') return [state.signing];
  return [state.signing, state.phase === 'distributing' ? state.next : state.old];
}

/** For people: what is going on and until when at the latest. */
export function describeRotation(state: RotationState, nowMs: number): string {
  if (state.phase === 'steady') return `${state.signing} signs`;
  const minutes = Math.max(0, Math.ceil((state.byMs - nowMs) / 60_000));
  return state.phase === 'distributing'
    ? `${state.signing} signs; ${state.next} is being made known, and takes over when every proxy has it, in ${minutes} min at the latest`
    : `${state.signing} signs; ${state.old} is trusted until no proxy uses it, for ${minutes} min at the most`;
}

function switchOver(
  state: RotationState & { readonly phase: 'distributing' },
  nowMs: number,
  timing: RotationTiming,
): RotationState {
  return {
    phase: 'draining',
    signing: state.next,
    old: state.signing,
    sinceMs: nowMs,
    byMs: nowMs + timing.leafLifetimeMs + timing.skewMs,
  };
}

/** A state that was stored. Throws IdentityFault `malformed`. */
export function readRotationState(value: unknown): RotationState {
  const state = (typeof value === 'object' && value !== null ? value : {}) as Partial<Record<string, unknown>>;
  const { phase, signing, next, old, sinceMs, byMs } = state;
  const isId = (id: unknown): id is string => typeof id === 'string' && /^[0-9a-f]{16}$/.test(id);
  const isTime = (time: unknown): time is number => typeof time === 'number' && Number.isFinite(time);
  if (isId(signing) && phase === 'steady') return { phase, signing };
  if (isId(signing) && isTime(sinceMs) && isTime(byMs)) {
    if (phase === 'distributing' && isId(next) && next !== signing) return { phase, signing, next, sinceMs, byMs };
    if (phase === 'draining' && isId(old) && old !== signing) return { phase, signing, old, sinceMs, byMs };
  }
  throw new IdentityFault('malformed', 'the stored state of the root rotation is damaged');
}

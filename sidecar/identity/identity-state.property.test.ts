/** The life of a certificate under any order of answers, failures, expiry and changes of authority. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  dueMs,
  type Expiring,
  type IdentityEvent,
  type IdentityState,
  step,
  defaultIdentityTiming as timing,
} from './identity-state.ts';

type State = IdentityState<Expiring>;

/** A clock, and a Sign that is under way or not, as the commands say. */
class World {
  state: State = { kind: 'new' };
  nowMs = 1_000_000;
  underWay = 0;
  readonly proofs: string[] = [];
  readonly #randoms: readonly number[];
  #drawn = 0;

  constructor(randoms: readonly number[]) {
    this.#randoms = randoms;
  }

  readonly #random = (): number => this.#randoms[this.#drawn++ % this.#randoms.length]!;

  apply(event: IdentityEvent<Expiring>): void {
    const { state, command } = step(this.state, event, { nowMs: this.nowMs, random: this.#random, timing });
    this.state = state;
    if (command.do === 'cancel') this.underWay = 0;
    if (command.do === 'sign') {
      this.underWay = 1;
      this.proofs.push(command.proof);
    }
  }

  answer(event: IdentityEvent<Expiring>): void {
    if (this.underWay === 0) return;
    this.underWay = 0;
    this.apply(event);
  }

  /** Everything that falls due until then happens in its time. */
  advanceTo(thenMs: number): void {
    for (let due = dueMs(this.state); due <= thenMs; due = dueMs(this.state)) {
      this.nowMs = Math.max(this.nowMs, due);
      this.apply({ kind: 'time' });
    }
    this.nowMs = thenMs;
  }

  get certificate(): Expiring | null {
    return 'certificate' in this.state ? this.state.certificate : null;
  }

  check(): void {
    const { state, nowMs } = this;
    expect(this.underWay).toBe(state.kind === 'asking' || state.kind === 'renewing' ? 1 : 0);
    // Nothing waits for ever.
    if (state.kind !== 'new' && state.kind !== 'closed')
      expect(this.underWay === 1 || dueMs(state) < Infinity).toBe(true);
    if (this.certificate !== null) expect(this.certificate.notAfterMs).toBeGreaterThan(nowMs);
    if (state.kind === 'waiting') expect(state.dueMs - nowMs).toBeLessThanOrEqual(timing.maxBackoffMs);
    if (state.kind === 'retrying') {
      expect(state.dueMs - nowMs).toBeLessThanOrEqual(timing.maxRenewalBackoffMs);
      expect(state.dueMs).toBeLessThanOrEqual(state.certificate.notAfterMs);
    }
  }
}

const randoms = fc.array(fc.double({ min: 0, max: 0.999999, noNaN: true }), { minLength: 1, maxLength: 20 });
const authority = fc.constantFrom('a', 'b', 'c', '');
const happening = fc.oneof(
  fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 40_000_000 }) }),
  fc.record({ kind: fc.constant('signed' as const), lifeMs: fc.integer({ min: 1, max: 86_400_000 }), by: authority }),
  fc.record({ kind: fc.constant('failed' as const), refused: fc.boolean() }),
  fc.record({ kind: fc.constant('authority' as const), by: authority }),
  fc.record({ kind: fc.constant('distrusted' as const) }),
  // An answer to a call that was given up.
  fc.record({ kind: fc.constant('late' as const) }),
);

describe('the life of a certificate', () => {
  it('has exactly one Sign under way or knows when the next is due, holds no expired certificate, and ends cleanly', () => {
    fc.assert(
      fc.property(randoms, fc.array(happening, { maxLength: 60 }), (draws, happenings) => {
        const world = new World(draws);
        world.apply({ kind: 'start' });
        for (const each of happenings) {
          switch (each.kind) {
            case 'pass':
              world.advanceTo(world.nowMs + each.ms);
              break;
            case 'signed':
              world.answer({
                kind: 'signed',
                certificate: { notAfterMs: world.nowMs + each.lifeMs, authorityId: each.by },
              });
              break;
            case 'failed':
              world.answer(each);
              break;
            case 'authority':
              world.apply({ kind: 'authority', authorityId: each.by });
              break;
            case 'distrusted':
              world.apply({ kind: 'distrusted' });
              break;
            case 'late':
              if (world.underWay === 0) {
                const before = world.state;
                world.apply({ kind: 'failed', refused: false });
                world.apply({ kind: 'signed', certificate: { notAfterMs: Infinity, authorityId: 'a' } });
                expect(world.state).toBe(before);
              }
          }
          world.check();
        }
        world.apply({ kind: 'close' });
        expect(world.underWay).toBe(0);
        const signs = world.proofs.length;
        for (const kind of ['start', 'time', 'close'] as const) world.apply({ kind });
        world.apply({ kind: 'authority', authorityId: 'd' });
        world.advanceTo(world.nowMs + 1e9);
        expect([world.state.kind, world.proofs.length]).toEqual(['closed', signs]);
      }),
      { numRuns: 500 },
    );
  });

  it('is never without a valid certificate when the control plane is away for less than 0.3 of a life, however long lives are', () => {
    const life = fc.integer({ min: 2_000, max: 86_400_000 });
    const outages = fc.array(fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), refused: fc.boolean() }));
    fc.assert(
      fc.property(randoms, life, outages, (draws, lifeMs, gaps) => {
        const world = new World(draws);
        const answerMs = lifeMs / 200;
        world.apply({ kind: 'start' });
        world.answer({ kind: 'signed', certificate: { notAfterMs: world.nowMs + lifeMs, authorityId: 'a' } });
        for (const { at, refused } of gaps) {
          const from = world.nowMs + at * lifeMs;
          const until = from + lifeMs * 0.3;
          const end = until + lifeMs * 0.6;
          while (world.nowMs < end) {
            world.advanceTo(Math.min(end, world.underWay === 1 ? world.nowMs + answerMs : dueMs(world.state)));
            const away = world.nowMs >= from && world.nowMs < until;
            world.answer(
              away
                ? { kind: 'failed', refused }
                : { kind: 'signed', certificate: { notAfterMs: world.nowMs + lifeMs, authorityId: 'a' } },
            );
            expect(world.certificate?.notAfterMs ?? 0).toBeGreaterThan(world.nowMs);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it('asks with the first proof as soon as the certificate has expired, also while a renewal is under way', () => {
    const world = new World([0.5]);
    world.apply({ kind: 'start' });
    world.answer({ kind: 'signed', certificate: { notAfterMs: world.nowMs + 1_000, authorityId: 'a' } });
    world.advanceTo(world.nowMs + 999);
    expect([world.state.kind, world.proofs]).toEqual(['renewing', ['first', 'certificate']]);
    world.advanceTo(world.nowMs + 1);
    expect([world.state.kind, world.proofs]).toEqual(['asking', ['first', 'certificate', 'first']]);
  });

  it('shows the first proof when the certificate is refused, and at every third failure', () => {
    const world = new World([0.5]);
    world.apply({ kind: 'start' });
    world.answer({ kind: 'signed', certificate: { notAfterMs: world.nowMs + 1e9, authorityId: 'a' } });
    const fail = (refused: boolean): void => {
      world.advanceTo(dueMs(world.state));
      world.answer({ kind: 'failed', refused });
    };
    fail(true);
    for (let i = 0; i < 4; i++) fail(false);
    expect(world.proofs).toEqual(['first', 'certificate', 'first', 'certificate', 'first', 'certificate']);
  });

  it('shows the first proof at once when it is distrusted, and keeps the certificate meanwhile', () => {
    const world = new World([0.5]);
    world.apply({ kind: 'start' });
    world.answer({ kind: 'signed', certificate: { notAfterMs: world.nowMs + 1e9, authorityId: 'a' } });
    world.apply({ kind: 'distrusted' });
    expect([world.state.kind, world.proofs, world.certificate !== null]).toEqual([
      'renewing',
      ['first', 'first'],
      true,
    ]);
    world.answer({ kind: 'failed', refused: false });
    world.apply({ kind: 'distrusted' });
    expect(world.underWay).toBe(0);
    world.advanceTo(dueMs(world.state));
    expect(world.proofs).toEqual(['first', 'first', 'first']);
  });

  it('does not wait for long because the clock was set back', () => {
    const world = new World([0.5]);
    world.apply({ kind: 'start' });
    world.answer({ kind: 'failed', refused: false });
    world.nowMs -= 3_600_000;
    world.apply({ kind: 'time' });
    expect(world.state.kind).toBe('asking');
  });

  it('renews within a minute when another authority signs, also when it heard so during a renewal; not when that is taken back', () => {
    const world = new World([0.5]);
    const certificate = { notAfterMs: world.nowMs + 86_400_000, authorityId: 'a' };
    world.apply({ kind: 'start' });
    world.answer({ kind: 'signed', certificate });
    const halfLife = dueMs(world.state);
    expect(halfLife).toBe(world.nowMs + 43_200_000);
    world.apply({ kind: 'authority', authorityId: 'b' });
    expect(dueMs(world.state)).toBe(world.nowMs + 30_000);
    world.apply({ kind: 'authority', authorityId: 'a' });
    expect(dueMs(world.state)).toBe(halfLife);
    world.advanceTo(halfLife);
    world.apply({ kind: 'authority', authorityId: 'b' });
    world.answer({ kind: 'signed', certificate: { ...certificate, notAfterMs: world.nowMs + 86_400_000 } });
    expect(dueMs(world.state)).toBe(world.nowMs + 30_000);
  });
});

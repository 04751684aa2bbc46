import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Acknowledgements } from '../transport/peer-liveness.ts';
import { Silence, type SilentPeer } from './silence.ts';

const limitMs = 1_500;

/** A connection that is looked at every 100 ms, to a host that acknowledges what the kernel sends it, or does not. */
class Bench implements SilentPeer {
  nowMs = 0;
  bytes = 0;
  idleSinceMs = 0;
  /** From when on nothing is acknowledged. */
  deadMs = Infinity;
  /** What the request was was acknowledged when it was sent. */
  #lastAckMs = 0;
  readonly probed: number[] = [];
  probing = false;
  known = true;
  readonly #silence = new Silence(0);

  /** Milliseconds until the peer counts as gone; -1: it does not. */
  pass(ms: number): number {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; ) {
      this.nowMs += 100;
      // As Linux does: a probe a second after the last segment, and each second then.
      if (this.probing && this.nowMs < this.deadMs && this.nowMs - this.#lastAckMs >= 1_000)
        this.#lastAckMs = this.nowMs;
      if (this.#silence.look(this.nowMs, this.bytes, this.idleSinceMs, limitMs, this) === 'silent') return this.nowMs;
    }
    return -1;
  }

  answer(): void {
    this.bytes++;
    this.#lastAckMs = this.nowMs;
  }

  acknowledgements(): Acknowledgements | null {
    const lastMs = this.nowMs - this.#lastAckMs;
    return this.known ? { lastMs, unanswered: Math.floor(lastMs / 1_000) } : null;
  }

  probe(probing: boolean): void {
    if (probing) this.probed.push(this.nowMs);
    this.probing = probing;
  }
}

describe('Silence', () => {
  it('a host that acknowledges nothing is gone at the limit', () => {
    const bench = new Bench();
    bench.deadMs = 0;
    expect(bench.pass(10_000)).toBe(1_600);
  });

  it('a service that takes a minute on a host that is there is waited for, and asked after less and less often', () => {
    const bench = new Bench();
    expect(bench.pass(60_000)).toBe(-1);
    expect(bench.probed.length).toBeLessThan(10);
    bench.deadMs = bench.nowMs;
    // A host that dies in the middle of it is noticed at the next time.
    expect(bench.pass(60_000)).toBeGreaterThan(60_000);
  });

  it('an answer that takes half a second to come back is waited for, however long nothing was said before', () => {
    const silence = new Silence(0);
    let askedMs = Infinity;
    const peer: SilentPeer & { nowMs: number } = {
      nowMs: 0,
      probe: (probing) => {
        askedMs = probing ? peer.nowMs : Infinity;
      },
      acknowledgements: () => {
        const answered = peer.nowMs >= askedMs + 500;
        return { lastMs: answered ? peer.nowMs - askedMs - 500 : 20_000, unanswered: answered ? 0 : 1 };
      },
    };
    const verdicts = new Set<string>();
    for (peer.nowMs = 100; peer.nowMs < 60_000; peer.nowMs += 100)
      verdicts.add(silence.look(peer.nowMs, 0, 0, limitMs, peer));
    expect([...verdicts]).toEqual(['well', 'suspected']);
  });

  it('a connection on which bytes come is never asked after', () => {
    const bench = new Bench();
    for (let i = 0; i < 100; i++) {
      bench.answer();
      bench.pass(300);
    }
    expect(bench.probed).toEqual([]);
  });

  it('begins anew with the next request', () => {
    const bench = new Bench();
    bench.pass(600);
    expect(bench.probing).toBe(true);
    bench.idleSinceMs = bench.nowMs;
    bench.pass(100);
    expect(bench.probing).toBe(false);
    bench.deadMs = bench.nowMs;
    expect(bench.pass(10_000) - bench.deadMs).toBeGreaterThanOrEqual(limitMs);
  });

  it('where the system knows nothing, nobody is gone', () => {
    const bench = new Bench();
    bench.known = false;
    bench.deadMs = 0;
    expect(bench.pass(60_000)).toBe(-1);
  });

  it('whatever comes when, a host that acknowledges is not gone, and one that does not is, within 32 s of silence', () => {
    const happenings = fc.array(
      fc.record({ afterMs: fc.integer({ min: 0, max: 5_000 }), kind: fc.constantFrom('answer', 'idle', 'nothing') }),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(happenings, (happened) => {
        const bench = new Bench();
        for (const { afterMs, kind } of happened) {
          if (bench.pass(afterMs) !== -1) return false;
          if (kind === 'answer') bench.answer();
          else if (kind === 'idle') bench.idleSinceMs = bench.nowMs;
        }
        bench.deadMs = bench.nowMs;
        const foundMs = bench.pass(60_000);
        return foundMs >= bench.deadMs && foundMs <= bench.deadMs + 32_600;
      }),
    );
  });
});

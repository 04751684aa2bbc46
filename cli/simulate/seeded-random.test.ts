import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseSome, seededRandom } from './seeded-random.ts';

const draw = (count: number, random: () => number): number[] => Array.from({ length: count }, random);

describe('random numbers of a simulation', () => {
  it('are the same for the same seed and purpose, and others otherwise', () => {
    expect(draw(20, seededRandom(7, 'load'))).toEqual(draw(20, seededRandom(7, 'load')));
    expect(draw(20, seededRandom(7, 'load'))).not.toEqual(draw(20, seededRandom(8, 'load')));
    expect(draw(20, seededRandom(7, 'load'))).not.toEqual(draw(20, seededRandom(7, 'service')));
  });

  it('are spread evenly over [0, 1)', () => {
    const random = seededRandom(1, 'even');
    const counts = Array.from({ length: 10 }, () => 0);
    for (let i = 0; i < 100_000; i++) counts[Math.floor(random() * 10)]!++;
    expect(counts).toHaveLength(10);
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(400);
  });

  it('choose as many different ones as asked for', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.nat(), fc.nat(), (of, some, seed) => {
        const count = some % (of + 1);
        const chosen = chooseSome(count, of, seededRandom(seed, 'some'));
        expect(new Set(chosen).size).toBe(count);
        expect(chosen.every((at) => at >= 0 && at < of)).toBe(true);
      }),
    );
  });
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteRing } from './byte-ring.ts';

test('what is taken is what was given, in its order, whatever the sizes', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(fc.record({ push: fc.nat(30_000) }), fc.record({ shift: fc.double({ min: 0, max: 1, noNaN: true }) })),
      ),
      (steps) => {
        const ring = new ByteRing();
        let model = Buffer.alloc(0);
        let next = 0;
        for (const step of steps)
          if ('push' in step) {
            const bytes = Buffer.from(Uint8Array.from({ length: step.push }, () => next++));
            ring.push(bytes);
            model = Buffer.concat([model, bytes]);
          } else {
            const length = Math.floor(step.shift * ring.length);
            const pieces = ring.shift(length);
            expect(pieces.length).toBeLessThanOrEqual(2);
            expect(Buffer.concat(pieces).equals(model.subarray(0, length))).toBe(true);
            model = model.subarray(length);
          }
        expect(ring.length).toBe(model.length);
        expect(Buffer.concat(ring.shift(ring.length)).equals(model)).toBe(true);
      },
    ),
    { numRuns: 200 },
  );
});

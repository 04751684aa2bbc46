import { expect, test } from 'vitest';
import { growingPauseMs } from './growing-pause.ts';

test('doubles up to its bound, and by chance is between half of that and all of it', () => {
  const pauses = (chance: number): number[] =>
    [0, 1, 2, 3, 400].map((failures) => growingPauseMs(failures, 500, 5_000, () => chance));
  expect(pauses(1)).toEqual([500, 1_000, 2_000, 4_000, 5_000]);
  expect(pauses(0)).toEqual([250, 500, 1_000, 2_000, 2_500]);
});

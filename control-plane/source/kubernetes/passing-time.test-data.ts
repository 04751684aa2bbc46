/** Time in tests of what the leader does: passes in leaps, and between them what was asked is answered. */
import type { LeapingClock } from '../leaping-clock.test-data.ts';

const answers = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export async function passTime(clock: LeapingClock, ms = 200): Promise<void> {
  for (let step = 0; step < 4; step++) {
    await answers();
    clock.leap(ms / 4);
  }
  await answers();
}

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WheelTimer } from '../../sidecar/runtime/timer-wheel.ts';
import { VirtualTime } from './virtual-time.ts';

describe('virtual time', () => {
  it('lets things happen in the order of their moments, and those of one moment in the order in which they were planned', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 200 }), (delays) => {
        const time = new VirtualTime();
        const seen: Array<readonly [number, number]> = [];
        for (const [at, delay] of delays.entries()) time.after(delay, { onDue: () => seen.push([time.elapsedMs, at]) });
        time.runUntil(50);
        const wanted = delays.map((delay, at) => [delay, at] as const).toSorted((a, b) => a[0] - b[0] || a[1] - b[1]);
        expect(seen).toEqual(wanted);
      }),
    );
  });

  it('stands still between the things that are due, and ends at the moment that was asked for', () => {
    const time = new VirtualTime();
    const seen: number[] = [];
    const again = {
      onDue: () => {
        seen.push(time.elapsedMs);
        if (seen.length < 3) time.after(10, again);
      },
    };
    time.after(5, again);
    time.runUntil(20);
    expect(seen).toEqual([5, 15]);
    expect(time.elapsedMs).toBe(20);
    time.runUntil(30);
    expect(seen).toEqual([5, 15, 25]);
  });

  it("drives the sidecar's timer wheel: never early, two ticks late at most", () => {
    const time = new VirtualTime();
    const fired: number[] = [];
    const timers = [3, 100, 9000, 40_000].map((delayMs) => {
      const timer = new WheelTimer({ onTimer: () => fired.push(time.elapsedMs - delayMs) });
      time.wheel.arm(timer, delayMs);
      return timer;
    });
    time.wheel.disarm(timers[1]!);
    time.runUntil(60_000);
    expect(fired).toHaveLength(3);
    for (const late of fired) {
      expect(late).toBeGreaterThanOrEqual(0);
      expect(late).toBeLessThanOrEqual(16);
    }
  });
});

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type TimerTarget, TimerWheel, tickMs, WheelTimer } from './timer-wheel.ts';

/** A clock that stands still, and a system timer that is started by hand. */
class Bench {
  now = 1_000_003;
  wakeAt: number | null = null;
  started = 0;
  readonly wheel = new TimerWheel({ nowMs: () => this.now, wallMs: () => 0 }, (callback, delayMs) => {
    const at = this.now + delayMs;
    this.started++;
    this.wakeAt = at;
    this.#callback = callback;
    return () => {
      if (this.wakeAt === at) this.wakeAt = null;
    };
  });
  #callback: () => void = () => {};

  /** Lets time go by, waking the wheel whenever its system timer would. */
  pass(ms: number): void {
    const end = this.now + ms;
    while (this.wakeAt !== null && this.wakeAt <= end) {
      this.now = this.wakeAt;
      this.wakeAt = null;
      this.#callback();
    }
    this.now = end;
  }
}

class Recorder implements TimerTarget {
  readonly fired: number[] = [];
  readonly timer = new WheelTimer(this);
  readonly #bench: Bench;
  readonly #then: (timer: WheelTimer) => void;

  constructor(bench: Bench, then: (timer: WheelTimer) => void = () => {}) {
    this.#bench = bench;
    this.#then = then;
  }

  onTimer(timer: WheelTimer): void {
    this.fired.push(this.#bench.now);
    this.#then(timer);
  }
}

describe('TimerWheel', () => {
  it('fires once, not early, and at most two ticks late', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 40_000 }), { minLength: 1, maxLength: 40, size: 'max' }),
        fc.integer({ min: 0, max: 50 }),
        (delays, gap) => {
          const bench = new Bench();
          const armedAt: number[] = [];
          const recorders = delays.map((delay) => {
            const recorder = new Recorder(bench);
            armedAt.push(bench.now);
            bench.wheel.arm(recorder.timer, delay);
            bench.pass(gap);
            return recorder;
          });
          bench.pass(60_000);
          for (const [i, { fired, timer }] of recorders.entries()) {
            expect(fired).toHaveLength(1);
            expect(timer.armed).toBe(false);
            expect(fired[0]! - armedAt[i]!).toBeGreaterThanOrEqual(delays[i]!);
            expect(fired[0]! - armedAt[i]! - delays[i]!).toBeLessThanOrEqual(2 * tickMs);
          }
          expect(bench.wheel.armedCount).toBe(0);
          expect(bench.wakeAt).toBeNull();
        },
      ),
      { numRuns: 60 },
    );
  });

  it('never fires a timer that was disarmed, also from the callback of another one due in the same tick', () => {
    const bench = new Bench();
    const victims = [new Recorder(bench), new Recorder(bench)];
    const killer = new Recorder(bench, () => victims.forEach(({ timer }) => bench.wheel.disarm(timer)));
    bench.wheel.arm(victims[0]!.timer, 100);
    bench.wheel.arm(killer.timer, 100);
    bench.wheel.arm(victims[1]!.timer, 100);
    bench.pass(200);
    expect(killer.fired).toHaveLength(1);
    // Those in front of the killer in its list may have fired before; none fires after.
    expect(victims[0]!.fired.length + victims[1]!.fired.length).toBeLessThanOrEqual(1);
    expect(bench.wheel.armedCount).toBe(0);
  });

  it('takes the newest arming of a timer that is armed again', () => {
    const bench = new Bench();
    const recorder = new Recorder(bench);
    bench.wheel.arm(recorder.timer, 50);
    bench.pass(40);
    bench.wheel.arm(recorder.timer, 500);
    bench.pass(400);
    expect(recorder.fired).toEqual([]);
    bench.pass(200);
    expect(recorder.fired).toHaveLength(1);
  });

  it('lets a callback arm its own timer again without firing it in the same pass', () => {
    const bench = new Bench();
    const recorder = new Recorder(bench, (timer) => bench.wheel.arm(timer, 0));
    bench.wheel.arm(recorder.timer, 0);
    bench.pass(100);
    expect(recorder.fired.length).toBeGreaterThan(3);
    expect(recorder.fired.length).toBeLessThanOrEqual(Math.ceil(100 / tickMs) + 1);
  });

  it('catches up after the process stood still for longer than a round of the wheel', () => {
    const bench = new Bench();
    const recorders = [1, 5_000, 9_000, 30_000].map((delay) => {
      const recorder = new Recorder(bench);
      bench.wheel.arm(recorder.timer, delay);
      return recorder;
    });
    bench.now += 100_000;
    bench.wheel.advance();
    expect(recorders.map(({ fired }) => fired.length)).toEqual([1, 1, 1, 1]);
  });

  it('starts no system timer per arming while an earlier one is due anyway', () => {
    const bench = new Bench();
    const early = new Recorder(bench);
    bench.wheel.arm(early.timer, 1_000);
    const before = bench.started;
    const request = new Recorder(bench);
    for (let i = 0; i < 1_000; i++) {
      bench.wheel.arm(request.timer, 15_000);
      bench.wheel.disarm(request.timer);
    }
    expect(bench.started).toBe(before);
  });

  it('goes on after a callback threw', () => {
    const bench = new Bench();
    const after = [new Recorder(bench), new Recorder(bench), new Recorder(bench)];
    const thrower = new Recorder(bench, () => {
      throw new Error('callback failed');
    });
    bench.wheel.arm(after[0]!.timer, 100);
    bench.wheel.arm(thrower.timer, 100);
    bench.wheel.arm(after[1]!.timer, 100);
    bench.wheel.arm(after[2]!.timer, 300);
    expect(() => bench.pass(200)).toThrow('callback failed');
    bench.pass(300);
    expect(after.map(({ fired }) => fired.length)).toEqual([1, 1, 1]);
    expect(bench.wheel.armedCount).toBe(0);
  });
});

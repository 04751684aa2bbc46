import { describe, expect, it } from 'vitest';
import { IdleLearning } from './idle-learning.ts';

describe('IdleLearning', () => {
  it('knows nothing at first', () => {
    expect(new IdleLearning().limitMs(0)).toBe(Infinity);
  });

  it('takes a Keep-Alive hint with a margin, and the newest one', () => {
    const learning = new IdleLearning();
    learning.onHint(5_000);
    expect(learning.limitMs(0)).toBe(4_500);
    learning.onHint(1_000);
    expect(learning.limitMs(0)).toBe(750);
    learning.onHint(60_000);
    expect(learning.limitMs(0)).toBe(54_000);
  });

  it('learns from two closes at the same age, not from one', () => {
    const learning = new IdleLearning();
    learning.onClose(5_000, 10_000);
    expect(learning.limitMs(10_000)).toBe(Infinity);
    learning.onClose(5_020, 20_000);
    expect(learning.limitMs(20_000)).toBe(4_500);
  });

  it('does not take a restart for an idle timeout: everything closes at one moment', () => {
    const learning = new IdleLearning();
    for (let i = 0; i < 10; i++) learning.onClose(3_000 + i, 50_000 + i);
    expect(learning.limitMs(50_100)).toBe(Infinity);
  });

  it('does not learn from closes at different ages, or right after a response', () => {
    const learning = new IdleLearning();
    learning.onClose(2_000, 10_000);
    learning.onClose(9_000, 30_000);
    learning.onClose(40, 40_000);
    learning.onClose(41, 50_000);
    expect(learning.limitMs(50_000)).toBe(Infinity);
  });

  it('forgets after a quarter of an hour, and learns again from one more close', () => {
    const learning = new IdleLearning();
    learning.onClose(5_000, 10_000);
    learning.onClose(5_000, 20_000);
    expect(learning.limitMs(20_000 + 16 * 60_000)).toBe(Infinity);
    learning.onClose(5_000, 20_000 + 17 * 60_000);
    expect(learning.limitMs(20_000 + 17 * 60_000)).toBe(4_500);
  });
});

import { describe, expect, it } from 'vitest';
import { parseDuration } from './parse-duration.ts';

describe('a duration of a flag', () => {
  it.each([
    ['2s', 2_000],
    ['90m', 5_400_000],
    ['1h30m', 5_400_000],
    ['7d', 604_800_000],
  ])('%s', (text, ms) => {
    expect(parseDuration('--x', text, 1_000, 86_400_000 * 30)).toBe(ms);
  });

  it.each(['', '5', '1.5h', '-1s', '2 s', '2sec', '1h x'])('is refused: %j', (text) => {
    expect(() => parseDuration('--x', text, 0, 1e12)).toThrow('is not a duration; write it as');
  });

  it('says its limits', () => {
    expect(() => parseDuration('--x', '1s', 2_000, 86_400_000 * 30)).toThrow('--x: 1s is not from 2s to 30d');
    expect(() => parseDuration('--x', '1ms', 1_000, 3_600_000)).toThrow(
      '--x: "1ms" is not a duration; write it as 30s, 90m or 24h, from 1s to 1h',
    );
  });
});

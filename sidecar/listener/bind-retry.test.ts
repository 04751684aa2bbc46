import { expect, test } from 'vitest';
import { ManualTime } from '../connection-manager/test/manual-time.ts';
import { BindRetry } from './bind-retry.ts';
import { configurationFault } from './bound-socket.ts';

const taken = [{ code: 'EADDRINUSE' }];

function bench(): { readonly time: ManualTime; readonly retry: BindRetry; readonly attempts: () => number } {
  const time = new ManualTime();
  let attempts = 0;
  const retry = new BindRetry(
    time.wheel,
    () => 1,
    () => attempts++,
  );
  return { time, retry, attempts: () => attempts };
}

test('tries again later from one failure to the next, 15 s at most, until nothing fails', () => {
  const { time, retry, attempts } = bench();
  retry.attempted(taken);
  for (const delayMs of [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]) {
    const before = attempts();
    time.advance(delayMs - 20);
    expect(attempts()).toBe(before);
    time.advance(40);
    expect(attempts()).toBe(before + 1);
    retry.attempted(taken);
  }
  retry.attempted([]);
  expect(time.wheel.armedCount).toBe(0);
  retry.attempted(taken);
  time.advance(520);
  expect(attempts()).toBe(8);
});

test('an attempt of somebody else does not put the next one off', () => {
  const { time, retry, attempts } = bench();
  retry.attempted(taken);
  for (let i = 0; i < 4; i++) {
    time.advance(130);
    retry.attempted(taken);
  }
  expect(attempts()).toBe(1);
});

test('does not try again what its configuration makes impossible, nor after it was closed', () => {
  const { time, retry } = bench();
  retry.attempted([{ code: configurationFault }]);
  expect(time.wheel.armedCount).toBe(0);
  retry.attempted(taken);
  retry.close();
  retry.attempted(taken);
  expect(time.wheel.armedCount).toBe(0);
});

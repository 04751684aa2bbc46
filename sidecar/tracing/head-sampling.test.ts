import { expect, test } from 'vitest';
import { HeadSampling } from './head-sampling.ts';
import { noTrace } from './trace-context.ts';

const all = { clientSampling: 10_000, randomSampling: 10_000, overallSampling: 10_000 };
const none = { clientSampling: 0, randomSampling: 0, overallSampling: 10_000 };
const plain = { ...noTrace, client: false, forced: false };

function sampling(ratePerSecond = 0, random = 0.5): HeadSampling {
  return new HeadSampling(ratePerSecond, () => random);
}

test("a parent's decision is kept, whatever the shares say", () => {
  expect(sampling().chooses({ ...plain, sampled: true }, true, none, 0)).toBe(true);
  expect(sampling().chooses({ ...plain, sampled: false }, true, all, 0)).toBe(false);
  expect(sampling().chooses({ ...plain, sampled: true }, true, { ...all, overallSampling: 0 }, 0)).toBe(true);
});

test('shares are of 10 000 (Envoy), of random numbers from 0 to 1', () => {
  const shares = { ...all, randomSampling: 5_000 };
  expect(sampling(0, 0.4999).chooses(plain, true, shares, 0)).toBe(true);
  expect(sampling(0, 0.5).chooses(plain, true, shares, 0)).toBe(false);
  expect(sampling(0, 0).chooses(plain, true, { ...all, randomSampling: 0 }, 0)).toBe(false);
  expect(sampling(0, 0.9999).chooses(plain, true, all, 0)).toBe(true);
});

test('x-envoy-force-trace and B3 debug of trusted callers trace in any case but overall_sampling; of others they are nothing', () => {
  for (const wish of [{ forced: true }, { debug: true, sampled: true }, { forced: true, sampled: false }] as const) {
    expect(sampling().chooses({ ...plain, ...wish }, true, none, 0)).toBe(true);
    expect(sampling().chooses({ ...plain, ...wish }, true, { ...all, overallSampling: 0 }, 0)).toBe(false);
  }
  expect(sampling().chooses({ ...plain, forced: true }, false, none, 0)).toBe(false);
  expect(sampling().chooses({ ...plain, forced: true, sampled: false }, false, all, 0)).toBe(false);
});

test('x-client-trace-id of trusted callers counts by client_sampling, and else as all others', () => {
  expect(sampling().chooses({ ...plain, client: true }, true, { ...none, clientSampling: 10_000 }, 0)).toBe(true);
  expect(sampling().chooses({ ...plain, client: true }, true, { ...all, clientSampling: 0 }, 0)).toBe(true);
  expect(sampling().chooses({ ...plain, client: true }, true, none, 0)).toBe(false);
  expect(sampling().chooses({ ...plain, client: true }, false, { ...none, clientSampling: 10_000 }, 0)).toBe(false);
});

test('so many in a second, of requests without a decision and of what strangers decided', () => {
  const limited = sampling(10);
  let chosen = 0;
  for (let ms = 0; ms < 5_000; ms++) if (limited.chooses(plain, true, all, ms)) chosen++;
  expect(chosen).toBeGreaterThanOrEqual(50);
  expect(chosen).toBeLessThanOrEqual(60);
  while (limited.chooses(plain, true, all, 5_000));
  expect(limited.chooses({ ...plain, sampled: true }, false, all, 5_000)).toBe(false);
  expect(limited.chooses({ ...plain, sampled: true }, true, all, 5_000)).toBe(true);
  expect(limited.chooses({ ...plain, forced: true }, true, all, 5_000)).toBe(true);
});

import { beforeEach, describe, expect, it } from 'vitest';
import { serviceAccountId } from '../../certs/spiffe/spiffe-id.ts';
import { SigningRate } from './signing-rate.ts';

const orders = serviceAccountId('td', 'shop', 'orders');
const admin = serviceAccountId('td', 'shop', 'admin');
const dayMs = 24 * 3_600_000;

let nowMs = 0;
beforeEach(() => {
  nowMs = 1_000_000;
});

/** How often it is let through, out of so many times. */
function through(times: number, take: (index: number) => void): number {
  let count = 0;
  for (let index = 0; index < times; index++) {
    try {
      take(index);
      count++;
    } catch (error) {
      expect(error).toMatchObject({ name: 'IdentityFault', reason: 'exhausted' });
    }
  }
  return count;
}

describe('SigningRate', () => {
  it('lets one proxy sign 20 times at once and six times a minute, and others of its identity meanwhile', () => {
    const rate = new SigningRate(() => nowMs, dayMs);
    expect(through(100, () => rate.take(orders, 'a'))).toBe(20);
    expect(through(100, () => rate.take(orders, 'b'))).toBe(20);
    nowMs += 60_000;
    expect(through(100, () => rate.take(orders, 'a'))).toBe(6);
  });

  it('lets an identity sign as often as all its replicas need when they renew at once, and others meanwhile', () => {
    const rate = new SigningRate(() => nowMs, dayMs);
    expect(through(5_000, (index) => rate.take(orders, `${index}`))).toBe(2_048);
    expect(through(1, () => rate.take(admin, 'a'))).toBe(1);
    nowMs += 60_000;
    expect(through(5_000, () => rate.take(orders, null))).toBe(1_024);
  });

  it('lets a proxy with certificates of two seconds renew every second', () => {
    const rate = new SigningRate(() => nowMs, 2_000);
    for (let seconds = 0; seconds < 600; seconds++) {
      rate.take(orders, 'a');
      nowMs += 1_000;
    }
  });

  it('locks nobody out when the clock is set back', () => {
    const rate = new SigningRate(() => nowMs, dayMs);
    rate.take(orders, 'a');
    nowMs -= 900_000;
    expect(through(100, () => rate.take(orders, 'a'))).toBe(20);
  });
});

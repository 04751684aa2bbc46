import { expect, test } from 'vitest';
import { remakeAfterMs } from './connection-life.ts';

const hourMs = 3_600_000;

test.each([0, 0.5, 0.999])(
  'the client makes a new connection before the server asks for one, and both before the end (random %d)',
  (random) => {
    const client = remakeAfterMs('client', 24 * hourMs, () => random);
    const server = remakeAfterMs('server', 24 * hourMs, () => random);
    expect(client).toBeGreaterThanOrEqual(12 * hourMs);
    expect(client).toBeLessThanOrEqual(18 * hourMs);
    expect(server).toBeGreaterThan(18 * hourMs);
    expect(server).toBeLessThan(24 * hourMs);
  },
);

test('connections that were made together do not end together', () => {
  expect(remakeAfterMs('client', hourMs, () => 0)).not.toBe(remakeAfterMs('client', hourMs, () => 0.9));
});

test('a certificate that has ended, or that is about to, does not make connections without end', () => {
  expect(remakeAfterMs('client', 10, () => 0)).toBe(100);
  expect(remakeAfterMs('server', -5, () => 0)).toBe(100);
});

test('what never ends has no successor', () => {
  expect(remakeAfterMs('client', Infinity, () => 0)).toBe(Infinity);
});

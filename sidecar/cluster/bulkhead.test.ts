import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RetryBudgetConfig } from '../config/cluster-config.ts';
import { Bulkhead, type BulkheadStats } from './bulkhead.ts';

function bulkhead(retryBudget?: RetryBudgetConfig): {
  bulkhead: Bulkhead;
  overflow: { value: number };
  open: { value: number };
} {
  const counter = () => ({ value: 0 }) as BulkheadStats['retryOverflow'];
  const retryOverflow = counter();
  const retriesOpen = counter();
  const stats: BulkheadStats = {
    connectionsOpen: counter() as unknown as BulkheadStats['connectionsOpen'],
    pendingOpen: counter() as unknown as BulkheadStats['pendingOpen'],
    requestsOpen: counter() as unknown as BulkheadStats['requestsOpen'],
    retriesOpen: retriesOpen as unknown as BulkheadStats['retriesOpen'],
    connectionOverflow: counter(),
    pendingOverflow: counter(),
    retryOverflow,
  };
  const limits = {
    maxConnections: 1024,
    maxPendingRequests: 1024,
    maxRequests: 1024,
    maxRetries: 3,
    ...(retryBudget === undefined ? {} : { retryBudget }),
  };
  return { bulkhead: new Bulkhead(limits, stats), overflow: retryOverflow, open: retriesOpen };
}

test('ten repeats at a time are always allowed, more of them for a fifth of the active requests', () => {
  const few = bulkhead();
  for (let i = 0; i < 10; i++) expect(few.bulkhead.tryRepeat()).toBe(true);
  expect(few.bulkhead.tryRepeat()).toBe(false);
  expect(few.overflow.value).toBe(1);
  few.bulkhead.endRepeat();
  expect(few.bulkhead.tryRepeat()).toBe(true);
  const many = bulkhead();
  for (let i = 0; i < 100; i++) many.bulkhead.requests.take();
  for (let i = 0; i < 20; i++) expect(many.bulkhead.tryRepeat()).toBe(true);
  expect(many.bulkhead.tryRepeat()).toBe(false);
});

test('a retry budget is a share of what is active or waits, and a number that is always allowed (Envoy)', () => {
  const { bulkhead: limits, overflow, open } = bulkhead({ percent: 20, minRetries: 3 });
  for (let i = 0; i < 3; i++) expect(limits.tryRetry()).toBe(true);
  expect(open.value).toBe(1);
  expect(limits.tryRetry()).toBe(false);
  expect(overflow.value).toBe(1);
  for (let i = 0; i < 15; i++) limits.requests.take();
  for (let i = 0; i < 9; i++) limits.pending.take();
  // 20 % of 24 are 4.8: four.
  expect(limits.tryRetry()).toBe(true);
  expect(limits.tryRetry()).toBe(false);
  limits.pending.take();
  expect(limits.tryRetry()).toBe(true);
  limits.endRetry();
  expect(open.value).toBe(0);
});

test('without a budget max_retries counts (Envoy: 3)', () => {
  const { bulkhead: limits, open } = bulkhead();
  for (let i = 0; i < 100; i++) limits.requests.take();
  for (let i = 0; i < 3; i++) expect(limits.tryRetry()).toBe(true);
  expect(open.value).toBe(1);
  expect(limits.tryRetry()).toBe(false);
  limits.endRetry();
  expect(open.value).toBe(0);
  expect(limits.tryRetry()).toBe(true);
});

test('whatever comes and goes, a retry begins only while there are fewer than the budget gives', () => {
  const step = fc.constantFrom('request', 'request', 'end-request', 'retry', 'retry', 'end-retry');
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 100 }),
      fc.nat(5),
      fc.array(step, { maxLength: 200 }),
      (percent, minRetries, steps) => {
        const { bulkhead: limits } = bulkhead({ percent, minRetries });
        let requests = 0;
        let retries = 0;
        for (const next of steps) {
          if (next === 'request') {
            limits.requests.take();
            requests++;
          } else if (next === 'end-request' && requests > 0) {
            limits.requests.giveBack();
            requests--;
          } else if (next === 'retry') {
            const most = Math.max(minRetries, Math.floor((percent / 100) * requests));
            expect(limits.tryRetry()).toBe(retries < most);
            if (retries < most) retries++;
          } else if (next === 'end-retry' && retries > 0) {
            limits.endRetry();
            retries--;
          }
        }
        expect(limits.retries.taken).toBe(retries);
      },
    ),
  );
});

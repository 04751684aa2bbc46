import { expect, test } from 'vitest';
import { Bulkhead, type BulkheadStats } from './bulkhead.ts';

function bulkhead(): { bulkhead: Bulkhead; overflow: { value: number } } {
  const counter = () => ({ value: 0 }) as BulkheadStats['retryOverflow'];
  const retryOverflow = counter();
  const stats: BulkheadStats = {
    connectionsOpen: counter() as unknown as BulkheadStats['connectionsOpen'],
    pendingOpen: counter() as unknown as BulkheadStats['pendingOpen'],
    requestsOpen: counter() as unknown as BulkheadStats['requestsOpen'],
    retriesOpen: counter() as unknown as BulkheadStats['retriesOpen'],
    connectionOverflow: counter(),
    pendingOverflow: counter(),
    retryOverflow,
  };
  const limits = { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3 };
  return { bulkhead: new Bulkhead(limits, stats), overflow: retryOverflow };
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

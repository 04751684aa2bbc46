import { describe } from 'vitest';
import { MemoryCounters } from './counter-store.ts';
import { counterStoreContract } from './counter-store-contract.test-data.ts';

describe('counters in memory', () => {
  counterStoreContract((maxCounters) => Promise.resolve(new MemoryCounters(maxCounters)));
});

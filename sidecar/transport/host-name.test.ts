import { expect, test } from 'vitest';
import { isHostName, lookUpHost } from './host-name.ts';

test('names are told from addresses that are none, and from what is neither', () => {
  for (const name of ['plane', 'control-plane.outrigger.svc.cluster.local', 'a_b.example', 'x.y.', '1.example'])
    expect([name, isHostName(name)]).toEqual([name, true]);
  for (const text of ['', '.', 'a..b', '-a', 'a-', '10.0.0.300', '1', 'a/b', 'a b', `${'a'.repeat(64)}.x`, 'ä'])
    expect([text, isHostName(text)]).toEqual([text, false]);
});

test('the real look-up finds this machine', async () => {
  const address = await new Promise((resolve) => lookUpHost('localhost', {}, (_error, found) => resolve(found)));
  expect(address).toBe('127.0.0.1');
});

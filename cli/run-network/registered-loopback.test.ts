import { expect, it } from 'vitest';
import { LoopbackInstances } from './registered-loopback.ts';

const instance = (service: string, instanceId: string, address: string, port = 1) => ({
  ...{ namespace: 'shop', service, instanceId, address, port },
});

it('knows what is registered at a loopback address, and nothing of the run’s own service, which its sidecar could have registered', () => {
  const known = new LoopbackInstances('shop/web');
  const apply = (
    full: boolean,
    instances: Array<ReturnType<typeof instance>>,
    removed: typeof instances = [],
  ): string[] => {
    known.apply({ full, instances, removed });
    return [...known.addresses().keys()];
  };
  const orders = instance('orders', 'a', '127.0.0.1', 4001);
  expect(apply(true, [orders, instance('web', 'b', '127.0.0.1', 22), instance('far', 'c', '10.0.0.1')])).toEqual([
    '127.0.0.1:4001',
  ]);
  expect(apply(false, [{ ...orders, port: 4002 }, instance('six', 'd', '::1', 5)])).toEqual([
    '127.0.0.1:4002',
    '::1:5',
  ]);
  expect(apply(false, [], [orders])).toEqual(['::1:5']);
  expect(apply(true, [])).toEqual([]);
});

import { expect, test } from 'vitest';
import type { ServiceModel } from '../model/model.ts';
import { registrationWarning } from './registration-warning.ts';

const service = (namespace: string, name: string, ...endpoints: Array<readonly [address: string, port: number]>) =>
  [
    `${namespace}/${name}`,
    {
      namespace,
      name,
      ports: [{ endpoints: { endpoints: endpoints.map(([address, port]) => ({ address, port })) } }],
    } as unknown as ServiceModel,
  ] as const;

const services = new Map([
  service('shop', 'orders', ['10.0.0.1', 15006]),
  service('shop', 'payments-v1', ['10.0.0.2', 15006]),
  service('shop', 'picky'),
]);

const at = (name: string, address: string) => ({ namespace: 'shop', service: name, address, port: 15006 });

test.each([
  ['orders', '10.0.0.1', ''],
  // Picked by another service's selector.
  ['payments', '10.0.0.2', ''],
  ['ordes', '10.0.0.3', 'there is no service shop/ordes; did you mean shop/orders? Nobody is sent to this instance'],
  ['nothing-alike', '10.0.0.3', 'there is no service shop/nothing-alike: nobody is sent to this instance'],
  [
    'picky',
    '10.0.0.3',
    'service shop/picky does not pick this instance (its selector, or its ports): nobody is sent there',
  ],
])('of an instance of %s at %s', (name, address, warning) => {
  expect(registrationWarning({ services }, at(name, address))).toBe(warning);
});

test('an instance that is found at the ports of Services is looked for by its address', () => {
  const intercepted = { ...at('orders', '10.0.0.1'), port: 0, byTargetPort: true };
  expect(registrationWarning({ services }, intercepted)).toBe('');
  expect(registrationWarning({ services }, { ...intercepted, address: '10.0.0.9' })).toMatch(/does not pick/);
});

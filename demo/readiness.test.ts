import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { accepts, knowsInstances, until } from './readiness.ts';
import { shop } from './shop.ts';

const clusters = (hosts: Readonly<Record<string, readonly string[]>>): string =>
  Object.entries(hosts)
    .flatMap(([name, flags]) => [
      `outbound|80||${name}::added_via_api::true`,
      ...flags.map((flag, i) => `outbound|80||${name}::127.0.0.1:${30_000 + i}::health_flags::${flag}`),
    ])
    .join('\n');

const all = {
  'storefront.shop': ['healthy'],
  'orders.shop': ['healthy'],
  'payments.shop': ['healthy', 'healthy', 'healthy'],
  'inventory.shop': ['healthy'],
};

test('a sidecar is ready for load when it knows a healthy host for every instance of the shop', () => {
  expect(knowsInstances(clusters(all), shop)).toBe(true);
  expect(knowsInstances(clusters({ ...all, 'payments.shop': ['healthy', 'healthy'] }), shop)).toBe(false);
  expect(knowsInstances(clusters({ ...all, 'inventory.shop': [] }), shop)).toBe(false);
  expect(knowsInstances(clusters({ ...all, 'inventory.shop': ['/failed_eds_health'] }), shop)).toBe(false);
  expect(knowsInstances('', shop)).toBe(false);
});

test('a port is taken when somebody listens there', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  expect(await accepts(port)).toBe(true);
  await new Promise((resolve) => server.close(resolve));
  expect(await accepts(port)).toBe(false);
});

test('waiting ends when it is so, or says what did not happen in time', async () => {
  let looks = 0;
  await until(() => Promise.resolve(++looks === 2), 'it did not come', 10_000);
  expect(looks).toBe(2);
  await expect(until(() => Promise.resolve(false), 'it did not come', 0)).rejects.toThrow('it did not come within 0 s');
});

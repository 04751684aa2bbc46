import { expect, test } from 'vitest';
import { serviceFindings } from './service-checks.ts';

type Row = Parameters<typeof serviceFindings>[0]['services'][number];

const row = (
  name: string,
  endpoints: number,
  healthyEndpoints: number,
  ports: readonly string[] = ['80/http'],
): Row => ({
  ...{ namespace: 'shop', name, endpoints, healthyEndpoints, ports },
});

const found = (...services: Row[]) => serviceFindings({ services }).map(({ level, text }) => `${level}: ${text}`);

test('a Service without an instance is told, and one of whose instances none is healthy', () => {
  expect(found(row('orders', 2, 1), row('inventory', 0, 0), row('payments', 2, 0))).toEqual([
    'warning: 1 Service has no instance (shop/inventory): calls are answered 503 (UH)',
    'warning: 1 Service has instances of which none is healthy (shop/payments)',
  ]);
});

test('one without ports has none to have', () => {
  expect(found(row('names', 0, 0, []))).toEqual(['ok: there are none']);
  expect(found(row('orders', 1, 1), row('names', 0, 0, []))).toEqual([
    'ok: 1 has at least one instance that is healthy',
  ]);
});

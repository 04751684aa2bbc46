import { expect, test } from 'vitest';
import { nameDoubt } from './name-doubt.ts';

const mesh = { services: ['shop/orders', 'shop/payments', 'office/payments'], connected: ['shop/orders'] };

test.each([
  ['', ''],
  ['shop/orders', ''],
  // What metrics say of callers without a certificate, and of connections that no service has.
  ['unknown', ''],
  ['outbound|passthrough||', ''],
  ['shop/nobody', 'no sidecar of shop/nobody is connected, and no such service is known'],
  ['shop/odrers', 'no sidecar of shop/odrers is connected, and no such service is known; did you mean shop/orders?'],
  [
    'shop/payments',
    "no sidecar of shop/payments is connected: there is only what the other side's sidecars tell of its requests",
  ],
  ['odrers', 'no service is called odrers; did you mean shop/orders?'],
  [
    'payments',
    'services of several namespaces are called payments: office/payments, shop/payments; name one of them in full',
  ],
  ['nobody', 'no service is called nobody; to wait for it, name it in full, as NAMESPACE/nobody'],
])('of %j it says %j', (name, doubt) => {
  expect(nameDoubt(name, mesh)).toBe(doubt);
});

test('who is connected is known, whether a Service is configured or not', () => {
  expect(nameDoubt('shop/job', { services: [], connected: ['shop/job'] })).toBe('');
});

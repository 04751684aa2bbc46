import { expect, test } from 'vitest';
import { bindFaultLine } from './bind-fault-line.ts';

const fault = (listener: string) => ({
  listener,
  address: '127.0.0.1:9080',
  code: 'EADDRINUSE',
  why: 'the port is taken by pid 7 (node)',
  message: `cannot listen on 127.0.0.1:9080 (listener "${listener}"): the port is taken by pid 7 (node); stop it`,
});
const upstreams = [{ namespace: 'shop', name: 'orders', port: 80, localPort: 9080 }];

test.each([
  [
    'inbound',
    'cannot listen on 127.0.0.1:9080: the port is taken by pid 7 (node); choose another with --inbound-listen',
  ],
  [
    'outbound',
    'cannot listen on 127.0.0.1:9080: the port is taken by pid 7 (node); choose another with --outbound-listen',
  ],
  [
    'outbound|80||orders.shop',
    'cannot listen on 127.0.0.1:9080 for --upstream shop/orders:80: the port is taken by pid 7 (node); choose another, or none to take a free one',
  ],
  ['other', 'cannot listen on 127.0.0.1:9080 (listener "other"): the port is taken by pid 7 (node); stop it'],
])('of %s names the flag that gives it another address', (listener, line) => {
  expect(bindFaultLine(fault(listener), upstreams)).toBe(line);
});

test('says what a transparent listener takes: another address is of no use', () => {
  const why = 'a transparent listener (TPROXY) takes a privilege';
  expect(bindFaultLine({ ...fault('inbound'), code: 'EPERM', why }, [])).toBe(
    `cannot listen on 127.0.0.1:9080: ${why}: run this sidecar with NET_ADMIN (CAP_NET_ADMIN), or with --interception redirect and rules for that`,
  );
});

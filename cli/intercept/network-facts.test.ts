import { expect, test } from 'vitest';
import { ipv6Scopes, tcpListeners } from './network-facts.ts';

test('who listens, by port, of /proc/net/tcp and tcp6', () => {
  const text = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:3A99 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1337        0 50124 1 0000000000000000 100 0 0 10 0
   1: 00000000:3A9E 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 50125 1 0000000000000000 100 0 0 10 0
   2: 0200000A:3A9E 0100000A:C350 01 00000000:00000000 00:00000000 00000000    33        0 50126 1 0000000000000000 100 0 0 10 0
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:3A9E 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 50127 1 0000000000000000 100 0 0 10 0
`;
  expect([...tcpListeners(text)]).toEqual([
    [15_001, [1337]],
    [15_006, [0, 1000]],
  ]);
});

test('scopes of addresses of IPv6, of /proc/net/if_inet6', () => {
  const text = `fe8000000000000000fc00fffe000001 04 40 20 80     eth0
fd000000000000000000000000000002 04 40 00 82     eth0
00000000000000000000000000000001 01 80 10 80       lo
`;
  expect(ipv6Scopes(text)).toEqual(['20', '00', '10']);
});

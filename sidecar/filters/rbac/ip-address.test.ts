import { BlockList } from 'node:net';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AddressRange, endpointText, parseEndpoint, parseIpAddress } from './ip-address.ts';

it.each([
  ['10.1.2.3', '10.0.0.0', 8, true],
  ['11.1.2.3', '10.0.0.0', 8, false],
  ['10.1.2.3', '10.1.2.3', 32, true],
  ['10.1.2.4', '10.1.2.3', 32, false],
  ['255.255.255.255', '0.0.0.0', 0, true],
  ['200.0.0.1', '128.0.0.0', 1, true],
  ['::ffff:10.1.2.3', '10.0.0.0', 8, true],
  ['::ffff:0a01:0203', '10.0.0.0', 8, true],
  ['10.1.2.3', '::ffff:10.0.0.0', 104, true],
  ['10.1.2.3', '::', 0, false],
  ['2001:db8::1', '2001:db8::', 32, true],
  ['2001:db9::1', '2001:db8::', 32, false],
  ['2001:DB8:0:0::1', '2001:db8::1', 128, true],
  ['fe80::1%eth0', 'fe80::', 10, true],
  ['::1', '0.0.0.0', 0, false],
])('%s in %s/%i: %s', (address, start, prefixBits, expected) => {
  expect(new AddressRange({ address: start, prefixBits }).contains(parseIpAddress(address)!)).toBe(expected);
});

it.each(['', 'localhost', '10.1.2', '10.1.2.3:80', '1.2.3.4.5', ':::', 'g::1'])('%j is no address', (text) => {
  expect(parseIpAddress(text)).toBeNull();
});

it("agrees with Node's own ranges", () => {
  const v6 = fc.ipV6();
  fc.assert(
    fc.property(
      fc.oneof(fc.tuple(fc.ipV4(), fc.ipV4(), fc.nat(32)), fc.tuple(v6, v6, fc.nat(128))),
      ([start, address, bits]) => {
        const family = start.includes(':') ? 'ipv6' : 'ipv4';
        const a = parseIpAddress(start)!;
        const b = parseIpAddress(address)!;
        // IPv4 in IPv6 form has a test of its own.
        fc.pre(a.family === b.family && a.family === (family === 'ipv6' ? 6 : 4));
        const list = new BlockList();
        list.addSubnet(start, bits, family);
        expect(new AddressRange({ address: start, prefixBits: bits }).contains(b)).toBe(list.check(address, family));
      },
    ),
  );
});

it('takes an address with its port apart', () => {
  expect(parseEndpoint('[2001:db8::1]:443')).toEqual({ address: parseIpAddress('2001:db8::1'), port: 443 });
  expect(parseEndpoint('10.0.0.1:80').port).toBe(80);
  expect(endpointText('2001:0db8:0::1', 0)).toBe('[2001:db8::1]:0');
});

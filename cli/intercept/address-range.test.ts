import { BlockList } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressIn, formatAddressRange, holdsAddress, mergeRanges, parseAddressRange } from './address-range.ts';

const ipv4 = fc.ipV4();
const ipv6 = fc.ipV6().filter((text) => !/^::ffff:/i.test(text));
const range = fc.oneof(
  fc.tuple(ipv4, fc.integer({ min: 0, max: 32 })),
  fc.tuple(ipv6, fc.integer({ min: 0, max: 128 })),
);

test.each([
  ['10.1.2.3/8', '10.0.0.0/8'],
  ['10.1.2.3', '10.1.2.3/32'],
  ['0.0.0.0/0', '0.0.0.0/0'],
  ['FD00:0:0:1::5/64', 'fd00:0:0:1::/64'],
  ['::1', '::1/128'],
  ['::6/128', '::6/128'],
])('%s is %s', (text, canonical) => {
  expect(formatAddressRange(parseAddressRange(text)!)).toBe(canonical);
});

test.each([
  '10.0.0.0/33',
  '10.0.0',
  'fd00::/129',
  'example.org',
  '',
  '10.0.0.0/',
  '::ffff:10.0.0.1',
  '010.0.0.1',
  'fe80::1%eth0',
])('%j is no range', (text) => {
  expect(parseAddressRange(text)).toBeNull();
});

test('a range holds what the system says that it holds, merged with others or alone', () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 6 }), fc.oneof(ipv4, ipv6), (texts, address) => {
      const reference = new BlockList();
      for (const [text, bits] of texts) reference.addSubnet(text, bits, text.includes(':') ? 'ipv6' : 'ipv4');
      const parsed = texts.map(([text, bits]) => parseAddressRange(`${text}/${bits}`)!);
      const expected = reference.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
      expect(holdsAddress(parsed, address)).toBe(expected);
      const merged = mergeRanges(parsed);
      expect(holdsAddress(merged, address)).toBe(expected);
      // What is merged shares nothing, and is as it is parsed again.
      expect(mergeRanges(merged)).toEqual(merged);
      expect(merged.map((each) => parseAddressRange(formatAddressRange(each)))).toEqual(merged);
    }),
  );
});

test('addresses are counted from the first of a range to its end', () => {
  expect(addressIn(parseAddressRange('10.0.255.0/24')!, 255)).toBe('10.0.255.255');
  expect(addressIn(parseAddressRange('10.0.255.0/24')!, 256)).toBeNull();
  expect(addressIn(parseAddressRange('fd00::/64')!, 0x1_0001)).toBe('fd00::1:1');
});

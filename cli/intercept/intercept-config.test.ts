import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatInterceptConfig, type InterceptFlags, parseInterceptConfig } from './intercept-config.ts';
import { markerComments, parseMarker } from './marker.ts';
import { arbitraryConfig } from './test/arbitrary-config.ts';

const faultsOf = (flags: InterceptFlags): string => {
  try {
    parseInterceptConfig(flags);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
};

test('without flags it is what the mesh has agreed on', () => {
  expect(parseInterceptConfig({})).toMatchObject({
    mode: 'redirect',
    outboundPort: 15_001,
    inboundPort: 15_006,
    dnsPort: null,
    healthPort: 15_020,
    proxyUids: [1337],
    proxyGids: [1337],
    proxyMarks: [1337],
  });
});

test('a configuration is the same from the flags that it is written as, and from what the rules say of themselves', () => {
  fc.assert(
    fc.property(arbitraryConfig, fc.constantFrom([], ['ip nat', 'ip nat OUTPUT']), (config, made) => {
      expect(parseInterceptConfig(formatInterceptConfig(config))).toEqual(config);
      expect(parseInterceptConfig(formatInterceptConfig(config, true))).toEqual(config);
      const comments = markerComments({ config, made });
      expect(parseMarker(comments)).toEqual({ config, made });
      // nftables takes 128 bytes, with the one behind the last.
      expect(Math.max(...comments.map((text) => Buffer.byteLength(text)))).toBeLessThan(128);
      expect(comments.join('')).not.toMatch(/["\\\n]/);
      expect(parseMarker(comments.slice(1))).toBeNull();
    }),
  );
});

test.each([[[]], [['outrigger 1/1 [mode=surprise]']], [['outrigger 1/1 []', 'x']], [['something else']]])(
  'comments that are no whole marker are none: %j',
  (comments) => {
    expect(parseMarker(comments)).toBeNull();
  },
);

describe('what makes no sense is refused, all of it at once, with what to do', () => {
  test.each<[InterceptFlags, RegExp]>([
    [{ 'outbound-port': '15006' }, /--inbound-port and --outbound-port are both 15006/],
    [{ 'dns-port': '15001' }, /--dns-port and --outbound-port are both 15001/],
    [{ 'proxy-uid': '0' }, /0 is root's/],
    [{ 'proxy-gid': '0' }, /--proxy-gid: 0 is root's/],
    [{ 'proxy-uid': 'none', 'proxy-gid': 'none', 'proxy-mark': 'none' }, /without end; name one/],
    [
      { 'include-outbound-ports': '80,443', 'exclude-outbound-ports': '440-450' },
      /port 443 is in --include-outbound-ports and in/,
    ],
    [
      { 'include-inbound-ranges': '10.1.0.0/16', 'exclude-inbound-ranges': '10.0.0.0/8' },
      /10\.1\.0\.0\/16 is in --include-inbound-ranges, and 10\.0\.0\.0\/8/,
    ],
    [{ 'dns-port': '15053', 'exclude-outbound-ports': '53' }, /--dns-port wants questions/],
    [{ 'include-inbound-ports': '15020' }, /as --health-port it is never intercepted/],
    [{ mode: 'tproxy', 'proxy-mark': '1339' }, /--proxy-mark has 1339/],
    [{ mode: 'tproxy', 'tproxy-table': '254' }, /table of the system's own/],
    [{ 'exclude-interfaces': 'eth0"; drop' }, /is not the name of a network interface/],
    [{ 'exclude-outbound-ranges': '10.0.0.0/40' }, /write it as 10\.0\.0\.0\/8/],
    [{ 'exclude-outbound-ports': 'http' }, /write it as 80 or 8000-8100/],
    [{ 'exclude-uids': '-1' }, /is not a whole number from 0 to/],
    [{ 'outbound-port': '70000' }, /is not a whole number from 1 to 65535/],
  ])('%j', (flags, fault) => {
    expect(faultsOf(flags)).toMatch(fault);
  });

  test('two faults, two lines', () => {
    expect(faultsOf({ mode: 'x', 'outbound-port': 'y' }).split('\n')).toHaveLength(2);
  });
});

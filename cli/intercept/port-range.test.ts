import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatPortRange, holdsPort, mergePorts, parsePortRange, sharedPorts } from './port-range.ts';

const port = fc.integer({ min: 1, max: 65_535 });
const range = fc.tuple(port, port).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) }));
const ranges = fc.array(range, { maxLength: 8 });

test.each(['0', '65536', '9-8', '80-', '-80', 'http', '', '1-2-3', ' 80'])('%j is no port', (text) => {
  expect(parsePortRange(text)).toBeNull();
});

test('merged ranges hold the same ports, lie apart, and are parsed as they are written', () => {
  fc.assert(
    fc.property(ranges, port, (some, one) => {
      const merged = mergePorts(some);
      expect(holdsPort(merged, one)).toBe(holdsPort(some, one));
      expect(merged.every(({ from }, at) => at === 0 || from > merged[at - 1]!.to + 1)).toBe(true);
      expect(merged.map((each) => parsePortRange(formatPortRange(each)))).toEqual(merged);
    }),
  );
});

test('what two share is in both', () => {
  fc.assert(
    fc.property(ranges, ranges, port, (a, b, one) => {
      expect(holdsPort(sharedPorts(a, b), one)).toBe(holdsPort(a, one) && holdsPort(b, one));
    }),
  );
});

import { expect, it } from 'vitest';
import { compileTimeFormat } from './time-format.ts';

const wallMs = Date.UTC(2026, 0, 5, 4, 7, 9) + 87.6543;

it.each([
  ['', '2026-01-05T04:07:09.087Z'],
  ['%s', '1767586029'],
  ['%s.%3f', '1767586029.087'],
  ['%s.%6f', '1767586029.087654'],
  ['%s.%9f', '1767586029.087654000'],
  ['%s.%f', '1767586029.087654000'],
  ['%Y/%m/%dT%H:%M:%S%z', '2026/01/05T04:07:09+0000'],
  ['%E3S %E*S %Ez %E4Y', '09.087 09.087654 +00:00 2026'],
  ['%a %A %b %B %e %j %y %I %p', 'Mon Monday Jan January  5 005 26 04 AM'],
  ['%F %T %D %R %u %w %Z', '2026-01-05 04:07:09 01/05/26 04:07 1 1 UTC'],
  ['100%%', '100%'],
])("writes %j as Envoy's START_TIME does", (format, text) => {
  expect(compileTimeFormat(format, 'utc')(wallMs)).toBe(text);
});

it('writes the time of the machine’s zone with its distance', () => {
  const text = compileTimeFormat('%Y-%m-%dT%H:%M:%E3S%Ez', 'local')(wallMs);
  expect(new Date(text).getTime()).toBe(Math.floor(wallMs));
});

it.each(['%Q', '%', 'x%'])('refuses %j', (format) => {
  expect(() => compileTimeFormat(format, 'utc')).toThrow('is not a time specifier that is supported');
});

it('keeps up when a second passes between two lines', () => {
  const format = compileTimeFormat('', 'utc');
  expect([format(999), format(1000), format(999)]).toEqual([
    '1970-01-01T00:00:00.999Z',
    '1970-01-01T00:00:01.000Z',
    '1970-01-01T00:00:00.999Z',
  ]);
});

import { expect, test } from 'vitest';
import { formatHostPort, parseHostPort, parseLabels, parseServiceName, parseWhole } from './host-port.ts';
import { UserError } from './user-error.ts';

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).exitCode).toBe(2);
    return (error as UserError).message;
  }
  throw new Error('it was not refused');
}

test('HOST:PORT takes names, both families and port 0, and prints as it was', () => {
  for (const text of ['127.0.0.1:15010', 'localhost:0', '[::1]:65535'])
    expect(formatHostPort(parseHostPort('--x', text))).toBe(text);
  expect(parseHostPort('--x', '[::1]:1')).toEqual({ host: '::1', port: 1 });
});

test.each(['', '127.0.0.1', ':80', '80', '127.0.0.1:65536', '127.0.0.1:-1', '::1:80', '[::1]', 'a:b', 'a:80:90'])(
  'HOST:PORT refuses %j, with the flag and how to write it',
  (text) => {
    expect(refusal(() => parseHostPort('--listen', text))).toBe(
      `--listen: ${JSON.stringify(text)} is not HOST:PORT; write it as 127.0.0.1:8080 or [::1]:8080`,
    );
  },
);

test('NAMESPACE/NAME takes labels of RFC 1123', () => {
  expect(parseServiceName('--service', 'shop/price-list2')).toEqual({ namespace: 'shop', name: 'price-list2' });
  for (const text of ['orders', 'a/b/c', 'Shop/orders', 'shop/-a', 'shop/', '/orders', `shop/${'a'.repeat(64)}`])
    expect(refusal(() => parseServiceName('--service', text))).toBe(
      `--service: ${JSON.stringify(text)} is not NAMESPACE/NAME; write it as shop/orders`,
    );
});

test('labels are K=V with commas; names of a prototype are names like others (hardening.md)', () => {
  expect({ ...parseLabels('--labels', 'version=v2,empty=,eq=a=b') }).toEqual({ version: 'v2', empty: '', eq: 'a=b' });
  expect(Object.keys(parseLabels('--labels', '__proto__=x'))).toEqual(['__proto__']);
  for (const [text, part] of [
    ['v2', 'v2'],
    ['a=b,', ''],
    ['=x', '=x'],
  ] as const)
    expect(refusal(() => parseLabels('--labels', text))).toBe(
      `--labels: ${JSON.stringify(part)} is not a label; write it as version=v2`,
    );
});

test('whole numbers are digits within their range', () => {
  expect([parseWhole('--n', '0', 0, 9), parseWhole('--n', '9', 0, 9)]).toEqual([0, 9]);
  for (const text of ['', '-1', '10', '1.5', '1e0', ' 1', 'x'])
    expect(refusal(() => parseWhole('--n', text, 0, 9))).toBe(
      `--n: ${JSON.stringify(text)} is not a whole number from 0 to 9`,
    );
});

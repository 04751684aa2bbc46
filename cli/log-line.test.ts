import { expect, test } from 'vitest';
import { readableLine, requestKey } from './log-line.ts';

const time = '2026-01-02T12:03:41.512Z';
const request = JSON.stringify({
  start_time: time,
  ...{ method: 'POST', path: '/Charge', authority: 'payments.shop', status: 503, flags: 'UF', details: null },
  ...{ grpc_status: 14, duration_ms: 5.2468, request_id: '5f0c', listener: 'outbound' },
});

test.each([
  [JSON.stringify({ level: 'warn', time, message: 'it is so' }), '12:03:41.512 warn  orders: it is so'],
  [JSON.stringify({ level: 'error', time, message: 'a', n: 1 }), '12:03:41.512 error orders: a n=1'],
  [request, '12:03:41.512 orders, out: POST payments.shop/Charge → 503 gRPC status 14 UF, 5.2 ms, request 5f0c'],
  ['outrigger: cannot listen', 'orders: cannot listen'],
  ['{broken', 'orders: {broken'],
  [JSON.stringify({ other: 1 }), 'orders: {"other":1}'],
  ['a\u001b[2Jb', 'orders: a\\u001b[2Jb'],
  [JSON.stringify({ level: 'info', time, message: 'a\u001b[2Jb' }), '12:03:41.512 info  orders: a\\u001b[2Jb'],
])('%s is readable', (line, text) => {
  expect(readableLine(line, 'orders')).toBe(text);
});

test('without a source, and cut when it is long', () => {
  expect(readableLine(JSON.stringify({ level: 'warn', time, message: 'it is so' }))).toBe(
    '12:03:41.512 warn  it is so',
  );
  expect(readableLine('x'.repeat(5_000))).toHaveLength(1_000);
});

test('requests that fail alike have one key, whatever else is in the line', () => {
  expect(requestKey(request)).toBe(requestKey(request.replace('5f0c', '6a1d')));
  expect(requestKey(request)).not.toBe(requestKey(request.replace('UF', 'UH')));
  expect(requestKey('{"message":"x"}')).toBeNull();
});

import { expect, test } from 'vitest';
import {
  formatGrpcTimeout,
  parseGrpcTimeout,
  requestTimeoutMs,
  streamDurationMs,
  tryTimeoutMs,
} from './request-timeout.ts';

test.each([
  ['1H', 3_600_000],
  ['2M', 120_000],
  ['3S', 3_000],
  ['4m', 4],
  ['5000u', 5],
  ['5000000n', 5],
  ['99999999S', 99_999_999_000],
  ['123456789m', -1],
  ['5', -1],
  ['-5m', -1],
  ['5s', -1],
  ['', -1],
])('grpc-timeout %s is %d ms', (text, ms) => {
  expect(parseGrpcTimeout(text)).toBe(ms);
});

test('grpc-timeout is written rounded up, and never as none', () => {
  expect([0, 0.4, 250, 100_000_000, 4e14].map(formatGrpcTimeout)).toEqual(['1m', '1m', '250m', '100000S', '99999999H']);
});

test('what is left is never told as more than the caller gave: two moments of a clock differ by a hair too much', () => {
  const now = 4_503.119_7;
  const left = now + 10_000 - now;
  expect([left, 10_000.000_000_002, 9_999.5].map(formatGrpcTimeout)).toEqual(['10000m', '10000m', '10000m']);
});

test.each([
  [15_000, -1, 15_000],
  [0, -1, 0],
  [15_000, 300, 300],
  [0, 300, 300],
  [100, 300, 100],
  [100, 0, 100],
])('a route of %d ms and a caller that waits %d ms → %d ms', (route, caller, expected) => {
  expect(requestTimeoutMs(route, caller)).toBe(expected);
});

test.each([
  // duration, cap, offset, grpc-timeout → expected
  [null, null, 0, '', -1],
  [null, null, 0, '1S', -1],
  [0, null, 0, '', 0],
  [3_000, null, 0, '1S', 3_000],
  [3_000, 0, 0, '', 3_000],
  [3_000, 0, 0, '20S', 20_000],
  [null, 5_000, 0, '20S', 5_000],
  [null, 5_000, 0, '1S', 1_000],
  [null, 5_000, 0, '', -1],
  [null, 0, 0, '0m', 1],
  [null, 0, 0, 'soon', -1],
  [null, 0, 100, '1S', 900],
  [null, 5_000, 100, '20S', 4_900],
  [null, 0, 100, '50m', 1],
] as const)(
  'max_stream_duration %s, grpc_timeout_header_max %s less %d ms, with %j → %d ms',
  (maxStreamDurationMs, grpcTimeoutHeaderMaxMs, grpcTimeoutHeaderOffsetMs, asked, expected) => {
    const action = { maxStreamDurationMs, grpcTimeoutHeaderMaxMs, grpcTimeoutHeaderOffsetMs };
    expect(streamDurationMs(action, asked)).toBe(expected);
  },
);

test.each([
  [100, 1_000, 100],
  [1_000, 1_000, 0],
  [100, 0, 100],
  [0, 100, 0],
])(
  'a try of %d ms in a request of %d ms may take %d ms (Envoy: one that is not shorter is none)',
  (perTry, whole, expected) => {
    expect(tryTimeoutMs(perTry, whole)).toBe(expected);
  },
);

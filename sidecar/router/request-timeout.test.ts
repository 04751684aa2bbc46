import { expect, test } from 'vitest';
import { formatGrpcTimeout, parseGrpcTimeout, requestTimeoutMs, tryTimeoutMs } from './request-timeout.ts';

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

test.each([
  // timeoutMs, cap, gRPC?, grpc-timeout, caller's → expected
  [15_000, null, false, '', -1, 15_000],
  [0, null, false, '', -1, 0],
  [15_000, null, true, '1S', -1, 15_000],
  [15_000, 0, true, '20S', -1, 20_000],
  [15_000, 5_000, true, '20S', -1, 5_000],
  [15_000, 5_000, true, '', -1, 5_000],
  [15_000, 0, true, '', -1, 0],
  [15_000, 0, true, '0m', -1, 1],
  [15_000, 0, false, '1S', -1, 15_000],
  [15_000, null, false, '', 300, 300],
  [0, null, false, '', 300, 300],
  [100, null, false, '', 300, 100],
  [100, null, false, '', 0, 100],
] as const)(
  'route %d ms, cap %s, gRPC %s with %j, caller %d → %d ms',
  (timeoutMs, grpcTimeoutHeaderMaxMs, grpc, asked, caller, expected) => {
    expect(
      requestTimeoutMs({ timeoutMs, grpcTimeoutHeaderMaxMs, grpcTimeoutHeaderOffsetMs: 0 }, grpc, asked, caller),
    ).toBe(expected);
  },
);

test.each([
  ['1S', 100, 900],
  ['20S', 100, 4_900],
  ['50m', 100, 1],
])(
  'grpc-timeout %s less an offset of %d ms, under a cap of 5 s → %d ms',
  (asked, grpcTimeoutHeaderOffsetMs, expected) => {
    const action = { timeoutMs: 15_000, grpcTimeoutHeaderMaxMs: 5_000, grpcTimeoutHeaderOffsetMs };
    expect(requestTimeoutMs(action, true, asked, -1)).toBe(expected);
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

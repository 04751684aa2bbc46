import { expect, test } from 'vitest';
import { anyRequest, filterFault, matchesFilter, type RequestFilter } from './request-filter.ts';
import { requestRecord } from './test/records.ts';

const failed = requestRecord({ status: 503, flags: 'UF,URX', durationMs: 250, path: '/pay?x=1' });
const call = requestRecord({ protocol: 'gRPC', grpcStatus: '14' });

test.each<[Partial<RequestFilter>, boolean]>([
  [{}, true],
  [{ direction: 'outbound' }, true],
  [{ direction: 'inbound' }, false],
  [{ source: 'shop/storefront', destination: 'shop/orders' }, true],
  [{ destination: 'shop/order' }, false],
  [{ route: 'shop/orders#rule-0' }, true],
  [{ method: 'POST' }, false],
  [{ pathPrefix: '/pa' }, true],
  [{ pathPrefix: '/y' }, false],
  [{ status: '503' }, true],
  [{ status: '5xx' }, true],
  [{ status: '500' }, false],
  [{ status: 'grpc:14' }, false],
  [{ flag: 'URX' }, true],
  [{ flag: 'UF' }, true],
  [{ flag: 'UR' }, false],
  [{ errors: true }, true],
  [{ minDurationMs: 250 }, true],
  [{ minDurationMs: 251 }, false],
])('%j lets a failed request pass: %s', (filter, passes) => {
  expect(matchesFilter(failed, { ...anyRequest, ...filter })).toBe(passes);
});

test('errors are a flag, a status of 500 or more, or a gRPC status other than 0', () => {
  const errors = { ...anyRequest, errors: true };
  expect(matchesFilter(call, errors)).toBe(true);
  expect(matchesFilter(call, { ...anyRequest, status: 'grpc:14' })).toBe(true);
  expect(matchesFilter(requestRecord({ grpcStatus: '0' }), errors)).toBe(false);
  expect(matchesFilter(requestRecord({ status: 404 }), errors)).toBe(false);
  expect(matchesFilter(requestRecord({ status: 404, flags: 'NR' }), errors)).toBe(true);
});

test('what cannot be meant is a fault that says what can', () => {
  expect(filterFault(anyRequest)).toBe('');
  expect(filterFault({ ...anyRequest, status: '600' })).toContain('"600" is not a status (503)');
  expect(filterFault({ ...anyRequest, status: 'grpc:17' })).toContain('grpc:14');
  expect(filterFault({ ...anyRequest, direction: 'in' })).toContain('inbound or outbound');
  expect(filterFault({ ...anyRequest, minDurationMs: -1 })).toContain('not a duration');
});

import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { anyRequest } from '../recorder/request-filter.ts';
import { RequestFilterSchema } from '../xds/api/outrigger/observe/v1/observe_pb.js';
import { decodeFilter, hasHeaders } from './decode-filter.ts';

test('no filter, and an empty one, allow all', () => {
  expect(decodeFilter(undefined)).toBe(anyRequest);
  expect(decodeFilter(create(RequestFilterSchema))).toEqual(anyRequest);
});

test('durations are milliseconds, and names of header fields lower case', () => {
  const filter = decodeFilter(
    create(RequestFilterSchema, { minDuration: { seconds: 1n, nanos: 500_000_000 }, headers: { 'X-Tenant': 'blue' } }),
  );
  expect(filter.minDurationMs).toBe(1_500);
  expect([...filter.headers]).toEqual([['x-tenant', 'blue']]);
});

test.each([{ status: '5x' }, { status: 'grpc:100' }, { direction: 'in' }])('%o is refused', (filter) => {
  expect(() => decodeFilter(create(RequestFilterSchema, filter))).toThrow(/^(?:status|direction): /);
});

test('header fields are compared exactly, or only for being there', () => {
  const fields = HeaderFields.of(['x-tenant', 'blue']);
  const has = (headers: Record<string, string>): boolean =>
    hasHeaders(fields, { ...anyRequest, headers: new Map(Object.entries(headers)) });
  expect(has({})).toBe(true);
  expect(has({ 'x-tenant': 'blue' })).toBe(true);
  expect(has({ 'x-tenant': '' })).toBe(true);
  expect(has({ 'x-tenant': 'red' })).toBe(false);
  expect(has({ 'x-tenant': 'blue', 'x-other': '' })).toBe(false);
});

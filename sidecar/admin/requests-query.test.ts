import { expect, test } from 'vitest';
import { anyRequest } from '../recorder/request-filter.ts';
import { parseRequestsQuery } from './requests-query.ts';

const parse = (text: string): unknown => parseRequestsQuery(new URLSearchParams(text));

test('what is not said allows all, and 100 of them', () => {
  expect(parse('')).toEqual({ filter: anyRequest, limit: 100 });
});

test('every field by its name, and durations with their unit', () => {
  expect(
    parse(
      'direction=inbound&source=a/b&destination=c/d&route=r&method=GET&pathPrefix=/x&status=5xx&flag=UF&errors&minDuration=1.5s&limit=7',
    ),
  ).toEqual({
    limit: 7,
    filter: {
      ...anyRequest,
      ...{ direction: 'inbound', source: 'a/b', destination: 'c/d', route: 'r', method: 'GET', pathPrefix: '/x' },
      ...{ status: '5xx', flag: 'UF', errors: true, minDurationMs: 1_500 },
    },
  });
  expect(parse('errors=false&minDuration=20ms')).toMatchObject({ filter: { errors: false, minDurationMs: 20 } });
});

test.each([
  ['path=/x', 'path: is not known; there are direction, '],
  ['limit=0', 'limit: "0" is not a number from 1 to 1000'],
  ['limit=1001', 'limit: "1001"'],
  ['errors=maybe', 'errors: "maybe" is not true or false'],
  ['minDuration=2', 'minDuration: "2" is not a duration; write it as 2s or 250ms'],
  ['minDuration=9e99s', 'minDuration: "9e99s"'],
  ['status=abc', 'status: "abc" is not a status'],
])('%s is refused', (text, fault) => {
  expect(parse(text)).toContain(fault);
});

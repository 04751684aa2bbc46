import { describe, expect, test } from 'vitest';
import { HeaderFields } from '../../codec/header-fields.ts';
import { RequestHead, ResponseHead } from '../../codec/message-head.ts';
import { ageMs, mayShareAnswers, usableForMs, varyNames } from './keepable-answer.ts';

type Pairs = ReadonlyArray<readonly [string, string]>;
const request = (method: string, ...pairs: Pairs): RequestHead =>
  new RequestHead(method, 'http', 'orders.shop', '/', '1.1', HeaderFields.of(...pairs));
const answer = (status: number, ...pairs: Pairs): ResponseHead => new ResponseHead(status, HeaderFields.of(...pairs));

describe('which requests share answers', () => {
  test.each<[string, Pairs, boolean]>([
    ['GET', [], true],
    ['HEAD', [], true],
    ['POST', [], false],
    ['OPTIONS', [], false],
    ['GET', [['Authorization', 'Bearer x']], false],
    ['GET', [['Cookie', 'session=1']], false],
    ['GET', [['Range', 'bytes=0-1']], false],
    ['GET', [['Cache-Control', 'no-store']], false],
    ['GET', [['Cache-Control', 'max-age=0, No-Cache']], false],
    ['GET', [['Cache-Control', 'max-age=0']], true],
  ])('%s %j: %s', (method, pairs, shares) => {
    expect(mayShareAnswers(request(method, ...pairs))).toBe(shares);
  });

  test('one that asks for an upgrade does not', () => {
    const head = request('GET');
    head.upgrade = 'websocket';
    expect(mayShareAnswers(head)).toBe(false);
  });
});

describe('for how long an answer may be given again (RFC 9111, RFC 5861)', () => {
  test.each<[number, Pairs, number]>([
    [200, [], Infinity],
    [201, [], 0],
    [206, [], 0],
    [404, [], 0],
    [200, [['set-cookie', 'a=b']], 0],
    [200, [['cache-control', 'no-store']], 0],
    [200, [['cache-control', 'private']], 0],
    [200, [['cache-control', 'private="x-user"']], 0],
    [200, [['cache-control', 'No-Cache']], 0],
    [
      200,
      [
        ['cache-control', 'public'],
        ['cache-control', 'no-store'],
      ],
      0,
    ],
    [200, [['cache-control', 'public, max-age=60']], Infinity],
    [200, [['cache-control', 'max-age=60, must-revalidate']], 60_000],
    [200, [['cache-control', 'must-revalidate']], 0],
    [200, [['cache-control', 'max-age=60, proxy-revalidate']], 60_000],
    [200, [['cache-control', 's-maxage=10, max-age=60']], 10_000],
    [200, [['cache-control', 'max-age=60, stale-if-error=30']], 90_000],
    [200, [['cache-control', 'stale-if-error="30"']], 30_000],
    [200, [['cache-control', 'max-age=x, must-revalidate']], 0],
  ])('%d %j: %d ms', (status, pairs, ms) => {
    expect(usableForMs(answer(status, ...pairs))).toBe(ms);
  });
});

test('answers differ by what Vary and the policy name; * is by everything', () => {
  expect(varyNames(HeaderFields.of(), ['x-user'])).toEqual(['x-user']);
  expect(varyNames(HeaderFields.of(['Vary', 'Accept, accept-encoding'], ['Vary', 'X-User']), ['x-user'])).toEqual([
    'accept',
    'accept-encoding',
    'x-user',
  ]);
  expect(varyNames(HeaderFields.of(['vary', 'accept, *']), [])).toBeNull();
  expect(varyNames(HeaderFields.of(['vary', Array.from({ length: 17 }, (_, i) => `x-${i}`).join(',')]), [])).toBeNull();
});

test('the age that an answer came with counts', () => {
  expect(ageMs(HeaderFields.of(['age', '7']))).toBe(7_000);
  expect(ageMs(HeaderFields.of(['age', 'old']))).toBe(0);
});

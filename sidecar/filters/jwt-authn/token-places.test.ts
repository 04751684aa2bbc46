import { expect, test } from 'vitest';
import { HeaderFields } from '../../codec/header-fields.ts';
import type { RequestHead } from '../../codec/message-head.ts';
import { get } from '../../connection-manager/test/stream-rig.ts';
import { providerConfig } from './test/jwt-configs.ts';
import { removeTokens, TokenPlaces } from './token-places.ts';

const usual = new TokenPlaces([providerConfig('shop', [])]);
const cookies = new TokenPlaces([
  providerConfig('shop', [], { fromHeaders: [], fromParams: [], fromCookies: ['session'] }),
]);
const tokens = (places: TokenPlaces, head: RequestHead): string[] => places.find(head).map(({ token }) => token);
const withFields = (...pairs: ReadonlyArray<readonly [string, string]>): RequestHead =>
  get('/', HeaderFields.of(...pairs));

test.each([
  ['Bearer abc', ['abc']],
  ['Bearer   abc', ['abc']],
  ['Bearer abc def', ['abc def']],
  ['x Bearer abc', ['abc']],
  ['Bearer "abc"', ['abc"']],
  ['Bearer ', ['Bearer ']],
  ['Basic abc', []],
  ['', []],
])('authorization %j holds %j (Envoy)', (value, expected) => {
  expect(tokens(usual, withFields(['authorization', value]))).toEqual(expected);
});

test.each(['bearer', 'BEARER', 'bEaReR'])(
  'the scheme has no case: %s (RFC 9110 11.1; Envoy wants its own spelling)',
  (scheme) => {
    expect(tokens(usual, withFields(['authorization', `${scheme} abc`]))).toEqual(['abc']);
    const other = new TokenPlaces([providerConfig('shop', [], { fromHeaders: [{ name: 'x-a', prefix: 'Token ' }] })]);
    expect(tokens(other, withFields(['x-a', 'token abc'], ['x-a', 'Token d']))).toEqual(['d']);
  },
);

test('finds every token that is there, of each place and each field', () => {
  const head = get(
    '/?access_token=c&x=1&access_token=d',
    HeaderFields.of(['authorization', 'Bearer a'], ['Authorization', 'Bearer b']),
  );
  expect(tokens(usual, head)).toEqual(['a', 'b', 'c', 'd']);
});

test('finds cookies in one field or in crumbs, quoted or not', () => {
  expect(tokens(cookies, withFields(['cookie', 'a=1; session=x; session2=y']))).toEqual(['x']);
  expect(tokens(cookies, withFields(['cookie', 'a=1'], ['cookie', 'session="x.y"'], ['cookie', 'session=z']))).toEqual([
    'x.y',
    'z',
  ]);
  expect(tokens(cookies, withFields(['cookie', 'session']))).toEqual([]);
});

test('takes tokens out again, and leaves all else', () => {
  const head = get('/a?access_token=c&x=1', HeaderFields.of(['authorization', 'Bearer a'], ['x-a', '1']));
  for (const { place } of usual.find(head)) removeTokens(head, place);
  expect(head.path).toBe('/a?x=1');
  expect(head.fields.pairs()).toEqual([['x-a', '1']]);
  const crumbs = withFields(['cookie', 'a=1; session=x; b=2'], ['x-a', '1'], ['cookie', 'session=y']);
  removeTokens(crumbs, cookies.find(crumbs)[0]!.place);
  expect(crumbs.fields.pairs()).toEqual([
    ['cookie', 'a=1; b=2'],
    ['x-a', '1'],
  ]);
});

test('a place is open to the issuers of the providers that name it', () => {
  const [found] = new TokenPlaces([providerConfig('shop', []), providerConfig('partner', [])]).find(
    withFields(['authorization', 'Bearer a']),
  );
  expect([...found!.place.issuers!]).toEqual(['https://shop.example', 'https://partner.example']);
  const [any] = new TokenPlaces([providerConfig('shop', []), providerConfig('any', [], { issuer: '' })]).find(
    withFields(['authorization', 'Bearer a']),
  );
  expect(any!.place.issuers).toBeNull();
});

import { expect, test } from 'vitest';
import { secretParameters } from '../recorder/secret-parameters.ts';
import { holdsSecret, maskedHeaders } from './masked-headers.ts';

const hidden = new Set([...secretParameters, 'ticket']);

test.each([
  'Authorization',
  'proxy-authorization',
  'cookie',
  'Set-Cookie',
  'x-api-key',
  'X-ApiKey',
  'api_key',
  'x-auth-token',
  'x-amz-security-token',
  'x-csrf-token',
  'x-goog-iam-authorization-token',
  'x-vault-token',
  'private-token',
  'x-client-secret',
  'x-session-id',
  'x-user-password',
  'x-jwt-assertion',
  'x-auth',
])('%s holds a secret', (name) => {
  expect(holdsSecret(name)).toBe(true);
});

test.each([
  'content-type',
  'user-agent',
  'x-request-id',
  'traceparent',
  ':authority',
  'x-forwarded-for',
  'author',
  'x-authority',
  'accept',
  'etag',
  'keyboard',
])('%s holds none', (name) => {
  expect(holdsSecret(name)).toBe(false);
});

test('a scheme is told, what it lets in with is not', () => {
  expect(
    maskedHeaders(
      [
        ['Authorization', 'Bearer abc.def'],
        ['cookie', 'a=b'],
        ['x-api-key', '123'],
        ['accept', 'a'],
        ['Accept', 'b'],
      ],
      hidden,
    ),
  ).toEqual({ authorization: 'Bearer (hidden)', cookie: '(hidden)', 'x-api-key': '(hidden)', accept: 'a, b' });
});

test.each([
  ['location', 'https://app/cb?code=planted&state=1', 'https://app/cb?code=(hidden)&state=1'],
  ['location', '/cb#access_token=planted&x=1', '/cb#access_token=(hidden)&x=1'],
  ['referer', 'https://app/a?b=1&Access_Token=planted', 'https://app/a?b=1&Access_Token=(hidden)'],
  ['x-envoy-original-path', '/a?access%5Ftoken=planted', '/a?access%5Ftoken=(hidden)'],
  ['x-envoy-original-path', '/a?ticket=planted', '/a?ticket=(hidden)'],
  [
    'link',
    '<https://a/?sig=planted>; rel="next", </b?x=1&token=planted>; rel=prev',
    '<https://a/?sig=(hidden)>; rel="next", </b?x=1&token=(hidden)>; rel=prev',
  ],
  ['x-note', 'code=1; key=2', 'code=1; key=2'],
  ['x-note', 'what? a=1', 'what? a=1'],
])('%s: %s is shown without secrets of its query', (name, value, shown) => {
  expect(maskedHeaders([[name, value]], hidden)).toEqual({ [name]: shown });
});

test('a field of a caller called __proto__ is one like others', () => {
  expect(Object.entries(maskedHeaders([['__proto__', 'x']], hidden))).toEqual([['__proto__', 'x']]);
});

test('what is too much is left out, and said', () => {
  expect(maskedHeaders([['a', 'x'.repeat(50)]], hidden, 40)).toEqual({ '…': 'more fields were left out' });
});

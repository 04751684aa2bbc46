import { expect, test } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import type { HeaderAdd, RedirectActionConfig } from '../config/route-config.ts';
import { get } from '../connection-manager/test/stream-rig.ts';
import { HeaderMutation } from './header-mutation.ts';
import { rewritePath } from './path-rewrite.ts';
import { redirectLocation } from './redirect.ts';

test('prefix_rewrite replaces the prefix, or an exact path as a whole; the query stays', () => {
  expect(rewritePath({ kind: 'prefix', value: '/api/' }, '/api/a?b', '/')).toBe('/a?b');
  expect(rewritePath({ kind: 'separated-prefix', value: '/api' }, '/api/a', '/v2')).toBe('/v2/a');
  expect(rewritePath({ kind: 'exact', value: '/api' }, '/api?b', '/v2')).toBe('/v2?b');
});

test('redirects: scheme, host, port, path and query', () => {
  const none: RedirectActionConfig = {
    kind: 'redirect',
    status: 301,
    scheme: '',
    host: '',
    port: 0,
    path: '',
    prefixRewrite: '',
    stripQuery: false,
  };
  const head = get('/old/a?b');
  head.authority = 'shop:8080';
  const location = (action: Partial<RedirectActionConfig>): string =>
    redirectLocation({ ...none, ...action }, { kind: 'prefix', value: '/old' }, head, false);
  expect(location({})).toBe('http://shop:8080/old/a?b');
  expect(location({ scheme: 'https' })).toBe('https://shop:8080/old/a?b');
  expect(location({ scheme: 'https', port: 443 })).toBe('https://shop:443/old/a?b');
  expect(location({ host: 'new' })).toBe('http://new/old/a?b');
  expect(location({ port: 90 })).toBe('http://shop:90/old/a?b');
  expect(location({ path: '/x' })).toBe('http://shop:8080/x?b');
  expect(location({ prefixRewrite: '/new' })).toBe('http://shop:8080/new/a?b');
  expect(location({ stripQuery: true })).toBe('http://shop:8080/old/a');
  head.authority = '[::1]:80';
  expect(location({ scheme: 'https' })).toBe('https://[::1]/old/a?b');
  expect(location({ scheme: 'http' })).toBe('http://[::1]:80/old/a?b');
  head.authority = '[::1]';
  expect(location({ scheme: 'https', port: 8443 })).toBe('https://[::1]:8443/old/a?b');
  head.fields = HeaderFields.of(['x-forwarded-proto', 'https']);
  head.authority = 'shop:443';
  expect(location({})).toBe('https://shop:443/old/a?b');
  expect(location({ scheme: 'http' })).toBe('http://shop/old/a?b');
});

test('header mutations: remove first, then append, overwrite, add if absent, overwrite if there', () => {
  const add = (name: string, value: string, action: HeaderAdd['action'], keepEmpty = false): HeaderAdd => ({
    name,
    value,
    action,
    keepEmpty,
  });
  const mutation = HeaderMutation.compile({
    remove: ['x-gone'],
    add: [
      add('X-A', '2', 'append'),
      add('x-b', '2', 'overwrite'),
      add('x-c', '2', 'add-if-absent'),
      add('x-d', '2', 'overwrite-if-exists'),
      add('x-e', '100%%', 'append'),
      add('x-f', '', 'append'),
      add('x-g', '', 'append', true),
    ],
  })!;
  const fields = HeaderFields.of(['X-Gone', '1'], ['x-a', '1'], ['x-b', '1'], ['x-c', '1']);
  mutation.apply(fields);
  expect(fields.pairs()).toEqual([
    ['x-a', '1'],
    ['x-b', '2'],
    ['x-c', '1'],
    ['X-A', '2'],
    ['x-e', '100%'],
    ['x-g', ''],
  ]);
  expect(HeaderMutation.compile({ add: [], remove: [] })).toBe(null);
});

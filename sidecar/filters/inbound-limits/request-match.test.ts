import { expect, test } from 'vitest';
import { HeaderFields } from '../../codec/header-fields.ts';
import { RequestHead } from '../../codec/message-head.ts';
import type { RequestMatchConfig } from '../../config/inbound-limits-config.ts';
import type { StringMatchConfig } from '../../config/route-config.ts';
import { compileRequestMatch } from './request-match.ts';

const exact = (value: string): StringMatchConfig => ({ kind: 'exact', value, ignoreCase: false });
const prefix = (value: string): StringMatchConfig => ({ kind: 'prefix', value, ignoreCase: false });
const all: RequestMatchConfig = { paths: [], methods: [], headers: [], callers: [] };

function matches(match: Partial<RequestMatchConfig>, path: string, identity = '', method = 'GET'): boolean {
  const head = new RequestHead(method, 'http', 'orders', path, '1.1', HeaderFields.of(['x-job', 'night']));
  return compileRequestMatch({ ...all, ...match })(head, identity);
}

test('paths are compared without their query', () => {
  const paths = [exact('/pay'), prefix('/report/'), { kind: 'regex', value: '/x/[0-9]+' } as const];
  expect(
    ['/pay', '/pay?a=1', '/payment', '/report/', '/report/1?x', '/report', '/x/12?y', '/x/a'].map((path) =>
      matches({ paths }, path),
    ),
  ).toEqual([...[true, true, false, true, true, false, true, false]]);
  expect(matches({ paths: [{ kind: 'suffix', value: '/end', ignoreCase: false }] }, '/a/end?b')).toBe(true);
  expect(matches({ paths: [prefix('/a?b')] }, '/a?b=c')).toBe(false);
});

test('all that is given has to hold, one of each list; who has no identity is no caller that is named', () => {
  const match: Partial<RequestMatchConfig> = {
    methods: ['GET', 'HEAD'],
    callers: [prefix('spiffe://cluster.local/ns/shop/sa/')],
    headers: [
      { name: 'x-job', test: { kind: 'string', match: exact('night') }, invert: false, treatMissingAsEmpty: false },
    ],
  };
  expect(matches(match, '/', 'spiffe://cluster.local/ns/shop/sa/web')).toBe(true);
  expect(matches(match, '/', 'spiffe://cluster.local/ns/shop/sa/web', 'POST')).toBe(false);
  expect(matches(match, '/', 'spiffe://other/ns/shop/sa/web')).toBe(false);
  expect(matches(match, '/', '')).toBe(false);
  expect(matches({ callers: [prefix('')] }, '/', '')).toBe(false);
  expect(matches({}, '/')).toBe(true);
});

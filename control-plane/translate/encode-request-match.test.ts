import { RE2JS } from 're2js';
import { describe, expect, test } from 'vitest';
import type { CallerName, RequestMatch, TextPattern } from '../config-kind/policy-resource.ts';
import { encodeRequestMatch } from './encode-request-match.ts';

const nothing: RequestMatch = { paths: [], methods: [], headers: [], callers: [] };

/** Whether the one matcher that comes of it takes a header's value, as Envoy compares the whole of it. */
function takes(match: Partial<RequestMatch>, value: string): boolean {
  const [matcher, ...more] = encodeRequestMatch({ ...nothing, ...match }, 'example.org');
  expect(more).toEqual([]);
  const pattern =
    matcher!.headerMatchSpecifier.case === 'stringMatch' ? matcher!.headerMatchSpecifier.value.matchPattern : undefined;
  if (pattern?.case === 'prefix') return value.startsWith(pattern.value);
  if (pattern?.case !== 'safeRegex') throw new Error(`unexpected ${pattern?.case}`);
  return RE2JS.compile(pattern.value.regex).matches(value);
}

describe('a caller', () => {
  const storefront: readonly CallerName[] = [{ namespace: 'shop', account: 'storefront' }];
  const element = (uri: string): string => `By=spiffe://example.org/ns/shop/sa/orders;Hash=0a1b;URI=${uri}`;
  const from = (uri: string, callers = storefront): boolean => takes({ callers }, element(uri));

  test('is known by the URI name that the proxy found in its certificate', () => {
    expect(from('spiffe://example.org/ns/shop/sa/storefront')).toBe(true);
    expect(takes({ callers: storefront }, 'Hash=0;URI=spiffe://example.org/ns/shop/sa/storefront;DNS=a')).toBe(true);
  });

  test('is nobody else: not of another trust domain, account or namespace, and not who we are ourselves', () => {
    for (const uri of [
      'spiffe://exampleXorg/ns/shop/sa/storefront',
      'spiffe://other.org/ns/shop/sa/storefront',
      'spiffe://example.org/ns/shop/sa/storefront-2',
      'spiffe://example.org/ns/shop/sa/storefront/x',
      'spiffe://example.org/ns/office/sa/storefront',
      '',
    ])
      expect(from(uri), uri).toBe(false);
    expect(from('spiffe://example.org/ns/shop/sa/x', [{ namespace: 'shop', account: 'orders' }])).toBe(false);
  });

  test('may be any of a namespace', () => {
    const office: readonly CallerName[] = [{ namespace: 'office', account: '' }, ...storefront];
    expect(from('spiffe://example.org/ns/office/sa/desk', office)).toBe(true);
    expect(from('spiffe://example.org/ns/office2/sa/desk', office)).toBe(false);
    expect(from('spiffe://example.org/ns/shop/sa/storefront', office)).toBe(true);
  });
});

test('a path is compared without its query, and what it holds is no expression', () => {
  const exact: readonly TextPattern[] = [{ type: 'exact', value: '/a.b' }];
  expect(takes({ paths: exact }, '/a.b')).toBe(true);
  expect(takes({ paths: exact }, '/a.b?x=/c')).toBe(true);
  for (const path of ['/a.b/', '/aXb', '/x?/a.b', '/a.bc']) expect(takes({ paths: exact }, path), path).toBe(false);
  const several: readonly TextPattern[] = [...exact, { type: 'prefix', value: '/c/' }];
  expect(takes({ paths: several }, '/c/d?e')).toBe(true);
  expect(takes({ paths: several }, '/c')).toBe(false);
  expect(takes({ paths: [{ type: 'prefix', value: '/c' }] }, '/cd')).toBe(true);
});

test('nothing that is said is nothing to match', () => {
  expect(encodeRequestMatch(nothing, 'example.org')).toEqual([]);
});

import { expect, it } from 'vitest';
import { isAuthority, sameHost } from './authority.ts';

it.each([
  'a',
  'A.b-c_d',
  'a:1',
  'a:',
  '10.0.0.1:65535',
  '[::1]',
  '[fe80::1%25eth0]:80',
  'a%20b',
  'a.',
  'a.:80',
  '10.0.0.1.',
])('%s is an authority', (text) => {
  expect(isAuthority(text)).toBe(true);
});

it.each([
  '',
  ':80',
  'u@a',
  'u:p@a',
  'a b',
  'a/b',
  'a,b',
  'a:b',
  'a:1:2',
  'a:123456',
  '::1',
  '[::1',
  '[]',
  'a\\\\b',
  'a?b',
  'a#b',
  'ä',
  // Other spellings of a host that a rule may name.
  'bad.example..',
  'bad.example...:80',
  '..',
  'bad%2eexample',
  'bad%2Eexample:80',
  '%62ad.example',
  '%7a',
  'a%5Fb',
  'a%2db',
  'a%39',
])('%j is none', (text) => {
  expect(isAuthority(text)).toBe(false);
});

it('takes hosts for the same whatever their case, and a default port for written (RFC 3986 6.2.3)', () => {
  expect(sameHost('A', 'a:80', '80')).toBe(true);
  expect(sameHost('a:443', 'a', '80')).toBe(false);
  expect(sameHost('[::1]', '[::1]:80', '80')).toBe(true);
  expect(sameHost('a', 'a:5432', '')).toBe(true);
  expect(sameHost('a:1', 'a:5432', '')).toBe(false);
});

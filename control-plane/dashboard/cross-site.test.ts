import { expect, it } from 'vitest';
import { crossSiteFault } from './cross-site.ts';

const host = '127.0.0.1:15014';

it.each<readonly [string, Record<string, string>]>([
  ['a program', { host }],
  ['the page itself', { host, 'sec-fetch-site': 'same-origin', origin: `http://${host}` }],
  ['a person who typed the address', { host, 'sec-fetch-site': 'none' }],
  [
    'a person who followed a link',
    { host, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
  ],
  ['the page behind a proxy that ends TLS', { host: 'mesh.example', origin: 'https://mesh.example' }],
])('answers %s', (_, headers) => {
  expect(crossSiteFault(headers)).toBe('');
});

it.each<readonly [string, Record<string, string>]>([
  ['a script of another site', { host, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }],
  ['a page of another port of this machine', { host, 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors' }],
  ['a page of another origin', { host, origin: 'http://127.0.0.1:8080' }],
  ['a sandboxed frame', { host, origin: 'null' }],
  ['a frame', { host, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }],
])('refuses %s', (_, headers) => {
  expect(crossSiteFault(headers)).not.toBe('');
});

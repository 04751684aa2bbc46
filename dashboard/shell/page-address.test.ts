import { expect, it } from 'vitest';
import { addressOf, parseAddress } from './page-address.ts';

it.each([
  ['service', ['shop/orders'], {}],
  ['edge', ['a/<b>', 'ü/%2F?x'], {}],
  ['request', ['5f0c#?&'], {}],
  ['requests', [], { pathPrefix: '/a?b=c&d', status: '5xx' }],
] as const)('an address of %s is read as it was written', (page, about, query) => {
  expect(parseAddress(addressOf(page, about, query))).toEqual({ page, about, query });
});

it.each(['', '#', '#/', '#/nothing', '#token=x', '#/%E0%A4%A'])('what means nothing is the graph: %s', (hash) => {
  expect(parseAddress(hash).page).toBe('graph');
});

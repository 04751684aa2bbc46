import { describe, expect, it } from 'vitest';
import { type SpiffeId, serviceAccountId } from '../../certs/spiffe/spiffe-id.ts';
import type { Caller } from './caller.ts';
import { accountNamedLikeTheService, identityAs } from './service-accounts.ts';

const id = (namespace: string, account: string): SpiffeId => serviceAccountId('td', namespace, account);

function caller(...ids: readonly SpiffeId[]): Caller {
  return {
    proof: 'certificate',
    certificate: null,
    words: ids.map(({ text }) => text).join(' '),
    speaksFor: (wanted) => ids.some(({ text }) => text === wanted.text),
    fault: () => '',
    useFor: () => {},
  };
}

describe('who may be an instance of a service', () => {
  it('is the account named like it, in its namespace, of the own trust domain', () => {
    const as = (who: Caller): string =>
      identityAs(who, 'shop', 'orders', 'td', accountNamedLikeTheService, 'node.cluster').text;
    expect(as(caller(id('shop', 'orders')))).toBe('spiffe://td/ns/shop/sa/orders');
    expect(() =>
      identityAs(caller(id('shop', 'orders')), 'default', '', 'td', accountNamedLikeTheService, 'node.cluster'),
    ).toThrow('node.cluster is missing');
    for (const other of [
      id('bank', 'orders'),
      id('shop', 'order'),
      serviceAccountId('other', 'shop', 'orders'),
      serviceAccountId('td', 'shop', 'orders.x'),
    ])
      expect(() => as(caller(other))).toThrow(
        `node.cluster says shop/orders, which takes spiffe://td/ns/shop/sa/orders, and the caller is ${other.text}`,
      );
  });

  it('is any of the accounts that the service names, the first that the caller has', () => {
    const as = (who: Caller): string =>
      identityAs(who, 'shop', 'orders', 'td', () => ['blue', 'green'], 'instance').text;
    expect(as(caller(id('shop', 'green')))).toBe('spiffe://td/ns/shop/sa/green');
    expect(as(caller(id('shop', 'green'), id('shop', 'blue')))).toBe('spiffe://td/ns/shop/sa/blue');
    expect(() => as(caller(id('shop', 'orders')))).toThrow(
      'takes spiffe://td/ns/shop/sa/blue or spiffe://td/ns/shop/sa/green',
    );
  });
});

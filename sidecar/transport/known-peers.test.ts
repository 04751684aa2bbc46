import { X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import { forge, forgedAuthority, forgedLeaf } from '../../certs/x509/forged-certificate.test-data.ts';
import { KnownPeers } from './known-peers.ts';
import { orders, storefront } from './test/certificates.ts';

const nowWallMs = Date.parse('2026-11-24T00:00:00Z');
const leaf = new X509Certificate(orders.chainPem);

test('who was let in is known again by the certificate itself, and by no other', () => {
  const peers = new KnownPeers();
  expect(peers.find(leaf, nowWallMs)).toBeUndefined();
  const added = peers.add(leaf);
  expect(added).toMatchObject({ service: 'shop/orders', certificate: { dnsNames: ['orders.shop'] } });
  expect(peers.find(new X509Certificate(orders.chainPem), nowWallMs)).toBe(added);
  expect(peers.find(new X509Certificate(storefront.chainPem), nowWallMs)).toBeUndefined();
});

test('nobody is known before or behind the life of the certificate', () => {
  const peers = new KnownPeers();
  const { notBeforeWallMs, notAfterWallMs } = peers.add(leaf);
  expect(peers.find(leaf, notBeforeWallMs - 1)).toBeUndefined();
  expect(peers.find(leaf, notAfterWallMs - 1)).toBeDefined();
  expect(peers.find(leaf, notAfterWallMs)).toBeUndefined();
});

test('only so many are kept, those that came last', () => {
  const peers = new KnownPeers();
  const root = forgedAuthority('root');
  const first = new X509Certificate(forge(forgedLeaf(root, 'spiffe://td/first')));
  const again = new X509Certificate(forge(forgedLeaf(root, 'spiffe://td/again')));
  peers.add(first);
  peers.add(again);
  const inBetween = Date.parse(first.validFrom) + 1000;
  for (let i = 0; i < 1024; i++) {
    const serial = Uint8Array.of(1, i >> 8, i & 255);
    peers.add(new X509Certificate(forge(forgedLeaf(root, 'spiffe://td/x', { serial }))));
    if (i === 500) expect(peers.find(again, inBetween)).toBeDefined();
  }
  expect(peers.find(first, inBetween)).toBeUndefined();
  expect(peers.find(again, inBetween)).toBeDefined();
});

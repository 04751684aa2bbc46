import { X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import { forge, forgedAuthority, forgedLeaf } from '../../certs/x509/forged-certificate.test-data.ts';
import type { ForwardClientCertConfig } from '../config/listener-config.ts';
import { type PeerCertificate, peerCertificate } from '../transport/peer-certificate.ts';
import { orders } from '../transport/test/certificates.ts';
import { clientCertificateElement } from './client-certificate-element.ts';

const all: ForwardClientCertConfig = { mode: 'sanitize-set', subject: true, uri: true, dns: true };
const none: ForwardClientCertConfig = { mode: 'sanitize-set', subject: false, uri: false, dns: false };
const own = 'spiffe://cluster.local/ns/shop/sa/payments';
const peer = peerCertificate(new X509Certificate(orders.chainPem));

function certificate(name: string, uris: readonly string[], dnsNames: readonly string[] = []): PeerCertificate {
  const root = forgedAuthority('root');
  return peerCertificate(new X509Certificate(forge(forgedLeaf(root, '', { name, uris, dnsNames }))));
}

test('has By, Hash, Subject, URI and DNS, in Envoy’s order and form', () => {
  const hash = new X509Certificate(orders.chainPem).fingerprint256.replaceAll(':', '').toLowerCase();
  expect(clientCertificateElement(all, peer, own)).toBe(
    `By=${own};Hash=${hash};Subject="CN=orders";URI=spiffe://cluster.local/ns/shop/sa/orders;DNS=orders.shop`,
  );
  expect(clientCertificateElement(none, peer, own)).toBe(`By=${own};Hash=${hash}`);
  expect(clientCertificateElement(none, peer, '')).toBe(`Hash=${hash}`);
});

test('has one pair for each name; URI and Subject stand there when they are empty, DNS does not', () => {
  const several = clientCertificateElement(all, certificate('', ['spiffe://td/a', 'https://b'], ['c', 'd']), '');
  expect(several).toMatch(/^Hash=[0-9a-f]{64};Subject="";URI=spiffe:\/\/td\/a;URI=https:\/\/b;DNS=c;DNS=d$/);
  expect(clientCertificateElement(all, certificate('', []), '')).toMatch(/;Subject="";URI=$/);
});

test.each([
  ['a second key', 'https://a;By=spiffe://td/admin', 'URI="https://a;By=spiffe://td/admin"'],
  ['another element', 'https://a,By=spiffe://td/admin', 'URI="https://a,By=spiffe://td/admin"'],
  ['a quote', 'https://a";By=x', 'URI="https://a\\";By=x"'],
  ['a backslash before a quote', 'https://a\\";By=x', 'URI="https://a\\\\\\";By=x"'],
  ['a line break', 'https://a\r\nx: y', 'URI="https://a%0D%0Ax: y"'],
  ['a NUL', 'https://a\0b', 'URI=https://a%00b'],
])('a name with %s in it stays one value', (_what, uri, shown) => {
  expect(clientCertificateElement({ ...none, uri: true }, certificate('', [uri]), '').split(/;(.*)/s)[1]).toBe(shown);
});

test.each([
  ['a";URI=spiffe://td/admin', 'Subject="CN=a\\"\\;URI=spiffe://td/admin"'],
  ['a, O=b', 'Subject="CN=a\\, O=b"'],
  ['a\nO=b', 'Subject="CN=a\\0AO=b"'],
  ['Zoë', 'Subject="CN=Zo\\C3\\AB"'],
])('a subject is escaped as RFC 2253 says: %j', (name, shown) => {
  expect(clientCertificateElement({ ...none, subject: true }, certificate(name, []), '').split(/;(.*)/s)[1]).toBe(
    shown,
  );
});

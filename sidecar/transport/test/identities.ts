/** Identities made for a test, of any shape (certs/x509/forged-certificate.test-data.ts), valid now; and the ways in which one can be wrong (hardening.md, identity). */
import { keyUsageBit } from '../../../certs/x509/extensions.ts';
import {
  type ForgedParts,
  forge,
  forgedAuthority,
  forgedLeaf,
} from '../../../certs/x509/forged-certificate.test-data.ts';
import { oid } from '../../../certs/x509/object-identifiers.ts';
import { writePem } from '../../../certs/x509/pem.ts';
import { systemClock } from '../../runtime/clock.ts';
import type { PeerFaultReason } from '../peer-certificate.ts';
import type { TestCertificate } from './certificates.ts';

const hourMs = 3_600_000;

/** Valid from an hour ago for a day. */
export const validNow = {
  notBeforeMs: Math.floor(systemClock.wallMs() / 1000) * 1000 - hourMs,
  notAfterMs: Math.floor(systemClock.wallMs() / 1000) * 1000 + 24 * hourMs,
};

export function authority(name: string, parts: Partial<ForgedParts> = {}): ForgedParts {
  return forgedAuthority(name, { ...validNow, ...parts });
}

export function certificatePem(...chain: readonly ForgedParts[]): string {
  return writePem('CERTIFICATE', ...chain.map(forge));
}

/** A leaf for `uri` with its key; `through`: authorities that it sends along. */
export function identity(
  issuer: ForgedParts,
  uri: string,
  parts: Partial<ForgedParts> = {},
  through: readonly ForgedParts[] = [],
): TestCertificate {
  const leaf = forgedLeaf(issuer, uri, { ...validNow, ...parts });
  return {
    chainPem: certificatePem(leaf, ...through),
    keyPem: leaf.key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

export const root = authority('root of td');
/** Of another trust domain, whose roots are trusted too where a test says so. */
export const otherRoot = authority('root of other');
export const ordersId = 'spiffe://td/ns/shop/sa/orders';
export const ordersIdentity = identity(root, ordersId);

const { digitalSignature, keyCertSign, keyEncipherment } = keyUsageBit;

/** What a peer shows that says it is orders, or nearly; and why it is refused where exactly orders is wanted and `root` is trusted. */
export const wrongIdentities: ReadonlyArray<readonly [string, PeerFaultReason, TestCertificate]> = [
  ['a NUL behind the name', 'invalid-spiffe-id', identity(root, `${ordersId}\0.evil`)],
  ['a NUL at the end', 'invalid-spiffe-id', identity(root, `${ordersId}\0`)],
  ['segments of dots', 'invalid-spiffe-id', identity(root, 'spiffe://td/ns/shop/sa/x/../orders')],
  ['a dot behind the name', 'wrong-name', identity(root, `${ordersId}.`)],
  ['a slash behind the name', 'invalid-spiffe-id', identity(root, `${ordersId}/`)],
  ['another case in the path', 'wrong-name', identity(root, 'spiffe://td/ns/shop/sa/Orders')],
  ['another case in the trust domain', 'invalid-spiffe-id', identity(root, 'spiffe://TD/ns/shop/sa/orders')],
  ['another case in the scheme', 'invalid-spiffe-id', identity(root, 'SPIFFE://td/ns/shop/sa/orders')],
  ['percent signs', 'invalid-spiffe-id', identity(root, 'spiffe://td/ns/shop/sa/%6Frders')],
  [
    'a second URI name',
    'several-identities',
    identity(root, ordersId, { uris: [ordersId, 'spiffe://td/ns/shop/sa/admin'] }),
  ],
  ['the same URI name twice', 'several-identities', identity(root, ordersId, { uris: [ordersId, ordersId] })],
  ['no name at all', 'no-identity', identity(root, '', { uris: [] })],
  ['the identity as a DNS name', 'no-identity', identity(root, '', { uris: [], dnsNames: [ordersId] })],
  [
    'the identity behind a comma in a DNS name',
    'no-identity',
    identity(root, '', { uris: [], dnsNames: [`a, URI:${ordersId}`] }),
  ],
  [
    'another identity as a DNS name beside it',
    'malformed',
    identity(root, ordersId, { dnsNames: ['orders', 'spiffe://td/ns/shop/sa/admin'] }),
  ],
  ['a comma in a DNS name', 'malformed', identity(root, ordersId, { dnsNames: ['orders, x'] })],
  ['the identity as its subject', 'no-identity', identity(root, '', { uris: [], name: `URI:${ordersId}` })],
  [
    'a certificate of an authority',
    'not-a-leaf',
    identity(root, ordersId, {
      basicConstraints: { isCa: true, pathLength: null },
      keyUsage: digitalSignature | keyCertSign,
    }),
  ],
  [
    'a key that signs certificates',
    'not-a-leaf',
    identity(root, ordersId, { keyUsage: digitalSignature | keyCertSign }),
  ],
  ['a key that does not sign', 'key-usage', identity(root, ordersId, { keyUsage: keyEncipherment })],
  ['no key usage', 'key-usage', identity(root, ordersId, { keyUsage: null })],
  ['a certificate for other uses', 'key-usage', identity(root, ordersId, { extendedKeyUsage: ['1.3.6.1.5.5.7.3.4'] })],
  [
    'a life that is to come',
    'not-yet-valid',
    identity(root, ordersId, { notBeforeMs: validNow.notAfterMs - hourMs, notAfterMs: validNow.notAfterMs }),
  ],
  ['a life that is over', 'expired', identity(root, ordersId, { notAfterMs: validNow.notBeforeMs + 60_000 })],
  ['another name', 'wrong-name', identity(root, 'spiffe://td/ns/shop/sa/payments')],
  ['another trust domain', 'wrong-trust-domain', identity(root, 'spiffe://other/ns/shop/sa/orders')],
  ['another root', 'untrusted', identity(otherRoot, ordersId)],
  ['a root of the same name with another key', 'untrusted', identity(authority('root of td'), ordersId)],
  ['itself as its issuer', 'untrusted', identity(root, ordersId, { issuer: null, name: 'me' })],
  [
    'a leaf as its issuer',
    'untrusted',
    (() => {
      const leaf = forgedLeaf(root, 'spiffe://td/ns/shop/sa/payments', { ...validNow, name: 'leaf' });
      return identity(leaf, ordersId, {}, [leaf]);
    })(),
  ],
];

/** For the side that it does not have. */
export const forServersOnly = identity(root, ordersId, { extendedKeyUsage: [oid.serverAuth] });
export const forClientsOnly = identity(root, ordersId, { extendedKeyUsage: [oid.clientAuth] });

/** What the control plane may answer to Sign, and what of it is not taken: every certificate here is a real one. */
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterAll, expect, it } from 'vitest';
import { CertificateAuthority } from '../../certs/authority/certificate-authority.ts';
import { createRoot } from '../../certs/authority/create-root.ts';
import { issuingClock } from '../../certs/authority/issuing-clock.ts';
import { type SpiffeId, serviceAccountId } from '../../certs/spiffe/spiffe-id.ts';
import { publicKeyDer } from '../../certs/x509/public-key.ts';
import { makeSecret, secretFault } from '../secret/secret.ts';
import { type SignResponse, SignResponseSchema } from '../xds/api/outrigger/identity/v1/identity_pb.js';
import { type OwnKey, readIssued } from './own-certificate.ts';
import { readBundles, trustValue } from './received-bundles.ts';

const td = 'cluster.local';
const orders = serviceAccountId(td, 'shop', 'orders');
const folder = mkdtempSync(join(tmpdir(), 'outrigger-own-'));
const nowMs = Date.parse('2026-06-01T12:00:00Z');
const clock = issuingClock(() => nowMs);
const dayMs = 86_400_000;
const newKey = (): OwnKey => generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const key = newKey();

function authorityOf(trustDomain: string, name: string): CertificateAuthority {
  return new CertificateAuthority({ folder: join(folder, name), trustDomain, clock, operatorAuthority: null });
}
const authority = authorityOf(td, 'own');
const stranger = authorityOf(td, 'stranger');
const foreign = authorityOf('other', 'foreign');

afterAll(() => {
  for (const each of [authority, stranger, foreign]) each.close();
  rmSync(folder, { recursive: true });
});

const bundleOf = (from: CertificateAuthority) => ({
  trustDomain: from.trustDomain,
  roots: from.bundle().roots.map(({ der }) => der),
  sequence: 7n,
});

function answer(id: SpiffeId, by = authority, signed = key, bundles = [bundleOf(authority)]): SignResponse {
  const leaf = by.sign(publicKeyDer(signed.publicKey), id, { proof: 'join_token', peer: '' });
  return create(SignResponseSchema, { chain: [...leaf.chain], authorityId: leaf.authorityId, bundles });
}

const wanted = { trustDomain: td, id: orders.text };

it('takes a certificate for our key and the wanted identity, with the bundles', () => {
  const { certificate, bundles } = readIssued(answer(orders), key, wanted, nowMs);
  expect(certificate).toMatchObject({ id: orders.text, authorityId: authority.signingId, issuedMs: nowMs });
  expect(certificate.notAfterMs).toBe(nowMs + dayMs);
  expect(new X509Certificate(certificate.chainPem).checkPrivateKey(key.privateKey)).toBe(true);
  expect(bundles.map(({ trustDomain, sequence }) => [trustDomain, sequence])).toEqual([[td, 7]]);
});

it('takes any identity of the own trust domain when none was asked for', () => {
  const admin = serviceAccountId(td, 'shop', 'admin');
  expect(readIssued(answer(admin), key, { trustDomain: td, id: '' }, nowMs).certificate.id).toBe(admin.text);
});

it.each<readonly [string, () => SignResponse, number, string]>([
  ['for another key', () => answer(orders, authority, newKey()), nowMs, 'is for another key'],
  ['of somebody else', () => answer(serviceAccountId(td, 'shop', 'admin')), nowMs, 'was asked for'],
  ['by an authority that is not in the bundle', () => answer(orders, stranger), nowMs, 'no root of cluster.local'],
  [
    'of another trust domain, though its bundle is there',
    () => answer(serviceAccountId('other', 'shop', 'orders'), foreign, key, [bundleOf(authority), bundleOf(foreign)]),
    nowMs,
    'whose roots are not trusted here',
  ],
  ['that has expired by our clock', () => answer(orders), nowMs + 2 * dayMs, 'expired at'],
  ['that is not valid yet by our clock', () => answer(orders), nowMs - dayMs, 'is not valid before'],
  ['that there is not', () => create(SignResponseSchema, { bundles: [bundleOf(authority)] }), nowMs, 'no certificate'],
  [
    'with a chain without end',
    () => {
      const { chain, ...rest } = answer(orders);
      return { ...rest, chain: Array.from({ length: 9 }, () => chain[0]!) };
    },
    nowMs,
    'the limit is 8',
  ],
  [
    'without our own bundle',
    () => answer(orders, authority, key, [bundleOf(foreign)]),
    nowMs,
    'cluster.local is missing',
  ],
  [
    'with a bundle that is there twice',
    () => answer(orders, authority, key, [bundleOf(authority), bundleOf(authority)]),
    nowMs,
    'two trust bundles of',
  ],
])('does not take a certificate %s', (_, response, atMs, why) => {
  expect(() => readIssued(response(), key, wanted, atMs)).toThrow(why);
});

it('judges peers by the roots of their own trust domain, also when there is but our own', () => {
  const federated = createRoot('other', clock).roots.map(({ der }) => der);
  const messages = [{ trustDomain: 'other', roots: federated, sequence: 0n }, bundleOf(authority)];
  const message = create(SignResponseSchema, { bundles: messages });
  const bundles = readBundles(message.bundles, td);
  expect(bundles.map(({ trustDomain, sequence }) => [trustDomain, sequence])).toEqual([
    [td, 7],
    ['other', null],
  ]);
  for (const [value, domains] of [
    [trustValue(bundles), [td, 'other']],
    [trustValue(bundles.slice(0, 1)), [td]],
  ] as const) {
    expect(secretFault(value)).toBeNull();
    expect(value).toMatchObject({ trustDomains: domains.map((name) => ({ name })) });
    expect(makeSecret('ROOTCA', 'ROOTCA', '', 0, value).certificates).toHaveLength(domains.length);
  }
});

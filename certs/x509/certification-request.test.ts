import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contextTag } from '../der/der-reader.ts';
import { derBitString, derElement, derInteger, derOctetString, derSequence } from '../der/der-writer.ts';
import { buildCertificationRequest, readCertificationRequest } from './certification-request.ts';
import { publicKeyDer } from './public-key.ts';
import { signatureAlgorithmOf, signBytes } from './signature-algorithm.ts';

interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const p256: KeyPair = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const good = buildCertificationRequest(p256.privateKey, p256.publicKey);

function request(version: number, keys: KeyPair = p256, signer: KeyPair = keys, padding = 0): Uint8Array {
  const body = derSequence(
    derInteger(Uint8Array.of(version)),
    derSequence(),
    publicKeyDer(keys.publicKey),
    derElement(contextTag(0, true), ...(padding === 0 ? [] : [derOctetString(new Uint8Array(padding))])),
  );
  const algorithm = signatureAlgorithmOf(signer.privateKey);
  return derSequence(body, algorithm.der, derBitString(signBytes(algorithm, body, signer.privateKey)));
}

describe('certification requests (RFC 2986)', () => {
  it.each([
    ['ECDSA P-256', () => p256],
    ['ECDSA P-384', () => generateKeyPairSync('ec', { namedCurve: 'secp384r1' })],
    ['RSA of 2048 bits', () => generateKeyPairSync('rsa', { modulusLength: 2048 })],
  ])('takes the request that it builds for %s, and gives its key', (_, keys) => {
    const { privateKey, publicKey } = keys();
    expect(readCertificationRequest(buildCertificationRequest(privateKey, publicKey))).toEqual(
      new Uint8Array(publicKeyDer(publicKey)),
    );
  });

  it.each([
    ['unsupported-key', 'P-521', () => generateKeyPairSync('ec', { namedCurve: 'secp521r1' })],
    ['unsupported-key', 'secp256k1', () => generateKeyPairSync('ec', { namedCurve: 'secp256k1' })],
    ['unsupported-key', 'RSA of 1024 bits', () => generateKeyPairSync('rsa', { modulusLength: 1024 })],
    [
      'unsupported-key',
      'RSA with the exponent 3',
      () => generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }),
    ],
  ])('refuses with %s: %s', (reason, _, keys) => {
    expect(() => readCertificationRequest(request(0, keys()))).toThrow(expect.objectContaining({ reason }));
  });

  it('refuses a request that another key signed: somebody else’s public key gets no certificate', () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    expect(() => readCertificationRequest(request(0, p256, other))).toThrow(
      expect.objectContaining({ reason: 'bad-signature' }),
    );
  });

  it('refuses another version, more than 8 KiB, and bytes behind the end', () => {
    expect(() => readCertificationRequest(request(1))).toThrow(expect.objectContaining({ reason: 'malformed' }));
    expect(() => readCertificationRequest(request(0, p256, p256, 9000))).toThrow(
      expect.objectContaining({ reason: 'too-large' }),
    );
    expect(() => readCertificationRequest(Buffer.concat([good, Buffer.of(0)]))).toThrow(
      expect.objectContaining({ reason: 'malformed' }),
    );
  });

  it('refuses a request in which any bit was changed, with a fault of ours', () => {
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(7), (at, bit) => {
        const bad = Uint8Array.from(good);
        bad[at]! ^= 1 << bit;
        expect(() => readCertificationRequest(bad)).toThrow(expect.objectContaining({ name: 'IdentityFault' }));
      }),
      { numRuns: 400 },
    );
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { derInteger, derNull, derSequence } from '../der/der-writer.ts';
import { readCertificate } from './certificate.ts';
import { forge, forgedAuthority, forgedExtension, forgedLeaf } from './forged-certificate.test-data.ts';
import { oid } from './object-identifiers.ts';

const leaf = forgedLeaf(forgedAuthority('root'), 'spiffe://td/ns/a/sa/b');

describe('readCertificate (RFC 5280 4.1)', () => {
  it('reads the fields that we decide by', () => {
    expect(readCertificate(forge(leaf))).toMatchObject({
      serial: '07',
      notBeforeMs: leaf.notBeforeMs,
      notAfterMs: leaf.notAfterMs,
      extensions: {
        isCa: false,
        pathLength: null,
        keyUsage: 1,
        uris: ['spiffe://td/ns/a/sa/b'],
        extendedKeyUsage: [oid.serverAuth, oid.clientAuth],
        unknownCritical: [],
      },
    });
  });

  it.each([
    ['the serial number 0', { serial: Uint8Array.of(0) }],
    ['a serial number of 21 octets', { serial: new Uint8Array(21).fill(1) }],
    ['a name that is not ASCII', { uris: ['spiffe://td/\xe9'] }],
    [
      'an extension twice',
      {
        more: [
          forgedExtension(oid.keyUsage, false, derSequence()),
          forgedExtension(oid.keyUsage, false, derSequence()),
        ],
      },
    ],
    [
      'an extension with bytes behind its value',
      { more: [forgedExtension(oid.authorityKeyIdentifier, false, Uint8Array.of(0x30, 0, 0))] },
    ],
    ['a version with extensions that is not 3', { version: 2 }],
  ])('refuses %s', (_, parts) => {
    expect(() => readCertificate(forge({ ...leaf, ...parts }))).toThrow(
      expect.objectContaining({ reason: 'malformed' }),
    );
  });

  it('refuses a negative serial number', () => {
    const der = forge({ ...leaf, serial: Uint8Array.of(0xff) });
    // A zero stands before FF, or it would be negative: now it is.
    der.set([2, 2, 0xff, 0x01], Buffer.from(der).indexOf(Buffer.from([2, 2, 0, 0xff])));
    expect(() => readCertificate(der)).toThrow('not positive');
  });

  it('refuses a certificate of more than 32 KiB, bytes behind its end, and what is no certificate', () => {
    expect(() => readCertificate(new Uint8Array(33 * 1024))).toThrow('the limit is');
    expect(() => readCertificate(Buffer.concat([forge(leaf), Buffer.of(0)]))).toThrow('bytes after the end');
    expect(() => readCertificate(derSequence(derSequence(derInteger(Uint8Array.of(1))), derNull()))).toThrow(
      'not valid DER',
    );
  });

  it('whatever is changed in a certificate, it is read or refused with a fault of ours, never with another error', () => {
    const good = forge(leaf);
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, octet, length) => {
        const bad = Uint8Array.from(good);
        bad[at] = octet;
        for (const der of [bad, bad.subarray(0, length)]) {
          try {
            readCertificate(der);
          } catch (error) {
            expect(error).toMatchObject({ name: 'IdentityFault' });
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});

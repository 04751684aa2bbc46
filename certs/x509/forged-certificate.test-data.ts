/** Certificates of any shape, also those that nobody should make: what the tests of refusals present. Signed for real, so that nothing but the shape is wrong with them. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { contextTag } from '../der/der-reader.ts';
import {
  derBitString,
  derBoolean,
  derElement,
  derInteger,
  derNamedBits,
  derOctetString,
  derOid,
  derSequence,
  derSet,
  derTime,
  derUtf8String,
} from '../der/der-writer.ts';
import { keyUsageBit } from './extensions.ts';
import { oid } from './object-identifiers.ts';
import { publicKeyDer, subjectKeyIdentifier } from './public-key.ts';
import { signatureAlgorithmOf, signBytes } from './signature-algorithm.ts';

export interface ForgedKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export interface ForgedParts {
  readonly name: string;
  readonly key: ForgedKey;
  /** Null: signed by itself. */
  readonly issuer: { readonly name: string; readonly key: ForgedKey } | null;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly serial: Uint8Array;
  readonly version: number;
  /** Null: no basicConstraints at all. */
  readonly basicConstraints: { readonly isCa: boolean; readonly pathLength: number | null } | null;
  /** Null: no keyUsage at all. */
  readonly keyUsage: number | null;
  readonly extendedKeyUsage: readonly string[] | null;
  /** Of type URI, byte for byte. */
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  /** Whole extensions, added as they are. */
  readonly more: readonly Uint8Array[];
}

export function forgedKey(): ForgedKey {
  return generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
}

const validFrom = Date.parse('2026-01-01T00:00:00Z');
const sharedKey = forgedKey();

/** A self-signed authority of `name`, to be changed by the given parts. */
export function forgedAuthority(name: string, parts: Partial<ForgedParts> = {}): ForgedParts {
  return {
    name,
    key: forgedKey(),
    issuer: null,
    notBeforeMs: validFrom,
    notAfterMs: validFrom + 365 * 24 * 3_600_000,
    serial: Uint8Array.of(7),
    version: 3,
    basicConstraints: { isCa: true, pathLength: null },
    keyUsage: keyUsageBit.keyCertSign | keyUsageBit.cRLSign,
    extendedKeyUsage: null,
    uris: [],
    dnsNames: [],
    more: [],
    ...parts,
  };
}

/** A faultless leaf for `uri`, to be changed by the given parts. */
export function forgedLeaf(issuer: ForgedParts, uri: string, parts: Partial<ForgedParts> = {}): ForgedParts {
  return {
    ...forgedAuthority('', { key: sharedKey }),
    issuer,
    basicConstraints: { isCa: false, pathLength: null },
    keyUsage: keyUsageBit.digitalSignature,
    extendedKeyUsage: [oid.serverAuth, oid.clientAuth],
    uris: [uri],
    ...parts,
  };
}

export function forgedExtension(id: string, critical: boolean, value: Uint8Array): Uint8Array {
  return derSequence(derOid(id), ...(critical ? [derBoolean(true)] : []), derOctetString(value));
}

function distinguishedName(name: string): Uint8Array {
  return name === '' ? derSequence() : derSequence(derSet(derSequence(derOid(oid.commonName), derUtf8String(name))));
}

/** The certificate, as DER. */
export function forge(parts: ForgedParts): Uint8Array {
  const issuer = parts.issuer ?? parts;
  const algorithm = signatureAlgorithmOf(issuer.key.privateKey);
  const spki = publicKeyDer(parts.key.publicKey);
  const extensions: Uint8Array[] = [
    ...parts.more,
    forgedExtension(oid.subjectKeyIdentifier, false, derOctetString(subjectKeyIdentifier(spki))),
  ];
  if (parts.basicConstraints !== null) {
    const { isCa, pathLength } = parts.basicConstraints;
    const fields = [
      ...(isCa ? [derBoolean(true)] : []),
      ...(pathLength === null ? [] : [derInteger(Uint8Array.of(pathLength))]),
    ];
    extensions.push(forgedExtension(oid.basicConstraints, true, derSequence(...fields)));
  }
  if (parts.keyUsage !== null) extensions.push(forgedExtension(oid.keyUsage, true, derNamedBits(parts.keyUsage)));
  if (parts.extendedKeyUsage !== null)
    extensions.push(
      forgedExtension(oid.extendedKeyUsage, false, derSequence(...parts.extendedKeyUsage.map((id) => derOid(id)))),
    );
  const names = [
    ...parts.uris.map((uri) => derElement(contextTag(6, false), Buffer.from(uri, 'latin1'))),
    ...parts.dnsNames.map((name) => derElement(contextTag(2, false), Buffer.from(name, 'latin1'))),
  ];
  if (names.length > 0) extensions.push(forgedExtension(oid.subjectAltName, true, derSequence(...names)));
  const toBeSigned = derSequence(
    ...(parts.version === 1 ? [] : [derElement(contextTag(0, true), derInteger(Uint8Array.of(parts.version - 1)))]),
    derInteger(parts.serial),
    algorithm.der,
    distinguishedName(issuer.name),
    derSequence(derTime(parts.notBeforeMs), derTime(parts.notAfterMs)),
    distinguishedName(parts.name),
    spki,
    ...(parts.version === 1 ? [] : [derElement(contextTag(3, true), derSequence(...extensions))]),
  );
  return derSequence(toBeSigned, algorithm.der, derBitString(signBytes(algorithm, toBeSigned, issuer.key.privateKey)));
}

/** Certificate extensions (RFC 5280 4.2): those that we decide by are read, those that we do not know are listed when they are critical. Writing is in `build-certificate.ts`. */
import { contextTag, DerReader, derTag } from '../der/der-reader.ts';
import { IdentityFault } from '../identity-fault.ts';
import { oid } from './object-identifiers.ts';

/** Bits of `keyUsage`, as `DerReader.namedBits` gives them (RFC 5280 4.2.1.3). */
export const keyUsageBit = {
  digitalSignature: 1 << 0,
  keyEncipherment: 1 << 2,
  keyAgreement: 1 << 4,
  keyCertSign: 1 << 5,
  cRLSign: 1 << 6,
} as const;

export interface Extensions {
  /** From basicConstraints; false without it. */
  readonly isCa: boolean;
  /** How many authorities may stand between this one and a leaf; null: any number. */
  readonly pathLength: number | null;
  /** Bits of keyUsage; null: the extension is not there. */
  readonly keyUsage: number | null;
  /** Object identifiers; null: the extension is not there. */
  readonly extendedKeyUsage: readonly string[] | null;
  /** Names of type URI in subjectAltName, as they are: any 7-bit character may be in them. */
  readonly uris: readonly string[];
  readonly subjectKeyId: Uint8Array | null;
  readonly authorityKeyId: Uint8Array | null;
  /** Extensions that are critical and that nobody here understands: such a certificate must not be trusted (RFC 5280 4.2). */
  readonly unknownCritical: readonly string[];
}

const maxExtensions = 64;
const maxNames = 128;

/** `reader`: within the [3] of a certificate; null when it has none. Throws IdentityFault `malformed`. */
export function readExtensions(reader: DerReader | null): Extensions {
  const found = {
    isCa: false,
    pathLength: null as number | null,
    keyUsage: null as number | null,
    extendedKeyUsage: null as readonly string[] | null,
    uris: [] as readonly string[],
    subjectKeyId: null as Uint8Array | null,
    authorityKeyId: null as Uint8Array | null,
    unknownCritical: [] as string[],
  };
  if (reader === null) return found;
  const list = reader.sequence();
  reader.end();
  const seen = new Set<string>();
  while (!list.atEnd) {
    const extension = list.sequence();
    const id = extension.oid();
    const critical = extension.nextTag === derTag.boolean && extension.boolean();
    const value = new DerReader(extension.octetString());
    extension.end();
    if (seen.has(id))
      throw new IdentityFault('malformed', `a certificate with the extension ${id} twice (RFC 5280 4.2)`);
    seen.add(id);
    if (seen.size > maxExtensions)
      throw new IdentityFault('too-large', `a certificate with more than ${maxExtensions} extensions`);
    switch (id) {
      case oid.basicConstraints: {
        const parts = value.sequence();
        found.isCa = parts.nextTag === derTag.boolean && parts.boolean();
        if (!parts.atEnd) found.pathLength = parts.smallInteger();
        parts.end();
        break;
      }
      case oid.keyUsage:
        found.keyUsage = value.namedBits();
        break;
      case oid.extendedKeyUsage:
        found.extendedKeyUsage = readOids(value.sequence());
        break;
      case oid.subjectAltName:
        found.uris = readUris(value.sequence());
        break;
      case oid.subjectKeyIdentifier:
        found.subjectKeyId = value.octetString();
        break;
      case oid.authorityKeyIdentifier: {
        const parts = value.sequence();
        if (parts.nextTag === contextTag(0, false)) found.authorityKeyId = parts.element().contents;
        while (!parts.atEnd) parts.element();
        break;
      }
      default:
        if (critical) found.unknownCritical.push(id);
        continue;
    }
    value.end();
  }
  return found;
}

function readOids(reader: DerReader): readonly string[] {
  const oids: string[] = [];
  while (!reader.atEnd && oids.length <= maxNames) oids.push(reader.oid());
  reader.end();
  return oids;
}

const uriTag = contextTag(6, false);

function readUris(reader: DerReader): readonly string[] {
  const uris: string[] = [];
  let others = 0;
  while (!reader.atEnd) {
    const { tag, contents } = reader.element();
    if (uris.length + others >= maxNames)
      throw new IdentityFault('too-large', `a certificate with more than ${maxNames} names`);
    if (tag !== uriTag) {
      others++;
      continue;
    }
    if (contents.some((octet) => octet >= 0x80))
      throw new IdentityFault('malformed', 'a URI name with bytes that are not ASCII (RFC 5280 4.2.1.6)');
    uris.push(Buffer.from(contents).toString('latin1'));
  }
  return uris;
}

/** An operator's own root or intermediate, as PEM: read, and refused with the fault's name when peers would not accept what it signs. */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { IdentityFault } from '../identity-fault.ts';
import { readMountedSecret } from '../storage/owner-only.ts';
import { readCertificate } from '../x509/certificate.ts';
import { readPem } from '../x509/pem.ts';
import { publicKeyDer, readPublicKey } from '../x509/public-key.ts';

import { makeSigningAuthority, type SigningAuthority } from './signing-authority.ts';

export interface AuthorityPem {
  /** The certificate to sign with first, each signed by the next; the root may be the last. */
  readonly chain: string;
  /** Roots that peers have to trust, when the chain does not end in its root. Empty: none. */
  readonly roots: string;
  /** PKCS #8, SEC 1 or PKCS #1, not encrypted. */
  readonly key: string;
}

/** Throws IdentityFault: `malformed`, `unsupported-key`, and all of {@link makeSigningAuthority}. */
export function readAuthorityPem(pem: AuthorityPem, trustDomain: string, nowMs: number | null): SigningAuthority {
  return makeSigningAuthority(
    {
      chain: readPem(pem.chain, 'CERTIFICATE', 'the chain of the authority').map(readCertificate),
      roots:
        pem.roots === ''
          ? []
          : readPem(pem.roots, 'CERTIFICATE', 'the trust bundle of the authority').map(readCertificate),
      key: readKey(pem.key),
      trustDomain,
    },
    nowMs,
  );
}

export interface AuthorityFiles {
  readonly chain: string;
  readonly key: string;
  /** Null: the chain ends in its root. */
  readonly roots: string | null;
}

/** The same from files; the key's must not be open to others. Throws IdentityFault, also for a file that can't be read. */
export function readAuthorityFiles(files: AuthorityFiles, trustDomain: string, nowMs: number): SigningAuthority {
  try {
    return readAuthorityPem(
      {
        chain: readFileSync(files.chain, 'utf8'),
        roots: files.roots === null ? '' : readFileSync(files.roots, 'utf8'),
        key: readMountedSecret(files.key),
      },
      trustDomain,
      nowMs,
    );
  } catch (error) {
    if (error instanceof IdentityFault) throw new IdentityFault(error.reason, `${files.chain}: ${error.message}`);
    throw new IdentityFault('unsafe-file', `cannot read the authority's files: ${(error as Error).message}`);
  }
}

function readKey(pem: string): KeyObject {
  if (pem.includes('ENCRYPTED'))
    throw new IdentityFault('unsupported-key', 'the key is encrypted; decrypt it, and protect the file by its rights');
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    throw new IdentityFault('malformed', 'the key is not a private key in PEM (PKCS #8, SEC 1 or PKCS #1)');
  }
  readPublicKey(publicKeyDer(createPublicKey(key)));
  return key;
}

/** What signs: a chain of authorities with the key of the first, checked once so that whatever it signs will be accepted. Holds no state; how long it signs is `rotation/`. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { IdentityFault } from '../identity-fault.ts';
import { checkAuthority } from '../spiffe/check-authority.ts';
import { trustDomainId } from '../spiffe/spiffe-id.ts';
import { type Certificate, fingerprint, isSignedBy, sameBytes } from '../x509/certificate.ts';
import { publicKeyDer } from '../x509/public-key.ts';

export interface SigningAuthority {
  /** Of its certificate: the first 16 hexadecimal digits of SHA-256. Names it in files, logs and commands. */
  readonly id: string;
  readonly trustDomain: string;
  /** Its certificate, and those behind it that a peer needs beside the root. */
  readonly chain: readonly Certificate[];
  /** Whom peers have to trust. */
  readonly roots: readonly Certificate[];
  readonly key: KeyObject;
  /** The first end among its chain and its root: nothing it signs is good for longer. */
  readonly notAfterMs: number;
}

export interface AuthorityParts {
  /** Its certificate first, each signed by the next. The root may be the last of it. */
  readonly chain: readonly Certificate[];
  /** Roots beside those in the chain; empty when the chain ends in its root. */
  readonly roots: readonly Certificate[];
  readonly key: KeyObject;
  readonly trustDomain: string;
}

/** Throws IdentityFault: `key-mismatch`, `broken-chain`, `wrong-trust-domain`, and all of {@link checkAuthority}; each message says which certificate. `nowMs` null: validity in time is not asked. */
export function makeSigningAuthority(parts: AuthorityParts, nowMs: number | null): SigningAuthority {
  const { key, trustDomain } = parts;
  trustDomainId(trustDomain);
  const selfSigned = (certificate: Certificate): boolean => sameBytes(certificate.subject, certificate.issuer);
  const first = parts.chain[0];
  if (first === undefined) throw new IdentityFault('malformed', 'there is no certificate to sign with');
  if (!sameBytes(publicKeyDer(createPublicKey(key)), first.publicKeyDer))
    throw new IdentityFault(
      'key-mismatch',
      'the key does not belong to the first certificate: the certificate to sign with comes first, and the key is its key',
    );

  const path = [...parts.chain];
  if (!selfSigned(path.at(-1)!)) {
    const root = parts.roots.find((candidate) => isSignedBy(path.at(-1)!, candidate));
    if (root === undefined)
      throw new IdentityFault(
        'broken-chain',
        'the chain does not end in a root: put the root at its end, or give it in the trust bundle beside it',
      );
    path.push(root);
  }
  path.forEach((certificate, index) => {
    const what = place(index, path.length);
    checkAuthority(certificate, index, nowMs, what);
    const issuer = path[index + 1] ?? certificate;
    if (!isSignedBy(certificate, issuer))
      throw new IdentityFault(
        'broken-chain',
        issuer === certificate
          ? `${what} is not signed by itself`
          : `${what} is not signed by the certificate after it`,
      );
  });
  const [uri] = first.extensions.uris;
  if (uri !== undefined && uri !== trustDomainId(trustDomain).text)
    throw new IdentityFault(
      'wrong-trust-domain',
      `the certificate to sign with is ${uri}'s, and the trust domain here is ${trustDomain}`,
    );

  const root = path.at(-1)!;
  return {
    id: fingerprint(first).slice(0, 16),
    trustDomain,
    chain: path.slice(0, -1).length === 0 ? [first] : path.slice(0, -1),
    roots: [root, ...parts.roots.filter((other) => !sameBytes(other.der, root.der))],
    key,
    notAfterMs: Math.min(...path.map((certificate) => certificate.notAfterMs)),
  };
}

function place(index: number, length: number): string {
  if (index === length - 1) return 'the root';
  return index === 0 ? 'the certificate to sign with' : `certificate ${index + 1} of the chain`;
}

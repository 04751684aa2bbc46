/** Trust bundles: the roots of a trust domain, as PEM or as a SPIFFE bundle document (a JWK Set; SPIFFE Trust Domain and Bundle 4, X509-SVID 6). Whose roots they are is said beside a bundle, never in it. */
import { IdentityFault } from '../identity-fault.ts';
import { type Certificate, fingerprint, readCertificate } from '../x509/certificate.ts';
import { fromBase64, readPem, writePem } from '../x509/pem.ts';
import { trustDomainId } from './spiffe-id.ts';

export interface TrustBundle {
  readonly trustDomain: string;
  /** Different ones, at least one. */
  readonly roots: readonly Certificate[];
  /** Rises with each change; null: not said. */
  readonly sequence: number | null;
  /** How often to ask for it again; null: not said. */
  readonly refreshHintSeconds: number | null;
}

const maxRoots = 128;
const maxDocumentBytes = 1024 * 1024;

/** Checks and gathers. Throws IdentityFault `not-a-ca`, `unsupported-key` or `invalid-spiffe-id`. */
export function makeTrustBundle(
  trustDomain: string,
  roots: readonly Certificate[],
  sequence: number | null = null,
  refreshHintSeconds: number | null = null,
): TrustBundle {
  trustDomainId(trustDomain);
  if (roots.length === 0)
    throw new IdentityFault('malformed', `the trust bundle of ${trustDomain} holds no certificate of an authority`);
  if (roots.length > maxRoots)
    throw new IdentityFault('too-large', `the trust bundle of ${trustDomain} has more than ${maxRoots} roots`);
  const different = new Map<string, Certificate>();
  for (const root of roots) {
    if (!root.extensions.isCa)
      throw new IdentityFault(
        'not-a-ca',
        `the trust bundle of ${trustDomain} holds a certificate that is not an authority's (serial ${root.serial}); a bundle holds roots only`,
      );
    void root.publicKey;
    different.set(fingerprint(root), root);
  }
  return { trustDomain, roots: [...different.values()], sequence, refreshHintSeconds };
}

/** Throws IdentityFault. */
export function trustBundleFromPem(trustDomain: string, text: string): TrustBundle {
  return makeTrustBundle(
    trustDomain,
    readPem(text, 'CERTIFICATE', `the trust bundle of ${trustDomain}`).map(readCertificate),
  );
}

/** A SPIFFE bundle document. Keys of unknown types and uses are passed over, as the standard demands. Throws IdentityFault. */
export function trustBundleFromDocument(trustDomain: string, text: string): TrustBundle {
  const what = `the SPIFFE bundle of ${trustDomain}`;
  if (text.length > maxDocumentBytes)
    throw new IdentityFault('too-large', `${what} is longer than ${maxDocumentBytes} bytes`);
  const document = record(parseJson(text, what));
  const keys = document?.['keys'];
  if (document === null || !Array.isArray(keys))
    throw new IdentityFault('malformed', `${what} is no JWK Set: it has no list "keys"`);
  const roots: Certificate[] = [];
  for (const entry of keys) {
    const key = record(entry);
    if (key === null || key['use'] !== 'x509-svid' || (key['kty'] !== 'EC' && key['kty'] !== 'RSA')) continue;
    const chain: unknown = key['x5c'];
    const first: unknown = Array.isArray(chain) ? chain[0] : undefined;
    if (typeof first === 'string') roots.push(readCertificate(fromBase64(first, `a certificate in ${what}`)));
  }
  if (roots.length === 0)
    throw new IdentityFault('malformed', `${what} has no x509-svid key: that trust domain gives no certificates`);
  return makeTrustBundle(
    trustDomain,
    roots,
    wholeNumber(document['spiffe_sequence']),
    wholeNumber(document['spiffe_refresh_hint']),
  );
}

/** The SPIFFE bundle document of a bundle. */
export function trustBundleDocument(bundle: TrustBundle): string {
  const keys = bundle.roots.map((root) => ({
    use: 'x509-svid',
    ...root.publicKey.export({ format: 'jwk' }),
    x5c: [Buffer.from(root.der).toString('base64')],
  }));
  return JSON.stringify({
    keys,
    ...(bundle.sequence === null ? {} : { spiffe_sequence: bundle.sequence }),
    ...(bundle.refreshHintSeconds === null ? {} : { spiffe_refresh_hint: bundle.refreshHintSeconds }),
  });
}

export function trustBundlePem(bundle: TrustBundle): string {
  return writePem('CERTIFICATE', ...bundle.roots.map((root) => root.der));
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new IdentityFault('malformed', `${what} is not JSON`);
  }
}

function record(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

function wholeNumber(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

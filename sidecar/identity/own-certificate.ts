/** The answer to Sign → our own certificate, checked by every rule that peers will check it by: what they would refuse is refused here, where it can be told and asked for again. */
import type { KeyObject } from 'node:crypto';
import { IdentityFault } from '../../certs/identity-fault.ts';
import type { TrustBundle } from '../../certs/spiffe/trust-bundle.ts';
import { leafIdentity, verifySvid } from '../../certs/spiffe/verify-svid.ts';
import { readCertificate, sameBytes } from '../../certs/x509/certificate.ts';
import { writePem } from '../../certs/x509/pem.ts';
import { publicKeyDer } from '../../certs/x509/public-key.ts';
import type { SignResponse } from '../xds/api/outrigger/identity/v1/identity_pb.js';
import type { Expiring } from './identity-state.ts';
import { readBundles } from './received-bundles.ts';

export interface OwnKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export interface OwnCertificate extends Expiring {
  /** SPIFFE ID. */
  readonly id: string;
  /** Lower-case hexadecimal. */
  readonly serial: string;
  readonly chainPem: string;
  readonly keyPem: string;
  readonly notBeforeMs: number;
  /** When it came, by our own clock. */
  readonly issuedMs: number;
}

export interface Issued {
  readonly certificate: OwnCertificate;
  readonly bundles: readonly TrustBundle[];
}

const maxChain = 8;

/** `wantedId` '': any of the own trust domain. Throws IdentityFault. */
export function readIssued(
  { chain, authorityId, bundles: messages }: SignResponse,
  key: OwnKey,
  wanted: { readonly trustDomain: string; readonly id: string },
  nowMs: number,
): Issued {
  if (chain.length > maxChain)
    throw new IdentityFault('too-large', `a chain of ${chain.length} certificates came; the limit is ${maxChain}`);
  const certificates = chain.map(readCertificate);
  const bundles = readBundles(messages, wanted.trustDomain);
  const [own] = bundles;
  const id = verifySvid(certificates, (name) => (name === wanted.trustDomain ? own! : null), 'client', nowMs);
  const leaf = certificates[0]!;
  leafIdentity(leaf, 'server', nowMs);
  if (wanted.id !== '' && id.text !== wanted.id)
    throw new IdentityFault('not-allowed', `a certificate of ${id.text} came, and ${wanted.id} was asked for`);
  if (!sameBytes(leaf.publicKeyDer, publicKeyDer(key.publicKey)))
    throw new IdentityFault('key-mismatch', 'the certificate that came is for another key');
  const certificate = {
    id: id.text,
    serial: leaf.serial,
    authorityId,
    chainPem: writePem('CERTIFICATE', ...chain),
    keyPem: key.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
    notBeforeMs: leaf.notBeforeMs,
    notAfterMs: leaf.notAfterMs,
    issuedMs: nowMs,
  };
  return { certificate, bundles };
}

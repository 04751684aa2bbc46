/** `outrigger identity verify`: a TLS handshake with anybody, and who that is by the rules of the mesh; or which of them it breaks. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { IdentityFault } from '../../certs/identity-fault.ts';
import { parseSpiffeId, trustDomainFault } from '../../certs/spiffe/spiffe-id.ts';
import { type TrustBundle, trustBundleFromPem } from '../../certs/spiffe/trust-bundle.ts';
import { verifySvid } from '../../certs/spiffe/verify-svid.ts';
import { readCertificate } from '../../certs/x509/certificate.ts';
import { defaultDataDir } from '../data-dir.ts';
import { formatHostPort, parseHostPort } from '../host-port.ts';
import { type OutputFormat, printData } from '../print-data.ts';
import { tlsHandshake } from '../tls-peer.ts';
import { UserError } from '../user-error.ts';

export interface IdentityVerifyOptions {
  readonly trustBundle?: string;
  readonly dataDir?: string;
  readonly trustDomain: string;
  readonly expect?: string;
  readonly output: OutputFormat;
}

/** What programs are told. */
interface VerifiedPeer {
  readonly address: string;
  /** '' when it is nobody of the mesh. */
  readonly identity: string;
  readonly protocol: string;
  readonly alpn: string;
  readonly serialNumber: string;
  readonly expiresAt: string;
  /** '' when all is well. */
  readonly problem: string;
}

/** Exit code 0 when the peer is somebody of the mesh, and the one expected. */
export async function identityVerify(text: string, options: IdentityVerifyOptions, nowMs: number): Promise<number> {
  const address = parseHostPort('HOST:PORT', text);
  const at = formatHostPort(address);
  const expected = options.expect === undefined ? null : spiffeId(options.expect);
  const trustDomain = expected?.trustDomain ?? options.trustDomain;
  const fault = trustDomainFault(trustDomain);
  if (fault !== '') throw new UserError(`--trust-domain: ${fault}`, 2);
  const bundle = readBundle(
    options.trustBundle ?? join(options.dataDir ?? defaultDataDir(process.env), 'trust-bundle.pem'),
    trustDomain,
  );
  const { chain, protocol, alpn } = await tlsHandshake(address);
  let peer = { identity: '', serialNumber: '', expiresAt: '' };
  let problem = protocol === 'TLSv1.3' ? '' : `it agreed on ${protocol}; the mesh speaks TLSv1.3 only`;
  try {
    const certificates = chain.map(readCertificate);
    const id = verifySvid(certificates, (name) => (name === trustDomain ? bundle : null), 'server', nowMs);
    const { serial, notAfterMs } = certificates[0]!;
    peer = { identity: id.text, serialNumber: serial, expiresAt: new Date(notAfterMs).toISOString() };
    if (expected !== null && id.text !== expected.text) problem ||= `expected is ${expected.text}`;
  } catch (error) {
    if (!(error instanceof IdentityFault)) throw error;
    problem = `${error.message} (${error.reason})`;
  }
  print({ address: at, ...peer, protocol, alpn, problem }, options.output);
  if (problem === '') return 0;
  process.stderr.write(`outrigger: ${at}: ${problem}\n`);
  return 1;
}

function print(peer: VerifiedPeer, format: OutputFormat): void {
  const { address, identity, protocol, alpn, serialNumber, expiresAt } = peer;
  if (format !== 'table') printData([peer], [], format);
  else if (identity !== '')
    process.stdout.write(
      `${address} is ${identity}\n  ${protocol}${alpn === '' ? '' : `, ${alpn}`}, certificate ${serialNumber} until ${expiresAt}\n`,
    );
}

function spiffeId(text: string): ReturnType<typeof parseSpiffeId> {
  try {
    return parseSpiffeId(text);
  } catch (error) {
    throw new UserError(`--expect: ${(error as Error).message}`, 2);
  }
}

function readBundle(path: string, trustDomain: string): TrustBundle {
  try {
    return trustBundleFromPem(trustDomain, readFileSync(path, 'utf8'));
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new UserError(
      `${missing ? `there is no ${path}` : (error as Error).message}; name the mesh's roots with --trust-bundle FILE`,
    );
  }
}

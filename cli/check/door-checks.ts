/** The control plane's doors, as a sidecar finds them: the plain one answers, and the TLS one is the control plane by the mesh's roots and by name. */
import { readFileSync } from 'node:fs';
import { IdentityFault } from '../../certs/identity-fault.ts';
import { controlPlaneId } from '../../certs/spiffe/control-plane-id.ts';
import { type TrustBundle, trustBundleFromPem } from '../../certs/spiffe/trust-bundle.ts';
import { verifySvid } from '../../certs/spiffe/verify-svid.ts';
import { fingerprint, readCertificate } from '../../certs/x509/certificate.ts';
import { formatHostPort, type HostPort } from '../host-port.ts';
import { type TlsPeer, tlsHandshake } from '../tls-peer.ts';
import { UserError } from '../user-error.ts';
import { type Finding, Findings } from './findings.ts';

export interface TlsDoor {
  readonly address: HostPort;
  readonly trustDomain: string;
  readonly trustBundle: string;
  /** SHA-256 of the roots that the control plane trusts now. */
  readonly roots: readonly string[];
}

export async function tlsDoorFindings(
  { address, trustDomain, trustBundle, roots }: TlsDoor,
  nowMs: number,
): Promise<Finding[]> {
  const findings = new Findings('doors');
  let peer: TlsPeer;
  try {
    peer = await tlsHandshake(address);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    findings.problem(
      `TLS door ${error.message}; no sidecar gets a certificate there`,
      'name it with --control-plane-tls; where it listens is said by --listen-tls of the control plane',
    );
    return findings.all;
  }
  const at = formatHostPort(address);
  if (peer.protocol !== 'TLSv1.3')
    findings.problem(
      `TLS door ${at}: it agreed on ${peer.protocol}; the mesh speaks TLSv1.3 only`,
      'something that is not the control plane stands there, or between: let sidecars reach it directly',
    );
  let bundle: TrustBundle;
  try {
    bundle = trustBundleFromPem(trustDomain, readFileSync(trustBundle, 'utf8'));
  } catch (error) {
    const why =
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? `there is no ${trustBundle}` : (error as Error).message;
    findings.skipped(
      `TLS door ${at}: a handshake was done, but who it is was not verified: ${why}`,
      "name a copy of the control plane's trust-bundle.pem with --trust-bundle, or its data directory with --data-dir",
    );
    return findings.all;
  }
  const known = new Set(bundle.roots.map(fingerprint));
  if (!roots.every((root) => known.has(root)))
    findings.warning(
      `${trustBundle} lacks a root that the control plane trusts now: a sidecar that starts with this copy believes nobody, once that root signs`,
      'copy trust-bundle.pem from the data directory of the control plane again',
    );
  try {
    const certificates = peer.chain.map(readCertificate);
    const id = verifySvid(certificates, (name) => (name === trustDomain ? bundle : null), 'server', nowMs);
    const wanted = controlPlaneId(trustDomain).text;
    const until = new Date(certificates[0]!.notAfterMs).toISOString();
    if (id.text === wanted) findings.ok(`TLS door ${at} is ${id.text}, certificate until ${until}`);
    else
      findings.problem(
        `TLS door ${at} is ${id.text}, and not ${wanted}: sidecars refuse it`,
        'name the TLS door of the control plane with --control-plane-tls, here and for sidecars',
      );
  } catch (error) {
    if (!(error instanceof IdentityFault)) throw error;
    findings.problem(
      `TLS door ${at}: ${error.message} (${error.reason}); sidecars refuse it`,
      remedy(error.reason, trustBundle),
    );
  }
  return findings.all;
}

function remedy(reason: IdentityFault['reason'], trustBundle: string): string {
  switch (reason) {
    case 'not-yet-valid':
      return "the clock of this machine is behind the control plane's: set both by NTP";
    case 'expired':
      return "the clock of this machine is ahead, or the control plane can't renew its own certificate: its log says why";
    case 'untrusted':
    case 'bad-signature':
      return `${trustBundle} is not this control plane's: name another with --trust-bundle or --data-dir`;
    default:
      return 'whatever stands there is not the control plane: name another with --control-plane-tls';
  }
}

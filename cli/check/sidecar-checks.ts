/** One sidecar, by its own admin port: ready, its identity, every certificate that it uses, and plaintext that comes in. */
import type { IdentityStatus } from '../../sidecar/identity/identity-status.ts';
import { spanText } from '../../sidecar/runtime/span-text.ts';
import { identityProblem } from '../commands/identity-show.ts';
import { formatHostPort, type HostPort } from '../host-port.ts';
import { sidecarAnswer, sidecarJson } from '../sidecar-admin.ts';
import { counted, type Finding, Findings } from './findings.ts';

/** One certificate of `/certs`. */
interface ShownCertificate {
  readonly path: string;
  readonly serial_number: string;
  readonly valid_from: string;
  readonly expiration_time: string;
}

interface ShownContext {
  readonly ca_cert: readonly ShownCertificate[];
  readonly cert_chain: readonly ShownCertificate[];
}

/** What the admin port has said. */
export interface SidecarFacts {
  readonly ready: { readonly status: number; readonly body: string };
  readonly identity: IdentityStatus | null;
  readonly contexts: readonly ShownContext[];
  /** Prometheus text: plaintext requests, and decisions of policies. */
  readonly metrics: string;
}

/** Rejects with a UserError when nobody answers. */
export async function fetchSidecar(address: HostPort): Promise<SidecarFacts> {
  const ready = await sidecarAnswer(address, '/ready');
  const info = (await sidecarJson(address, '/server_info')) as { readonly identity?: IdentityStatus };
  const certs = (await sidecarJson(address, '/certs')) as { readonly certificates: readonly ShownContext[] };
  const filter = encodeURIComponent('inbound_plaintext\\.downstream_rq_total|outrigger_authorization_total');
  const { body: metrics } = await sidecarAnswer(address, `/stats/prometheus?filter=${filter}`);
  return { ready, identity: info.identity ?? null, contexts: certs.certificates, metrics };
}

export function sidecarFindings(facts: SidecarFacts, address: HostPort, nowMs: number): Finding[] {
  const findings = new Findings('sidecar');
  const { ready, identity } = facts;
  const at = formatHostPort(address);
  if (ready.status === 200) findings.ok(`${at} is ready`);
  else
    findings.problem(
      `${at} is not ready (${ready.body.trim()})`,
      'its log says what it waits for: a certificate, its configuration, or a port',
    );
  if (identity === null)
    findings.warning(
      'it has no identity: what goes in and out there is plaintext',
      'give it a proof (--join-token-file, --kubernetes-token-file): docs/identity.md',
    );
  else {
    const problem = identityProblem(identity, nowMs);
    if (problem !== '') findings.problem(problem, 'mend what the last attempt says; it is tried again by itself');
    else
      findings.ok(
        `it is ${identity.spiffe_id}, certificate until ${identity.expiration_time}, renewed at ${identity.renewal_time || 'this moment'}`,
      );
  }
  certificateFindings(findings, facts, nowMs);
  plaintextFindings(findings, facts.metrics);
  return findings.all;
}

function certificateFindings(findings: Findings, { contexts, identity }: SidecarFacts, nowMs: number): void {
  const own = new Map<string, ShownCertificate>();
  const trusted = new Map<string, ShownCertificate>();
  for (const { cert_chain, ca_cert } of contexts) {
    const leaf = cert_chain[0];
    if (leaf !== undefined) own.set(leaf.serial_number, leaf);
    for (const ca of ca_cert) trusted.set(ca.serial_number, ca);
  }
  for (const certificate of own.values()) {
    const { path, serial_number: serial, valid_from: from, expiration_time: until } = certificate;
    const what = `the certificate ${serial} (${path})`;
    const leftMs = Date.parse(until) - nowMs;
    if (Date.parse(from) > nowMs)
      findings.problem(
        `${what} is not yet valid, before ${from}`,
        'is the clock of its machine, or of this one, behind? Set them by NTP',
      );
    // The identity has said so itself.
    if (serial === identity?.serial_number) continue;
    const next = 'replace it where it comes from: the file, the configuration, or whoever serves it by SDS';
    if (leftMs <= 0) findings.problem(`${what} expired at ${until}`, next);
    else if (leftMs < (Date.parse(until) - Date.parse(from)) / 4)
      findings.problem(`${what}: less than a quarter of its life is left (${spanText(leftMs)}, until ${until})`, next);
  }
  for (const { path, serial_number: serial, expiration_time: until } of trusted.values())
    if (Date.parse(until) <= nowMs)
      findings.warning(
        `the trusted CA ${serial} (${path}) expired at ${until}`,
        'take it out where it comes from, when nobody has certificates of it any more',
      );
}

/** Plaintext comes to a chain of its own (control-plane/translate/encode-peer-authentication.ts), which in STRICT has one policy that refuses everything. */
function plaintextFindings(findings: Findings, metrics: string): void {
  let came = 0;
  let refused = 0;
  for (const line of metrics.split('\n')) {
    const value = Number(line.slice(line.lastIndexOf(' ') + 1));
    if (line.startsWith('envoy_http_downstream_rq_total{') && line.includes('"inbound_plaintext"')) came += value;
    else if (
      line.startsWith('outrigger_authorization_total{') &&
      /policy="[^"]*mTLS STRICT/.test(line) &&
      line.includes('result="denied"')
    )
      refused += value;
  }
  if (refused > 0)
    findings.warning(
      `${counted(refused, 'plaintext request was', 'plaintext requests were')} refused since it started (mTLS STRICT)`,
      'the access log says from where (downstream_remote): give these callers a sidecar with an identity',
    );
  if (came > refused)
    findings.warning(
      `${counted(came - refused, 'plaintext request was', 'plaintext requests were')} let in since it started (mTLS PERMISSIVE)`,
      'the access log says from where (downstream_remote, no downstream_peer); when no more come, set STRICT',
    );
}

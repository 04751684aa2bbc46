/** One sidecar, by its own admin port: ready, its identity, every certificate that it uses wherever it comes from, secrets that are broken or missing, and plaintext that comes in. */
import type { CredentialCertificate, CredentialStatus } from '../../sidecar/credential-status.ts';
import type { IdentityStatus } from '../../sidecar/identity/identity-status.ts';
import { spanText } from '../../sidecar/runtime/span-text.ts';
import { identityProblem } from '../commands/identity-show.ts';
import { formatHostPort, type HostPort } from '../host-port.ts';
import { sidecarAnswer, sidecarJson } from '../sidecar-admin.ts';
import { counted, type Finding, Findings, named } from './findings.ts';

/** The time that an answer gives has whole seconds, and was under way. */
const noticedMs = 10_000;

/** What the admin port has said. */
export interface SidecarFacts {
  readonly ready: { readonly status: number; readonly body: string; readonly clockMs: number };
  readonly identity: IdentityStatus | null;
  readonly credentials: readonly CredentialStatus[];
  readonly plaintextListeners: readonly string[];
  /** Prometheus text: plaintext requests, and decisions of policies. */
  readonly metrics: string;
}

/** Rejects with a UserError when nobody answers. */
export async function fetchSidecar(address: HostPort): Promise<SidecarFacts> {
  const ready = await sidecarAnswer(address, '/ready');
  const info = (await sidecarJson(address, '/server_info')) as { readonly identity?: IdentityStatus };
  const certs = (await sidecarJson(address, '/certs')) as {
    readonly credentials: readonly CredentialStatus[];
    readonly plaintext_listeners: readonly string[];
  };
  const filter = encodeURIComponent('inbound_plaintext\\.downstream_rq_total|outrigger_authorization_total');
  const { body: metrics } = await sidecarAnswer(address, `/stats/prometheus?filter=${filter}`);
  const { credentials, plaintext_listeners: plaintext } = certs;
  return { ready, identity: info.identity ?? null, credentials, plaintextListeners: plaintext, metrics };
}

export function sidecarFindings(facts: SidecarFacts, address: HostPort, nowMs: number): Finding[] {
  const findings = new Findings('sidecar');
  const { ready, identity } = facts;
  const at = formatHostPort(address);
  // Warnings behind the first line are told below, with what mends them.
  const [state = '', ...why] = ready.body.trim().split('\n');
  if (ready.status === 200) findings.ok(`${at} is ready`);
  else if (why.length > 0)
    findings.problem(`${at} is not ready: ${why.join('; ')}`, 'renew the certificate: it is ready by itself then');
  else
    findings.problem(
      `${at} is not ready (${state})`,
      'its log says what it waits for: a certificate, its configuration, or a port',
    );
  // NaN: it does not say.
  const aheadMs = ready.clockMs - nowMs;
  if (Math.abs(aheadMs) > noticedMs)
    findings.warning(
      `its clock is ${spanText(Math.abs(aheadMs))} ${aheadMs < 0 ? 'behind' : 'ahead of'} that of this machine: certificates begin and end at another time there`,
      "set both by NTP; outrigger check, without --sidecar-admin, compares this machine's with the control plane's",
    );
  if (identity === null) withoutIdentity(findings, facts);
  else {
    const problem = identityProblem(identity, nowMs);
    if (problem !== '') findings.problem(problem, 'mend what the last attempt says; it is tried again by itself');
    else
      findings.ok(
        `it is ${identity.spiffe_id}, certificate until ${identity.expiration_time}, renewed at ${identity.renewal_time || 'this moment'}`,
      );
  }
  credentialFindings(findings, facts, nowMs);
  plaintextFindings(findings, facts.metrics);
  return findings.all;
}

/** The control plane gave it none: what it has otherwise is told one by one. */
function withoutIdentity(findings: Findings, { credentials, plaintextListeners }: SidecarFacts): void {
  if (credentials.length === 0)
    findings.warning(
      'it has no identity: what goes in and out there is plaintext',
      'give it a proof (--join-token-file, --kubernetes-token-file): docs/identity.md',
    );
  else if (plaintextListeners.length > 0)
    findings.warning(
      `plaintext is taken from other machines by ${plaintextListeners.length === 1 ? 'the listener' : 'the listeners'} ${named(plaintextListeners)}`,
      'nobody is asked there who they are: give it a transport_socket, where that matters',
    );
}

function credentialFindings(findings: Findings, { credentials }: SidecarFacts, nowMs: number): void {
  for (const credential of credentials) {
    const { kind, from, used_by: users, refusal, certificates } = credential;
    const what = `${kind === 'certificate' ? 'certificate' : 'trusted CAs'} (${from}; for ${named(users, mostUsers)})`;
    if (certificates.length === 0)
      findings.problem(
        `there is no ${kind === 'certificate' ? what : `set of ${what}`}: ${refusal === '' ? 'it has not come yet' : `it was refused: ${refusal}`}`,
        remedies[credential.source],
      );
    else if (refusal !== '')
      findings.problem(
        `the newest ${what} was refused, and the one before goes on: ${refusal}`,
        remedies[credential.source],
      );
    for (const certificate of certificates)
      if (kind === 'certificate') ownFinding(findings, certificate, credential, nowMs);
      else if (Date.parse(certificate.expiration_time) <= nowMs)
        findings.warning(
          `the trusted CA ${certificate.of}, serial ${certificate.serial_number} (${from}) expired at ${certificate.expiration_time}`,
          'take it out where it comes from, when nobody has certificates of it any more',
        );
  }
}

function ownFinding(
  findings: Findings,
  { of, serial_number: serial, valid_from: from, expiration_time: until }: CredentialCertificate,
  { source, from: origin, used_by: users }: CredentialStatus,
  nowMs: number,
): void {
  const what = `the certificate of ${of}, serial ${serial} (${origin}; for ${named(users, mostUsers)})`;
  const [fromMs, untilMs] = [Date.parse(from), Date.parse(until)];
  const leftMs = untilMs - nowMs;
  if (fromMs > nowMs)
    findings.problem(
      `${what} is not yet valid, before ${from}`,
      'is the clock of its machine, or of this one, behind? Set them by NTP',
    );
  // The identity has said so itself.
  else if (source === 'identity') return;
  else if (leftMs <= 0) findings.problem(`${what} expired at ${until}`, remedies[source]);
  else if (leftMs < (untilMs - fromMs) / 4)
    findings.problem(
      `${what}: less than a quarter of its life is left (${spanText(leftMs)}, until ${until})`,
      remedies[source],
    );
  else findings.ok(`${what}: ${spanText(leftMs)} left, until ${until}`);
}

/** Of listeners and clusters, whose names are long. */
const mostUsers = 3;

const remedies: Readonly<Record<CredentialStatus['source'], string>> = {
  identity: 'its log says why, and what comes next',
  sds: 'whoever serves it by SDS has to send a new one; the log says what became of the connection',
  file: 'mend or replace the file: it is watched, and read again by itself',
  inline: 'put a new one into the configuration',
};

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

/** Who signs and who is trusted: what ends soon, a rotation that does not go on, files that are not in use. */
import type { AuthorityStatus } from '../../control-plane/admin/identity-admin.ts';
import { spanText } from '../../sidecar/runtime/span-text.ts';
import { type Finding, Findings, named } from './findings.ts';

const dayMs = 86_400_000;

/** `nowMs`: the control plane's clock. */
export function authorityFindings(status: AuthorityStatus, nowMs: number): Finding[] {
  const findings = new Findings('authority');
  const { authorities, ownRoot, fault, rotation, federatedBundles } = status;
  if (fault !== '')
    findings.problem(
      `the files of --ca-certificate are not in use as they are now: ${fault}`,
      'mend them: they are looked at every few seconds',
    );
  const signing = authorities.find(({ signs }) => signs);
  if (signing !== undefined) {
    const next = ownRoot
      ? 'outrigger identity rotate'
      : 'put a new certificate and key into the files of --ca-certificate and --ca-key, no restart needed';
    ending(findings, `the authority ${signing.id} that signs`, signing, next, nowMs);
  }
  if (rotation !== null) rotationFindings(findings, status, rotation, nowMs);
  for (const bundle of federatedBundles) {
    const { trustDomain } = bundle;
    if (bundle.fault !== '')
      findings.problem(
        `the bundle of ${trustDomain} is not in use as it is now: ${bundle.fault}`,
        'mend the file: it is looked at every few seconds',
      );
    ending(
      findings,
      `what is trusted of ${trustDomain}`,
      bundle,
      `get the newest bundle of ${trustDomain} and put it into its --federate file`,
      nowMs,
    );
  }
  return findings.all;
}

/** Act now in the last week or tenth, see to it in the last month or quarter. */
function ending(
  findings: Findings,
  what: string,
  { validFrom, expiresAt }: { readonly validFrom: string; readonly expiresAt: string },
  next: string,
  nowMs: number,
): void {
  const endMs = Date.parse(expiresAt);
  const lifeMs = endMs - Date.parse(validFrom);
  const leftMs = endMs - nowMs;
  const text = `${what} ends in ${spanText(leftMs)} (${expiresAt})`;
  if (leftMs <= 0) findings.problem(`${what} expired at ${expiresAt}`, next);
  else if (leftMs < Math.min(7 * dayMs, lifeMs / 10)) findings.problem(text, next);
  else if (leftMs < Math.min(30 * dayMs, lifeMs / 4)) findings.warning(text, next);
  else findings.ok(`${what} is good until ${expiresAt}`);
}

/** How long a step of a rotation takes when all goes well: a moment for the bundle, a minute over which renewals are spread, and who is away for a moment. */
function usualStepMs(lifetimeMs: number): number {
  return Math.min(60_000, lifetimeMs / 2) + Math.min(10 * 60_000, lifetimeMs) + 2 * 60_000;
}

function rotationFindings(
  findings: Findings,
  { state, certificateLifetimeSeconds }: AuthorityStatus,
  rotation: NonNullable<AuthorityStatus['rotation']>,
  nowMs: number,
): void {
  const { sinceAt, byAt, holders, ready, waitingFor } = rotation;
  const underWayMs = nowMs - Date.parse(sinceAt);
  if (nowMs > Date.parse(byAt) + 60_000) {
    findings.problem(
      `a root rotation should have gone on at ${byAt}: ${state}`,
      "the control plane's log says why it does not; outrigger identity rotate --force tries the step now",
    );
  } else if (ready < holders && underWayMs > usualStepMs(certificateLifetimeSeconds * 1000)) {
    findings.warning(
      `a root rotation has been waiting for ${spanText(underWayMs)}, ${ready} of ${holders} are ready, not yet ${named(waitingFor)}`,
      `see to these, or start them again; it goes on by itself at ${byAt}, and at once by outrigger identity rotate --force, after which their requests fail until they have renewed`,
    );
  } else findings.ok(`a root rotation is under way: ${state}`);
}

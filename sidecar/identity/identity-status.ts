/** What is shown of the sidecar's identity: in /server_info, and by `outrigger identity show`. Never keys or tokens. */
import type { TrustBundle } from '../../certs/spiffe/trust-bundle.ts';
import { dueMs, type IdentityState } from './identity-state.ts';
import type { OwnCertificate } from './own-certificate.ts';

/** As it stands in JSON. Times are ISO 8601. What there is not is ''. */
export interface IdentityStatus {
  readonly state: IdentityState<OwnCertificate>['kind'] | 'expired';
  readonly trust_domain: string;
  readonly spiffe_id: string;
  readonly serial_number: string;
  readonly issuer: string;
  readonly authority_id: string;
  readonly issued_at: string;
  readonly expiration_time: string;
  /** When it is renewed next, or tried again; '' while that is under way. */
  readonly renewal_time: string;
  /** Why the last attempt failed; '' when it did not. */
  readonly last_failure: string;
  readonly trust_bundles: ReadonlyArray<{
    readonly trust_domain: string;
    readonly roots: number;
    readonly sequence: number | null;
  }>;
}

export interface IdentityFacts {
  readonly state: IdentityState<OwnCertificate>;
  /** The last that there was, expired or not. */
  readonly certificate: OwnCertificate | null;
  readonly issuer: string;
  readonly trustDomain: string;
  readonly lastFailure: string;
  readonly bundles: readonly TrustBundle[];
}

export function identityStatus(facts: IdentityFacts, nowMs: number): IdentityStatus {
  const { state, certificate, issuer, trustDomain, lastFailure, bundles } = facts;
  const due = state.kind === 'renewing' ? Infinity : dueMs(state);
  return {
    state: certificate !== null && certificate.notAfterMs <= nowMs ? 'expired' : state.kind,
    trust_domain: trustDomain,
    spiffe_id: certificate?.id ?? '',
    serial_number: certificate?.serial ?? '',
    issuer,
    authority_id: certificate?.authorityId ?? '',
    issued_at: certificate === null ? '' : isoTime(certificate.issuedMs),
    expiration_time: certificate === null ? '' : isoTime(certificate.notAfterMs),
    renewal_time: due === Infinity ? '' : isoTime(due),
    last_failure: lastFailure,
    trust_bundles: bundles.map((bundle) => ({
      trust_domain: bundle.trustDomain,
      roots: bundle.roots.length,
      sequence: bundle.sequence,
    })),
  };
}

export function isoTime(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
